/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - SIGBUS as memory failure sends it.
 *
 * Where a program installs a handler for SIGBUS, the kernel gets ours with the same flags and mask; it looks at the siginfo and
 * calls the program's.  Three kinds come:
 *   from the server      SI_QUEUE with this process's nonce: becomes BUS_MCEERR_AO (or _AR) with its address and lsb;
 *   from a touch         BUS_ADRERR, or BUS_MCEERR_AR of a host that can say so, in a window where the medium is bad: becomes
 *                        BUS_MCEERR_AR with the head of the folio, as device-dax tells it;
 *   anything else        as it is.
 * Whether a handler is called at all, on which stack, with what blocked and what happens after, is the kernel's own: SIG_DFL
 * and SIG_IGN go to it as they are, and so do SA_RESETHAND, SA_NODEFER, SA_ONSTACK and SA_RESTART.
 *
 * What the program has installed is kept in `record`, under a lock that is held quiet; our handler reads it without.
 */
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core.h"
#include "paths.h"

/* The names of System V; libc says that they are old. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define BIT(number) (1ull << ((number)-1))

static struct {
	struct sd_lock lock;
	uint32_t sequence;   /* odd: being changed */
	int32_t process;     /* whose record it is: a vfork() child uses the same memory */
	void *handler;	     /* the program's */
	unsigned long flags; /* the program's */
	bool interrupts;     /* siginterrupt() */
} record;

static __thread uint64_t seen_generation __attribute__((tls_model("initial-exec")));

/* ------------------------------------------------------------------ the handler */

static void read_record(void **handler, unsigned long *flags)
{
	uint32_t before;

	do {
		while ((before = __atomic_load_n(&record.sequence, __ATOMIC_ACQUIRE)) & 1)
			SD_RAW0(SYS_sched_yield);
		*handler = __atomic_load_n(&record.handler, __ATOMIC_RELAXED);
		*flags = __atomic_load_n(&record.flags, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (__atomic_load_n(&record.sequence, __ATOMIC_RELAXED) != before);
}

static void set_memory_error(siginfo_t *info, int code, uintptr_t address, unsigned shift)
{
	info->si_signo = SIGBUS;
	info->si_errno = 0;
	info->si_code = code;
	info->si_addr = (void *)address;
	info->si_addr_lsb = (short)shift;
}

enum verdict { AS_IT_IS, MEMORY_ERROR, GOOD_AGAIN };

/* Tells the server that a touch has been told; the next one is decided anew.  Whether the page is one that the medium cannot give:
 * a kernel without CONFIG_MEMORY_FAILURE says BUS_ADRERR of its marker. */
static bool is_marked(uintptr_t address)
{
	struct sd_locate question = { .header = sd_header_of(SD_LOCATE), .address = address };
	struct sd_located located;
	struct sd_request request;
	struct sd_quiet quiet;

	sd_quiet_begin(&quiet);
	long answer = sd_request_ask(&request, &question, sizeof question, SD_LOCATED, &located, sizeof located, NULL);
	if (!sd_failed(answer))
		sd_request_close(&request); /* the page is there by now */
	sd_quiet_end(&quiet);
	return answer == -EHWPOISON;
}

/* A touch of a file: what the server has noted of it is said once, then what the page is. */
static enum verdict judge_file(siginfo_t *info)
{
	struct sd_handled_ring *ring = sd_handled();
	uint64_t page = (uintptr_t)info->si_addr & ~4095ul;

	for (unsigned index = 0; ring && index < SD_NOTES; index++) {
		struct sd_note *noted = &ring->notes[index];
		uint64_t expected = page;

		if (__atomic_load_n(&noted->page, __ATOMIC_ACQUIRE) != page)
			continue;

		uint64_t address = noted->address, shift = noted->shift;

		if (!__atomic_compare_exchange_n(&noted->page, &expected, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		set_memory_error(info, BUS_MCEERR_AR, address ? address : (uintptr_t)info->si_addr, (unsigned)shift);
		return MEMORY_ERROR;
	}
	if (is_marked((uintptr_t)info->si_addr))
		set_memory_error(info, BUS_MCEERR_AR, (uintptr_t)info->si_addr, 12);
	return info->si_code == BUS_MCEERR_AR ? MEMORY_ERROR : AS_IT_IS;
}

/* Looks at a siginfo of SIGBUS, and changes it into what the kernel of the machine would say. */
static enum verdict judge(siginfo_t *info)
{
	struct sd_window_entry window;
	int32_t nonce = sd_nonce();

	if (info->si_code == SI_QUEUE && nonce && info->si_pid == nonce) {
		uintptr_t address = (uintptr_t)info->si_value.sival_ptr;
		uint32_t words = info->si_uid;

		memset(info, 0, sizeof *info);
		set_memory_error(info, (int)(words >> 8), address, words & 0xff);
		return MEMORY_ERROR;
	}
	if ((info->si_code != BUS_ADRERR && info->si_code != BUS_MCEERR_AR) || !sd_near_windows((uintptr_t)info->si_addr, 1) ||
	    !sd_window_at((uintptr_t)info->si_addr, &window))
		return AS_IT_IS;

	if (window.file)
		return judge_file(info);

	const struct sd_table_entry *entry = sd_entry_of_device(window.device);
	uint64_t offset = window.offset + ((uintptr_t)info->si_addr - window.start);

	if (!entry || offset >= entry->size)
		return AS_IT_IS;
	if (sd_is_poisoned(window.device, offset)) {
		uint64_t head = offset & ~(entry->alignment - 1);

		set_memory_error(info, BUS_MCEERR_AR, window.start + (head - window.offset), (unsigned)__builtin_ctzll(entry->alignment));
		return MEMORY_ERROR;
	}
	if (info->si_code == BUS_MCEERR_AR)
		return MEMORY_ERROR;

	/* The page may have been made good between the touch and here: once for each time that any page was. */
	uint64_t generation = sd_poison_generation();

	if (generation == seen_generation)
		return AS_IT_IS;
	seen_generation = generation;
	return GOOD_AGAIN;
}

/* Without a system call, unless somebody watches. */
static void note(const siginfo_t *info)
{
	struct sd_handled_ring *ring = sd_handled();
	struct timespec now = { 0, 0 };
	uint32_t thread = 0;

	if (!ring)
		return;
	if (__atomic_load_n(&ring->watched, __ATOMIC_RELAXED)) {
		SD_RAW2(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
		thread = (uint32_t)SD_RAW0(SYS_gettid);
	}

	uint64_t turn = __atomic_fetch_add(&ring->count, 1, __ATOMIC_ACQ_REL);
	struct sd_handled *entry = &ring->entries[turn % SD_HANDLED_ENTRIES];

	entry->address = (uintptr_t)info->si_addr;
	entry->time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	entry->thread = thread;
	entry->code = info->si_code;
	entry->shift = (uint32_t)info->si_addr_lsb;
	/* Last: then the entry is complete. */
	__atomic_store_n(&entry->turn, (uint32_t)turn + 1, __ATOMIC_RELEASE);
}

static void on_bus(int number, siginfo_t *info, void *context)
{
	unsigned long flags;
	void *handler;

	read_record(&handler, &flags);
	switch (judge(info)) {
	case GOOD_AGAIN:
		/* The touch is made again.  A handler for one signal has not had it. */
		if (flags & SA_RESETHAND) {
			struct sigaction again;

			SD_NEXT(sigaction)(SIGBUS, NULL, &again);
			again.sa_sigaction = on_bus;
			again.sa_flags = (int)flags | SA_SIGINFO;
			SD_NEXT(sigaction)(SIGBUS, &again, NULL);
		}
		return;
	case MEMORY_ERROR:
		note(info);
		break;
	case AS_IT_IS:
		break;
	}
	((void (*)(int, siginfo_t *, void *))handler)(number, info, context);
}

/* ------------------------------------------------------------------ sigaction() */

static bool is_function(const void *handler)
{
	return handler != (void *)SIG_DFL && handler != (void *)SIG_IGN;
}

static void remember(void *handler, unsigned long flags)
{
	__atomic_store_n(&record.sequence, record.sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&record.handler, handler, __ATOMIC_RELAXED);
	__atomic_store_n(&record.flags, flags, __ATOMIC_RELAXED);
	__atomic_store_n(&record.sequence, record.sequence + 1, __ATOMIC_RELEASE);
}

/* Around the call that gives the kernel an action of SIGBUS, or asks for it. */
struct exchange {
	struct sd_quiet quiet;
	void *handler; /* of the record before */
	unsigned long flags;
	bool wraps;
};

/* `handler` and `flags`: the program's, become what the kernel is given; NULL: it only asks. */
static void exchange_begin(struct exchange *exchange, void **handler, unsigned long *flags)
{
	sd_quiet_begin(&exchange->quiet);
	sd_lock(&record.lock);
	exchange->handler = record.handler;
	exchange->flags = record.flags;
	exchange->wraps = handler && is_function(*handler) && (int32_t)SD_RAW0(SYS_getpid) == record.process;
	if (exchange->wraps) {
		/* Before the kernel has ours: a signal may come at once, and finds the program's. */
		remember(*handler, *flags);
		*handler = (void *)on_bus;
		*flags |= SA_SIGINFO;
	}
}

/* `handler` and `flags`: what the kernel had, become the program's. */
static void exchange_end(struct exchange *exchange, bool done, void **handler, unsigned long *flags)
{
	if (!done && exchange->wraps)
		remember(exchange->handler, exchange->flags);
	if (done && *handler == (void *)on_bus) {
		*handler = exchange->handler;
		*flags = (*flags & ~(unsigned long)SA_SIGINFO) | (exchange->flags & SA_SIGINFO);
	}
	sd_unlock(&record.lock);
	sd_quiet_end(&exchange->quiet);
}

long sd_do_sigaction(const struct sd_kernel_action *action, struct sd_kernel_action *old, size_t size)
{
	struct sd_kernel_action given, before;
	struct exchange exchange;

	if (size != sizeof given.mask)
		return -EINVAL;
	if (action)
		given = *action;
	exchange_begin(&exchange, action ? &given.handler : NULL, &given.flags);

	long result = SD_RAW4(SYS_rt_sigaction, SIGBUS, action ? &given : NULL, &before, size);

	exchange_end(&exchange, !sd_failed(result), &before.handler, &before.flags);
	if (!sd_failed(result) && old)
		*old = before;
	return result;
}

static int act(const struct sigaction *action, struct sigaction *old)
{
	struct sigaction given, before;
	struct exchange exchange;
	unsigned long flags = 0;
	void *handler = NULL;

	if (action) {
		given = *action;
		handler = (void *)given.sa_sigaction;
		flags = (unsigned)given.sa_flags;
	}
	exchange_begin(&exchange, action ? &handler : NULL, &flags);
	if (action) {
		given.sa_sigaction = (void (*)(int, siginfo_t *, void *))handler;
		given.sa_flags = (int)flags;
	}

	int result = SD_NEXT(sigaction)(SIGBUS, action ? &given : NULL, &before);

	handler = (void *)before.sa_sigaction;
	flags = (unsigned)before.sa_flags;
	exchange_end(&exchange, result == 0, &handler, &flags);
	if (result == 0 && old) {
		*old = before;
		old->sa_sigaction = (void (*)(int, siginfo_t *, void *))handler;
		old->sa_flags = (int)flags;
	}
	return result;
}

static inline bool concerns(int number)
{
	return number == SIGBUS && sd_directory();
}

SD_EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	return concerns(number) ? act(action, old) : SD_NEXT(sigaction)(number, action, old);
}

SD_EXPORT int __sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
	return sigaction(number, action, old);
}

/* ------------------------------------------------------------------ what stands for it */

typedef void handler_function(int);

static handler_function *set(handler_function *handler, int flags, bool masks)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct sigaction old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigemptyset(&action.sa_mask);
	if (masks)
		sigaddset(&action.sa_mask, SIGBUS);
	return act(&action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

SD_EXPORT handler_function *signal(int number, handler_function *handler)
{
	return concerns(number) ? set(handler, record.interrupts ? 0 : SA_RESTART, true) : SD_NEXT(signal)(number, handler);
}

handler_function *bsd_signal(int number, handler_function *handler);
SD_EXPORT handler_function *bsd_signal(int number, handler_function *handler)
{
	return signal(number, handler);
}

SD_EXPORT handler_function *ssignal(int number, handler_function *handler)
{
	return signal(number, handler);
}

handler_function *__sysv_signal(int number, handler_function *handler);
SD_EXPORT handler_function *__sysv_signal(int number, handler_function *handler)
{
	return concerns(number) ? set(handler, (int)SA_RESETHAND | SA_NODEFER, false) : SD_NEXT(__sysv_signal)(number, handler);
}

SD_EXPORT handler_function *sysv_signal(int number, handler_function *handler)
{
	return __sysv_signal(number, handler);
}

SD_EXPORT int siginterrupt(int number, int flag)
{
	struct sigaction action;

	if (!concerns(number))
		return SD_NEXT(siginterrupt)(number, flag);
	record.interrupts = flag != 0;
	if (act(NULL, &action) != 0)
		return -1;
	action.sa_flags = flag ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
	return act(&action, NULL);
}

handler_function *sigset(int number, handler_function *handler);
SD_EXPORT handler_function *sigset(int number, handler_function *handler)
{
	uint64_t mask, bit = BIT(SIGBUS);
	struct sigaction old;

	if (!concerns(number))
		return SD_NEXT(sigset)(number, handler);
	if (handler == (handler_function *)2 /* SIG_HOLD */) {
		if (act(NULL, &old) != 0)
			return SIG_ERR;
		SD_RAW4(SYS_rt_sigprocmask, SIG_BLOCK, &bit, &mask, sizeof mask);
	} else {
		old.sa_handler = set(handler, 0, false);
		if (old.sa_handler == SIG_ERR)
			return SIG_ERR;
		SD_RAW4(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, &mask, sizeof mask);
	}
	return mask & bit ? (handler_function *)2 : old.sa_handler;
}

/* ------------------------------------------------------------------ signals that are waited for */

static void translate(siginfo_t *info)
{
	if (info && info->si_signo == SIGBUS && judge(info) == MEMORY_ERROR)
		note(info);
}

SD_EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	int result = SD_NEXT(sigwaitinfo)(set, info);

	if (result == SIGBUS)
		translate(info);
	return result;
}

SD_EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	int result = SD_NEXT(sigtimedwait)(set, info, timeout);

	if (result == SIGBUS)
		translate(info);
	return result;
}

/* ------------------------------------------------------------------ a signal that cannot be avoided */

void sd_force_bus_error(uintptr_t address, unsigned shift, struct sd_quiet *quiet)
{
	struct sd_kernel_action action;
	siginfo_t info;

	memset(&info, 0, sizeof info);
	set_memory_error(&info, BUS_MCEERR_AR, address, shift);

	/* force_sig_info_to_task: blocked or ignored, its action becomes the default one. */
	bool ignored = SD_RAW4(SYS_rt_sigaction, SIGBUS, 0, &action, sizeof action.mask) == 0 && action.handler == (void *)SIG_IGN;

	if (ignored || quiet->mask & BIT(SIGBUS)) {
		memset(&action, 0, sizeof action);
		SD_RAW4(SYS_rt_sigaction, SIGBUS, &action, 0, sizeof action.mask);
		quiet->mask &= ~BIT(SIGBUS);
	}
	/* It waits until the caller is no longer quiet: then it comes as at the return from the system call. */
	SD_RAW4(SYS_rt_tgsigqueueinfo, SD_RAW0(SYS_getpid), SD_RAW0(SYS_gettid), SIGBUS, &info);
}

__attribute__((constructor)) static void begin(void)
{
	record.process = (int32_t)SD_RAW0(SYS_getpid);
}

void sd_signals_after_fork(void)
{
	record.process = (int32_t)SD_RAW0(SYS_getpid);
	record.lock.word = 0;
	record.sequence &= ~1u;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory-error CASE DEVICE ALIGNMENT SOFTDAX: what a program sees of memory errors.  SOFTDAX injects them from outside, as a user does.
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "program.h"

static const char *device, *softdax;
static size_t alignment;

/* The page that fails: in the middle of a large folio, or one that is a folio. */
#define FOLIO (3 * alignment)
#define BAD (FOLIO + (alignment > PAGE ? 5 * PAGE : 0))

static volatile sig_atomic_t handled;
static volatile siginfo_t seen;
static volatile pid_t seen_by;
static volatile void *seen_at; /* an address in the handler's frame */
static sigjmp_buf back;
static volatile sig_atomic_t jumps;

static void on_error(int number, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	seen.si_signo = number;
	seen.si_code = info->si_code;
	seen.si_addr = info->si_addr;
	seen.si_addr_lsb = info->si_addr_lsb;
	seen_by = (pid_t)syscall(SYS_gettid);
	seen_at = &here;
	handled++;
	if (jumps)
		siglongjmp(back, 1);
}

/* What signal() takes, and a handler of one argument is called with all three. */
#define PLAIN ((void (*)(int))(void *)on_error)

static void handle(int flags)
{
	struct sigaction action = { .sa_sigaction = on_error, .sa_flags = SA_SIGINFO | flags };

	DONE(sigaction(SIGBUS, &action, NULL));
}

static void run_tool(const char *words)
{
	char line[512];

	snprintf(line, sizeof line, "%s %s", softdax, words);
	CHECK(system(line) == 0, "%s failed", line);
}

static void inject(const char *kind, size_t byte, size_t sectors)
{
	char words[256];

	snprintf(words, sizeof words, "inject-error %s -B %zu -n %zu --as %s", device + 5, byte / 512, sectors, kind);
	run_tool(words);
}

static void clear(size_t byte, size_t sectors)
{
	char words[256];

	snprintf(words, sizeof words, "clear-errors %s -B %zu -n %zu", device + 5, byte / 512, sectors);
	run_tool(words);
}

static volatile unsigned char *window(void)
{
	return map(open_device(device, O_RDWR), 8 * alignment, 0);
}

/* Touches a byte; whether a handler had to come. */
static bool fails(volatile unsigned char *byte)
{
	volatile bool failed = true;

	jumps = 1;
	if (sigsetjmp(back, 1) == 0) {
		(void)*byte;
		failed = false;
	}
	jumps = 0;
	return failed;
}

#define EXPECT(code, address)                                                                                              \
	do {                                                                                                               \
		CHECK(seen.si_code == (code), "line %d: si_code %d, not %d", __LINE__, seen.si_code, code);                \
		CHECK(seen.si_addr == (void *)(address), "line %d: si_addr %p, not %p", __LINE__, seen.si_addr,            \
		      (void *)(address));                                                                                  \
		CHECK(1ul << seen.si_addr_lsb == alignment, "line %d: lsb %d of %zu", __LINE__, seen.si_addr_lsb, alignment); \
	} while (0)

#define EXPECT_ERROR(byte, head)                                                  \
	do {                                                                      \
		CHECK(fails(byte), "line %d: %s can be read", __LINE__, #byte);   \
		EXPECT(BUS_MCEERR_AR, head);                                      \
	} while (0)

static void fill(volatile unsigned char *place)
{
	for (size_t at = 0; at < 8 * alignment; at += 256)
		place[at] = (unsigned char)(at >> 8 | 1);
}

/* Everything but [from, to) is as fill() left it. */
static void check_bytes(volatile unsigned char *place, size_t from, size_t to)
{
	for (size_t at = 0; at < 8 * alignment; at += 256)
		if (at < from || at >= to)
			CHECK(place[at] == (unsigned char)(at >> 8 | 1), "byte %zu is %d", at, place[at]);
}

static void expect_death(void (*body)(volatile unsigned char *), volatile unsigned char *argument, const char *what)
{
	pid_t child = DONE(fork());
	int status;

	if (child == 0) {
		body(argument);
		_exit(7);
	}
	DONE(waitpid(child, &status, 0));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "%s: the child ended with status %#x", what, status);
}

static void read_byte(volatile unsigned char *byte)
{
	(void)*byte;
}

/* ------------------------------------------------------------------ cases */

static void touch_and_clear(void)
{
	volatile unsigned char *place = window();

	fill(place);
	handle(0);
	inject("media", BAD, 1);
	for (int round = 0; round < 3; round++)
		EXPECT_ERROR(&place[BAD + 100], place + FOLIO);
	/* The other pages of a large folio are there as before. */
	check_bytes(place, BAD, BAD + PAGE);
	EXPECT_ERROR(&place[BAD + 4000], place + FOLIO);
	clear(BAD, 1);
	CHECK(!fails(&place[BAD]) && !fails(&place[BAD + 4000]), "a page that was made good cannot be read");
	check_bytes(place, BAD, BAD + 512);
	for (size_t at = BAD; at < BAD + 512; at++)
		CHECK(place[at] == 0, "byte %zu of the cleared sector is %d", at - BAD, place[at]);
	place[BAD] = 42;
	CHECK(place[BAD] == 42, "a store into a cleared page is lost");
}

static void ways_to_die(void)
{
	volatile unsigned char *place = window();

	fill(place);
	inject("media", BAD, 8);
	expect_death(read_byte, place + BAD, "default action");
	signal(SIGBUS, SIG_IGN);
	expect_death(read_byte, place + BAD, "ignored");
	handle(0);

	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	expect_death(read_byte, place + BAD, "blocked");
	clear(BAD, 8);
}

static void early_and_blocked(void)
{
	volatile unsigned char *place = window();
	struct timespec none = { 0, 0 };
	sigset_t set;
	siginfo_t info;

	fill(place);
	handle(0);
	DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	inject("machine-check --data-stays", BAD, 8);
	CHECK(handled == 1, "%d signals", handled);
	EXPECT(BUS_MCEERR_AO, place + FOLIO);
	CHECK(!fails(&place[BAD]), "the data did not stay");
	check_bytes(place, 0, 0);

	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	inject("machine-check", BAD, 8);
	CHECK(handled == 1, "blocked, and yet a handler came");
	CHECK(sigtimedwait(&set, &info, &none) == SIGBUS, "nothing is pending");
	CHECK(info.si_code == BUS_MCEERR_AO && info.si_addr == (void *)(place + FOLIO) && 1ul << info.si_addr_lsb == alignment,
	      "sigtimedwait: code %d, address %p, lsb %d", info.si_code, info.si_addr, info.si_addr_lsb);
	/* Nobody has it in a page table any more, so nobody is told again. */
	inject("machine-check", BAD, 8);
	CHECK(sigtimedwait(&set, &info, &none) == -1 && errno == EAGAIN, "told twice");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGBUS, SIG_IGN);
	check_bytes(place, BAD, BAD + PAGE);
	clear(BAD, 8);
	read_byte(place + BAD);
	inject("machine-check", BAD, 8); /* ignored is ignored */
	clear(BAD, 8);
}

static volatile pid_t second;
static void *with_policy(void *policy)
{
	DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, (unsigned long)policy, 0, 0));
	second = (pid_t)syscall(SYS_gettid);
	while (second)
		usleep(1000);
	return NULL;
}

static void threads(void)
{
	volatile unsigned char *place = window();
	pthread_t thread;

	read_byte(place + BAD);
	handle(0);
	/* The leader says late, a second thread early: the first that wants it is told. */
	DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
	pthread_create(&thread, NULL, with_policy, (void *)PR_MCE_KILL_EARLY);
	while (!second)
		usleep(1000);
	inject("machine-check --data-stays", BAD, 8);
	for (int wait = 0; wait < 600000 && !handled; wait++)
		usleep(1000);
	CHECK(handled == 1 && seen_by == second, "%d signals, the last for thread %d, not %d", handled, seen_by, second);
	EXPECT(BUS_MCEERR_AO, place + FOLIO);
	second = 0;
	pthread_join(thread, NULL);

	/* Nobody wants to be told now; fork hands the policy on. */
	read_byte(place + BAD);
	inject("machine-check --data-stays", BAD, 8);
	CHECK(handled == 1, "late, and yet told");
	DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));

	int ready[2];

	DONE(pipe(ready));

	pid_t child = DONE(fork());

	if (child == 0) {
		read_byte(place + BAD);
		(void)!write(ready[1], "r", 1);
		for (int wait = 0; wait < 600000 && handled == 1; wait++)
			usleep(1000);
		_exit(handled == 2 && seen_by == getpid() ? 0 : 1);
	}

	char byte;

	DONE(read(ready[0], &byte, 1));
	read_byte(place + BAD);
	inject("machine-check --data-stays", BAD, 8);
	reap(child, "a child of an early process");
	CHECK(handled == 2 && seen_by == getpid(), "the parent was not told");
}

/* Who has a page twice is told of both, in the order in which it was mapped; the second signal finds the first one waiting.  A child has its
 * parent's order, whatever the addresses. */
static void order(void)
{
	int file = open_device(device, O_RDWR);
	size_t length = 8 * alignment;
	uintptr_t space = (uintptr_t)mmap(NULL, 3 * length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *low = (char *)((space + alignment - 1) / alignment * alignment), *high = low + length;
	volatile unsigned char *first = mmap(high, length, BOTH, MAP_SHARED | MAP_FIXED, file, 0);
	volatile unsigned char *second = mmap(low, length, BOTH, MAP_SHARED | MAP_FIXED, file, 0);
	sigset_t bus, waiting;
	int ready[2], go[2];
	char byte;

	CHECK(first == (void *)high && second == (void *)low, "mmap: %s", strerror(errno));
	handle(0);
	DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	DONE(sigprocmask(SIG_BLOCK, &bus, NULL));
	DONE(pipe(ready));
	DONE(pipe(go));

	pid_t child = DONE(fork());

	read_byte(first + BAD);
	read_byte(second + BAD);
	if (child == 0) {
		DONE(write(ready[1], "r", 1));
		DONE(read(go[0], &byte, 1));
	} else {
		DONE(read(ready[0], &byte, 1));
		inject("machine-check --data-stays", BAD, 8);
		DONE(write(go[1], "g", 1));
	}
	DONE(sigpending(&waiting));
	CHECK(sigismember(&waiting, SIGBUS), "%s was not told", child ? "the parent" : "the child");
	DONE(sigprocmask(SIG_UNBLOCK, &bus, NULL));
	CHECK(handled == 1, "%d signals", handled);
	EXPECT(BUS_MCEERR_AO, first + FOLIO);
	if (child == 0)
		_exit(0);
	reap(child, "a child with two mappings");
}

static void stacks_and_flags(void)
{
	volatile unsigned char *place = window();
	static char space[65536];
	stack_t stack = { .ss_sp = space, .ss_size = sizeof space };
	struct sigaction action;

	read_byte(place + BAD);
	inject("media", BAD, 8);
	DONE(sigaltstack(&stack, NULL));
	handle(SA_ONSTACK | SA_RESETHAND);
	EXPECT_ERROR(&place[BAD], place + FOLIO);
	CHECK((char *)seen_at > space && (char *)seen_at < space + sizeof space, "not on the other stack");
	DONE(sigaction(SIGBUS, NULL, &action));
	CHECK(action.sa_handler == SIG_DFL, "SA_RESETHAND has left a handler");
	expect_death(read_byte, place + BAD, "after SA_RESETHAND");

	handle(SA_NODEFER);
	DONE(sigaction(SIGBUS, NULL, &action));
	CHECK(action.sa_sigaction == on_error, "sigaction() shows a handler that is not the program's");
	CHECK((action.sa_flags & (SA_SIGINFO | SA_NODEFER | SA_RESETHAND)) == (SA_SIGINFO | SA_NODEFER), "flags %#x", action.sa_flags);
	void (*old)(int) = signal(SIGBUS, PLAIN);

	CHECK(old == PLAIN, "signal() returns a handler that is not the program's");
	DONE(sigaction(SIGBUS, NULL, &action));
	CHECK(action.sa_handler == PLAIN && !(action.sa_flags & SA_SIGINFO) && action.sa_flags & SA_RESTART,
	      "after signal(): flags %#x", action.sa_flags);
	EXPECT_ERROR(&place[BAD], place + FOLIO);

	/* By number. */
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} raw, was;

	DONE(syscall(SYS_rt_sigaction, SIGBUS, NULL, &raw, 8));
	CHECK(raw.handler == (void *)on_error, "rt_sigaction shows a handler that is not the program's");
	raw.flags |= SA_SIGINFO;
	DONE(syscall(SYS_rt_sigaction, SIGBUS, &raw, &was, 8));
	CHECK(was.handler == (void *)on_error && !(was.flags & SA_SIGINFO), "rt_sigaction's old action");
	EXPECT_ERROR(&place[BAD], place + FOLIO);

	/* A vfork() child has its own action, and none of ours. */
	pid_t child = vfork();

	if (child == 0) {
		signal(SIGBUS, (void (*)(int))(void *)abort);
		_exit(0);
	}
	reap(child, "vfork");
	DONE(sigaction(SIGBUS, NULL, &action));
	CHECK(action.sa_sigaction == on_error, "a vfork() child changed its parent's handler");
	EXPECT_ERROR(&place[BAD], place + FOLIO);

	/* Signals that are none of memory's pass as they are. */
	handled = 0;
	raise(SIGBUS);
	CHECK(handled == 1 && seen.si_code == SI_TKILL, "raise(): code %d", seen.si_code);
	DONE(sigqueue(getpid(), SIGBUS, (union sigval){ .sival_int = 1 }));
	CHECK(handled == 2 && seen.si_code == SI_QUEUE, "sigqueue(): code %d", seen.si_code);
	clear(BAD, 8);
}

static void others(void)
{
	volatile unsigned char *place = window();
	int down[2], up[2];
	char byte;

	DONE(pipe(down));
	DONE(pipe(up));
	fill(place);
	handle(SA_RESTART);

	pid_t child = DONE(fork());

	if (child == 0) {
		check_bytes(place, 0, 0);
		DONE(write(up[1], "r", 1));
		DONE(read(down[0], &byte, 1));
		CHECK(handled == 0, "told, and has not asked");
		check_bytes(place, 0, 0);
		DONE(write(up[1], "r", 1));
		DONE(read(down[0], &byte, 1));
		/* Now its touch is the first. */
		EXPECT_ERROR(&place[BAD], place + FOLIO);
		_exit(0);
	}
	DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	DONE(read(up[0], &byte, 1));
	inject("poison", BAD, 1);
	CHECK(handled == 1, "%d signals", handled);
	EXPECT(BUS_MCEERR_AO, place + FOLIO);
	/* Software poison: the next touch maps the page again. */
	check_bytes(place, 0, 0);
	DONE(write(down[1], "r", 1));
	DONE(read(up[0], &byte, 1));
	inject("media", BAD, 8);
	CHECK(handled == 1, "told of an error that nobody has met");
	DONE(write(down[1], "r", 1));
	reap(child, "the one that touches");
	CHECK(handled == 2, "not told of an error that another process has met");
	EXPECT(BUS_MCEERR_AO, place + FOLIO);
	EXPECT_ERROR(&place[BAD], place + FOLIO);
	clear(BAD, 8);
	read_byte(place + BAD);
}

static void system_calls(void)
{
	volatile unsigned char *place = window();
	int ends[2];

	fill(place);
	handle(0);
	DONE(pipe(ends));
	inject("media", BAD, 8);
	REFUSED(write(ends[1], (void *)(place + BAD), 16), EFAULT);
	DONE(write(ends[1], "0123456789abcdef", 16));
	REFUSED(read(ends[0], (void *)(place + BAD), 16), EFAULT);
	CHECK(handled == 0, "a signal for an error in a system call");
	EXPECT_ERROR(&place[BAD], place + FOLIO);
	clear(BAD, 8);
	CHECK(write(ends[1], (void *)(place + BAD), 16) == 16, "write from a page that was made good");
}

static void moves(void)
{
	volatile unsigned char *place = window();
	volatile unsigned char *alias = window();

	fill(place);
	handle(0);
	inject("latent", BAD, 8);
	EXPECT_ERROR(&place[BAD], place + FOLIO);
	EXPECT_ERROR(&alias[BAD], alias + FOLIO);

	/* The marker goes, the error stays. */
	DONE(madvise((void *)(place + FOLIO), alignment, MADV_DONTNEED));
	EXPECT_ERROR(&place[BAD], place + FOLIO);

	/* A child has no markers. */
	pid_t child = DONE(fork());

	if (child == 0) {
		EXPECT_ERROR(&place[BAD], place + FOLIO);
		_exit(0);
	}
	reap(child, "a child");

	size_t length = 8 * alignment;
	char *target = mmap(NULL, length + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(target != MAP_FAILED, "mmap");
	target += alignment - (uintptr_t)target % alignment;

	volatile unsigned char *moved = mremap((void *)place, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, target);

	CHECK(moved == (void *)target, "mremap: %s", strerror(errno));
	EXPECT_ERROR(&moved[BAD], moved + FOLIO);
	clear(BAD, 8);
	CHECK(!fails(&moved[BAD]) && !fails(&alias[BAD]), "a page that was made good cannot be read");
	check_bytes(moved, BAD, BAD + PAGE);
	check_bytes(alias, BAD, BAD + PAGE);
}

static void advice(void)
{
	volatile unsigned char *place = window();
	void *memory = mmap(NULL, PAGE, BOTH, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fill(place);
	handle(0);
	DONE(madvise((void *)(place + BAD), PAGE, MADV_HWPOISON));
	CHECK(handled == 1, "%d signals", handled);
	EXPECT(BUS_MCEERR_AR, place + FOLIO);
	check_bytes(place, 0, 0);
	REFUSED(madvise((void *)(place + BAD), PAGE, 101 /* MADV_SOFT_OFFLINE */), EIO);
	REFUSED(madvise(memory, PAGE, MADV_HWPOISON), EPERM);
	REFUSED(madvise((void *)(place + 1), PAGE, MADV_HWPOISON), EINVAL);
	CHECK(handled == 1, "a signal for what was refused");

	/* Folio by folio; one signal waits, the others find it there. */
	DONE(madvise((void *)place, 3 * alignment, MADV_HWPOISON));
	CHECK(handled == 2, "%d signals for three folios", handled);
	EXPECT(BUS_MCEERR_AR, place);
	check_bytes(place, 0, 0);
	signal(SIGBUS, SIG_IGN);

	pid_t child = DONE(fork());
	int status;

	if (child == 0) {
		madvise((void *)place, PAGE, MADV_HWPOISON);
		_exit(0);
	}
	DONE(waitpid(child, &status, 0));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "ignored, and forced: status %#x", status);
}

int main(int count, char **words)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{ "touch", touch_and_clear }, { "die", ways_to_die },	{ "early", early_and_blocked }, { "threads", threads },
		{ "order", order },
		{ "flags", stacks_and_flags }, { "others", others },	{ "system-calls", system_calls }, { "moves", moves },
		{ "advice", advice },
	};

	CHECK(count == 5, "usage: memory-error CASE DEVICE ALIGNMENT SOFTDAX");
	device = words[2];
	alignment = strtoull(words[3], NULL, 0);
	softdax = words[4];
	alarm(600);
	for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
		if (strcmp(words[1], cases[index].name) == 0) {
			cases[index].run();
			return 0;
		}
	}
	fail("no case %s", words[1]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core.h - what the files about mappings share: windows, requests, the agent.
 *
 * Functions here return >= 0 or -errno and never touch errno.  "Quiet" means: every signal of the calling thread is
 * blocked.  A lock is only ever held quiet, and never while waiting for the server.
 */
#ifndef SOFTDAX_CORE_H
#define SOFTDAX_CORE_H

#include <sys/uio.h>

#include "preload.h"
#include "raw.h"

/* ------------------------------------------------------------------ lock.c */

struct sd_quiet {
	uint64_t mask;
};
void sd_quiet_begin(struct sd_quiet *quiet);
void sd_quiet_end(const struct sd_quiet *quiet);

struct sd_lock {
	uint32_t word; /* 0 free, 1 held, 2 held and waited for */
};
void sd_lock(struct sd_lock *lock); /* the caller is quiet */
void sd_unlock(struct sd_lock *lock);
void sd_futex_wait(uint32_t *word, uint32_t value);
void sd_futex_wake(uint32_t *word);

/* The one lock of this process's windows and of the descriptors that requests have open for a moment. */
extern struct sd_lock sd_process_lock;

/* One line on standard error, in pieces, the last one NULL. */
void sd_say(const char *first, ...);

/* ------------------------------------------------------------------ windows.c */

#define SD_LEAVING 1u  /* a call that takes it away is under way */
#define SD_DONTFORK 2u /* MADV_DONTFORK */
#define SD_PRIVATE 4u  /* MAP_PRIVATE; of files only */

struct sd_window_entry {
	uintptr_t start;
	uintptr_t end;
	uint64_t offset; /* what `start` shows of the device */
	uint64_t entered; /* rises with every entry into the array, as the kernel's VMAs enter a file's tree */
	uint32_t device;
	uint8_t access;	    /* O_ACCMODE */
	uint8_t protection; /* PROT_* */
	uint8_t kind;	    /* enum sd_window */
	uint8_t flags;
	uint64_t file; /* SD_WINDOW_PIECES: names the file; else 0 */
};

extern uintptr_t sd_lowest, sd_highest; /* every window lies between; read without the lock */

/* The end of a range that a caller gave, rounded up to pages; the last address where it goes beyond. */
static inline uintptr_t sd_range_end(uintptr_t start, size_t length)
{
	uintptr_t end;

	if (__builtin_add_overflow(start, length, &end) || end > UINTPTR_MAX - 4095)
		return UINTPTR_MAX;
	return (end + 4095) & ~(uintptr_t)4095;
}

/* False: no byte of the range is in a window.  True: perhaps. */
static inline bool sd_near_windows(uintptr_t start, size_t length)
{
	return start < __atomic_load_n(&sd_highest, __ATOMIC_RELAXED) &&
	       sd_range_end(start, length) > __atomic_load_n(&sd_lowest, __ATOMIC_RELAXED);
}

bool sd_any_window(uintptr_t start, uintptr_t end);
/* The first window, or part of one, in [start, end). */
bool sd_next_window(uintptr_t start, uintptr_t end, struct sd_window_entry *part);
/* The whole window at an address. */
bool sd_window_at(uintptr_t address, struct sd_window_entry *window);
/* Enters it, instead of what was there.  Once the server is gone, the memory itself is revoked as well. */
long sd_add_window(const struct sd_window_entry *window);
void sd_remove_windows(uintptr_t start, uintptr_t end);
void sd_flag_windows(uintptr_t start, uintptr_t end, uint8_t flag, bool on);
void sd_protect_windows(uintptr_t start, uintptr_t end, int protection);
/* After mremap(). */
void sd_move_windows(uintptr_t start, size_t old_length, uintptr_t target, size_t new_length);
/* Calls `part` for each part of a file's window in [start, end), in order, under the process lock; a part that a call is taking
 * away is waited for first.  Returns the bytes that were in windows, or what `part` failed with. */
long sd_for_file_windows(uintptr_t start, uintptr_t end, long (*part)(uintptr_t start, uintptr_t end, void *context), void *context);
/* The server is gone: every window, and every one that is added later, becomes memory whose touch is SIGBUS.  Calls under way that wait for
 * events of the userfaultfd are waited for; < 0: there is none. */
void sd_revoke_windows(int userfaultfd);
/* Memory whose touch is SIGBUS with BUS_ADRERR. */
long sd_map_nothing(uintptr_t start, size_t length, int protection);
/* In a forked child, before anything else; its lock is the parent's, held. */
void sd_windows_after_fork(void);

/* ------------------------------------------------------------------ request.c */

typedef long sd_system_call(long number, long a, long b, long c, long d, long e, long f);

struct sd_request {
	int fd;
	sd_system_call *call; /* what makes its system calls: sd_raw(), or the porter, in whose table `fd` then is */
};

/* Connects, sends and waits for an answer of that type and size; the request is open if it succeeds.  A server that does
 * not answer is asked again and again, for two seconds.  -ENXIO: the server is gone, or does not know this process.  Any
 * other error is one that every call about mappings may have; -ENOMEM where nothing better is known. */
long sd_request_ask(struct sd_request *request, const void *message, size_t length, uint16_t type, void *answer, size_t size,
		    int *passed);
/* The second phase: sends, and waits for SD_DONE; its error, or why there was none, as above. */
long sd_request_finish(struct sd_request *request, const void *message, size_t length);
void sd_request_close(struct sd_request *request);
/* Closes a descriptor that was passed. */
void sd_request_drop(struct sd_request *request, int fd);
/* Sends one message and waits for SD_DONE: its error, or why there was none. */
long sd_request_done(const void *message, size_t length);
/* Connects to the server. */
long sd_connect(const struct sd_request *request);
/* How long to wait before the next attempt, in ns; false: enough. */
bool sd_again(long *waited);
void sd_requests_after_fork(void);

static inline struct sd_header sd_header_of(uint16_t type)
{
	return (struct sd_header){ SD_WIRE_MAGIC, SD_WIRE_VERSION, type };
}

long sd_send_message(const struct sd_request *request, const void *message, size_t length, int passed);
/* One message; 0 at the end of the connection; -EMFILE when a descriptor came for which the table has no room. */
long sd_receive_message(const struct sd_request *request, void *message, size_t length, int flags, int *passed);

/* ------------------------------------------------------------------ porter.c */

/* The turn to have system calls made with the agent's descriptor table and credentials; false: there is none. */
bool sd_porter_take(void);
sd_system_call sd_porter_call;
void sd_porter_release(void);
/* In the agent: starts it if somebody waits for it; ends it for good. */
void sd_porter_start(void);
void sd_porter_end(void);
bool sd_porter_runs(void);
void sd_porter_after_fork(void);

/* ------------------------------------------------------------------ agent.c */

/* Names this address space to the server; starts the agent if there is none.  -errno: what mmap() fails with. */
long sd_attach_process(uint64_t *token);
/* The token, 0 without an agent. */
uint64_t sd_token(void);
/* The server has closed the agent's connection. */
bool sd_server_left(void);
/* Has the agent look for what is wanted of it, once in its life, and waits until it has; false if it cannot be told. */
bool sd_agent_wake(void);
/* Faults of system calls are not seen. */
bool sd_user_mode_only(void);
void sd_agent_after_fork(void);
/* The agent's thread is there. */
bool sd_agent_runs(void);
/* si_pid of the signals that the server sends to this process; 0 without an agent. */
int32_t sd_nonce(void);
/* Where to note what handlers were called with; NULL without an agent. */
struct sd_handled_ring *sd_handled(void);

/* ------------------------------------------------------------------ events.c */

/* In the agent: from now on the end of the server keeps nobody waiting who moves memory. */
void sd_events_start(int server, int userfaultfd);
bool sd_events_runs(void);
/* Reads the events that nobody else will read: who waits for that goes on. */
void sd_read_events(int userfaultfd);
void sd_events_after_fork(void);

/* ------------------------------------------------------------------ poison.c */

/* In the agent: maps what the server says of pages that the media cannot give. */
void sd_map_poison(void);
/* Whether the medium cannot give the page at that offset of a device. */
bool sd_is_poisoned(uint32_t device, uint64_t offset);
/* Goes up before pages are good again. */
uint64_t sd_poison_generation(void);
/* madvise(MADV_HWPOISON) and MADV_SOFT_OFFLINE; the caller is quiet, and has `quiet` from before. */
long sd_poison(uintptr_t start, uintptr_t end, int advice, struct sd_quiet *quiet);

/* ------------------------------------------------------------------ signals.c */

struct sd_kernel_action { /* struct sigaction as the system call has it */
	void *handler;
	unsigned long flags;
	void *restorer; /* not on aarch64 */
	uint64_t mask;
};
/* rt_sigaction() of SIGBUS. */
long sd_do_sigaction(const struct sd_kernel_action *action, struct sd_kernel_action *old, size_t size);
/* A BUS_MCEERR_AR for the calling thread, as the kernel forces it: blocked or ignored, it kills.  Quiet. */
void sd_force_bus_error(uintptr_t address, unsigned shift, struct sd_quiet *quiet);
void sd_signals_after_fork(void);

/* ------------------------------------------------------------------ change.c */

struct sd_call {
	struct sd_request request;
	struct sd_change_plan plan;
};

enum sd_answer {
	SD_PERFORM = 0,	 /* make the system call, then sd_change_end() */
	SD_NOTHING = 1,	 /* it succeeds, nothing to be done */
	SD_POPULATED = 2, /* the pages are there */
	SD_ALONE = 3,	 /* no server, for certain: make the system call, and that is all */
};

/* Asks; negative: what the system call must fail with. */
long sd_change_begin(struct sd_call *call, struct sd_change change);
void sd_change_end(struct sd_call *call, long result, uintptr_t address, size_t length);

/* The system calls, as the hooks and syscall() use them. */
long sd_do_mmap(uintptr_t address, size_t length, int protection, int flags, int fd, uint64_t offset);
long sd_do_munmap(uintptr_t address, size_t length);
long sd_do_mprotect(uintptr_t address, size_t length, int protection, int key); /* key -2: mprotect() */
long sd_do_madvise(uintptr_t address, size_t length, int advice);
long sd_do_msync(uintptr_t address, size_t length, int flags);
long sd_do_mremap(uintptr_t address, size_t old_length, size_t new_length, int flags, uintptr_t target);
long sd_do_process_madvise(int process, const struct iovec *ranges, size_t count, int advice, unsigned flags);
long sd_do_mlock(uintptr_t address, size_t length, int flags); /* flags 0: mlock() */
long sd_do_mlockall(int flags);
long sd_do_munlockall(void);

/* map.c: where the shim's own memory goes: far from where the kernel puts the program's, whose holes may be about to be filled (munmap,
 * then MAP_FIXED).  A hint for mmap, a new one each time. */
uintptr_t sd_own_place(size_t length);
/* map.c: a stack for a thread of the shim's, with a guard page below; sd_raw_munmap() gives it back. */
long sd_own_stack(size_t length);
/* map.c: address space of that length, `congruence` modulo `alignment`, where nothing was; PROT_NONE. */
long sd_reserve(size_t length, uint64_t alignment, uint64_t congruence, int flags);
/* map.c: another window on what `window` shows from its start; `flags`: MAP_FIXED and the like. */
long sd_map_again(const struct sd_window_entry *window, size_t length, int flags, uintptr_t address);
/* move.c: moves a window of that kind as mremap() does. */
long sd_move(uint8_t kind, uintptr_t start, size_t old_length, size_t new_length, int flags, uintptr_t target);
/* advise.c: empties the page table of part of an anonymous window. */
long sd_zap_anonymous(const struct sd_window_entry *window, uintptr_t start, uintptr_t end);

/* ------------------------------------------------------------------ populate.c */

/* Has the server insert what [start, end) shows of windows; -EFAULT where something cannot be. */
long sd_populate(uintptr_t start, uintptr_t end);
/* MADV_POPULATE_READ and _WRITE; quiet. */
long sd_advise_populate(uintptr_t start, uintptr_t end, int advice);
/* mlockall(MCL_FUTURE) holds: what is mapped is populated at once. */
bool sd_locks_future(void);
/* mmap() of memory that the server is to watch, by `call`: never locked, so that the kernel puts no page there by itself. */
long sd_map_watched(sd_system_call *call, uintptr_t address, size_t length, int protection, int flags, int fd, uint64_t offset);
void sd_populate_after_fork(void);

/* ------------------------------------------------------------------ file.c: windows of files on a mount */

#define SD_FILE_GONE UINT64_MAX /* it is on a mount that nobody serves any more */
/* Names the file of a descriptor to the server; 0 if it is not on a mount of softdax whose files have windows. */
uint64_t sd_file_of_descriptor(int fd);
/* In the agent: SD_PUT. */
long sd_put_piece(const struct sd_put *place, int medium, int userfaultfd);
/* mremap() of part of a file's window. */
long sd_move_file(const struct sd_window_entry *window, uintptr_t start, size_t old_length, size_t new_length, int flags,
		  uintptr_t target);
/* mremap() to a fixed place, of memory that may be several mappings. */
long sd_remap_pieces(uintptr_t start, size_t length, uintptr_t target);

/* ------------------------------------------------------------------ fork.c */

/* Around anything that copies the process. */
void sd_fork_prepare(void);
void sd_fork_parent(void);
void sd_fork_child(void);

#endif

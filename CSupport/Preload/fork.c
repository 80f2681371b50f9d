/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork.c - a child has the parent's windows, and a server must know.
 *
 * The kernel copies the mappings but none of their page-table entries (they are shared and have no anon_vma), and no
 * registration.  So before the child runs anything of its own it starts an agent and has each window adopted.  Where the
 * parent's window was anonymous, what the parent's agent had mapped is inherited too: fresh memory takes its place.
 *
 * fork() calls the handlers of pthread_atfork().  Ours are the first of the process, so that the lock is taken after and
 * given back before everybody else's: other libraries' handlers may call whatever they like, and wait for threads that do.
 * _Fork(), clone() and syscall(SYS_fork) call no handlers, and get ours here.  A vfork() child runs in the parent's memory
 * and needs nothing.
 */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core.h"
#include "paths.h"

static struct sd_quiet parents_quiet; /* guarded by the lock that is held meanwhile */

void sd_fork_prepare(void)
{
	struct sd_quiet quiet;

	sd_quiet_begin(&quiet);
	sd_lock(&sd_process_lock);
	parents_quiet = quiet;
}

void sd_fork_parent(void)
{
	struct sd_quiet quiet = parents_quiet;

	sd_unlock(&sd_process_lock);
	sd_quiet_end(&quiet);
}

static long adopt(const struct sd_window_entry *window, uint64_t token)
{
	struct sd_adopt message = {
		.header = sd_header_of(SD_ADOPT),
		.token = token,
		.address = window->start,
		.length = window->end - window->start,
		.offset = window->offset,
		.entered = window->entered,
		.device = window->device,
		.access = window->access,
		.protection = window->protection,
		.is_private = window->flags & SD_PRIVATE ? 1 : 0,
		.file = window->file,
	};

	/* A private one's copies are the child's. */
	if (window->kind != SD_WINDOW_FILE && !(window->flags & SD_PRIVATE)) {
		long result = sd_raw_mmap(window->start, window->end - window->start, window->protection,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

		if (sd_failed(result))
			return result;
	}
	return sd_request_done(&message, sizeof message);
}

void sd_fork_child(void)
{
	struct sd_quiet quiet = parents_quiet;
	struct sd_window_entry window;
	uint64_t token = 0;

	sd_stdout_after_fork();
	sd_requests_after_fork();
	sd_windows_after_fork();
	sd_agent_after_fork();
	sd_signals_after_fork();
	sd_populate_after_fork();
	__atomic_store_n(&sd_process_lock.word, 0, __ATOMIC_RELEASE);

	bool attached = false;

	for (uintptr_t at = 0; sd_next_window(at, UINTPTR_MAX, &window); at = window.end) {
		if (!attached && sd_failed(sd_attach_process(&token))) {
			/* Nobody answers: the device is gone for this child. */
			sd_revoke_windows(-1);
			break;
		}
		attached = true;
		if (sd_failed(adopt(&window, token))) {
			sd_remove_windows(window.start, window.end);
			sd_map_nothing(window.start, window.end - window.start, window.protection);
		}
	}
	sd_quiet_end(&quiet);
}

SD_EXPORT pid_t _Fork(void)
{
	sd_fork_prepare();

	pid_t child = SD_NEXT(_Fork)();

	if (child == 0)
		sd_fork_child();
	else
		sd_fork_parent();
	return child;
}

/* clone() without CLONE_VM is a fork too; the child has a copy of this frame. */
struct beginning {
	int (*function)(void *);
	void *argument;
};

static int begin(void *argument)
{
	const struct beginning *beginning = argument;

	sd_fork_child();
	/* Returning would end this thread and leave the agent. */
	_exit(beginning->function(beginning->argument));
}

SD_EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	va_list list;

	va_start(list, argument);

	pid_t *parent = va_arg(list, pid_t *);
	void *storage = va_arg(list, void *);
	pid_t *child = va_arg(list, pid_t *);

	va_end(list);
	/* With CLONE_FILES the child could not tell its parent's descriptors from its own. */
	if (flags & (CLONE_VM | CLONE_FILES) || !function || !stack)
		return SD_NEXT(clone)(function, stack, flags, argument, parent, storage, child);

	struct beginning beginning = { function, argument };

	sd_fork_prepare();

	int result = SD_NEXT(clone)(begin, stack, flags, &beginning, parent, storage, child);

	sd_fork_parent();
	return result;
}

/* What pthread_atfork() is in libc: handlers that prepare run in the reverse order of registration, the others in order. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library);

__attribute__((constructor)) static void watch_forks(void)
{
	static bool watched;

	if (!__atomic_exchange_n(&watched, true, __ATOMIC_RELAXED))
		SD_NEXT(__register_atfork)(sd_fork_prepare, sd_fork_parent, sd_fork_child, NULL);
}

SD_EXPORT int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library)
{
	watch_forks();
	return SD_NEXT(__register_atfork)(prepare, parent, child, library);
}

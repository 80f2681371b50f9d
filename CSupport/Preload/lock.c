/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.c - a lock that signal handlers and forked children can live with.
 *
 * libc's locks are no choice: a hook may run in a signal handler, in another library's constructor or in a child whose
 * parent had threads.  Ours is taken with every signal blocked, for the time of a table lookup.
 */
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/uio.h>

#include "core.h"

struct sd_lock sd_process_lock;

void sd_quiet_begin(struct sd_quiet *quiet)
{
	uint64_t all = ~0ull;

	SD_RAW4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &quiet->mask, sizeof all);
}

void sd_quiet_end(const struct sd_quiet *quiet)
{
	SD_RAW4(SYS_rt_sigprocmask, SIG_SETMASK, &quiet->mask, 0, sizeof quiet->mask);
}

void sd_futex_wait(uint32_t *word, uint32_t value)
{
	SD_RAW4(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, 0);
}

void sd_futex_wake(uint32_t *word)
{
	SD_RAW3(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

void sd_lock(struct sd_lock *lock)
{
	uint32_t free = 0;

	if (__atomic_compare_exchange_n(&lock->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0)
		sd_futex_wait(&lock->word, 2);
}

void sd_unlock(struct sd_lock *lock)
{
	if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)
		SD_RAW3(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1);
}

void sd_say(const char *first, ...)
{
	struct iovec pieces[8];
	int count = 0;
	va_list list;

	va_start(list, first);
	for (const char *piece = first; piece && count < 8; piece = va_arg(list, const char *)) {
		pieces[count].iov_base = (void *)(uintptr_t)piece;
		pieces[count++].iov_len = strlen(piece);
	}
	va_end(list);
	SD_RAW3(SYS_writev, 2, pieces, count);
}

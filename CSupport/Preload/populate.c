/* SPDX-License-Identifier: Apache-2.0 */
/*
 * populate.c - insertion ahead of the touch: MADV_POPULATE, mlock, mlockall, buffers of system calls.
 *
 * A fault of device-dax does not read the page, so that a page that the medium cannot give is mapped as any other, and nobody
 * learns of the error.  The server does that; the kernel, which would touch, is asked only for what is no device's.
 *
 * A DAX mapping, shared or private, is never locked and counts for no limit (mm/mlock.c, mlock_fixup): mlock() is insertion.
 * A window that is locked on the host would be populated by the kernel when it is made or grows, behind the server's back, and
 * MADV_DONTNEED would not take its pages.
 */
#include <sys/mman.h>

#include "core.h"

#ifndef MADV_POPULATE_READ /* 5.14 */
#define MADV_POPULATE_READ 22
#endif

static bool is_device(const struct sd_window_entry *window)
{
	return window->kind != SD_WINDOW_PIECES;
}

long sd_populate(uintptr_t start, uintptr_t end)
{
	struct sd_window_entry window;
	long failure = 0;

	for (uintptr_t at = start; at < end && sd_next_window(at, end, &window); at = window.end) {
		struct sd_populate populate = {
			.header = sd_header_of(SD_POPULATE),
			.token = sd_token(),
			.address = window.start,
			.length = window.end - window.start,
		};

		if (populate.token == 0)
			break;

		long result = sd_request_done(&populate, sizeof populate);

		if (sd_failed(result) && failure == 0)
			failure = result;
	}
	return failure;
}

bool sd_buffers_matter(void)
{
	return __atomic_load_n(&sd_highest, __ATOMIC_RELAXED) != 0 && sd_user_mode_only();
}

void sd_prepare_buffer(const void *address, size_t length)
{
	uintptr_t start = (uintptr_t)address;
	struct sd_quiet quiet;

	if (length == 0 || !sd_near_windows(start, length) || !sd_user_mode_only())
		return;
	sd_quiet_begin(&quiet);
	sd_populate(start & ~(uintptr_t)4095, sd_range_end(start, length));
	sd_quiet_end(&quiet);
}

/* ------------------------------------------------------------------ madvise */

long sd_advise_populate(uintptr_t start, uintptr_t end, int advice)
{
	struct sd_window_entry window;
	struct sd_call call;
	long hole = 0, result = 0;

	for (uintptr_t at = start; at < end && !sd_failed(result); at = window.end) {
		bool found = sd_next_window(at, end, &window);
		uintptr_t next = found ? window.start : end;
		long between = next > at ? SD_RAW3(SYS_madvise, at, next - at, advice) : 0;

		if (sd_failed(between) && between != -ENOMEM)
			return between;
		if (sd_failed(between))
			hole = between;
		if (!found)
			break;

		/* Behind a hole the server says whether the kernel goes on. */
		size_t length = window.end - window.start;
		long answer = sd_change_begin(&call, (struct sd_change){ .operation = SD_ADVISE, .address = window.start,
									 .length = length, .argument = (uint64_t)(unsigned)advice,
									 .flags = hole ? SD_BEHIND_HOLE : 0 });

		/* What of a file's window cannot be there is the kernel's to say. */
		if (sd_failed(answer))
			result = answer;
		else if (answer == SD_PERFORM || answer == SD_ALONE || !is_device(&window))
			result = SD_RAW3(SYS_madvise, window.start, length, advice);
		if (answer == SD_PERFORM)
			sd_change_end(&call, result, window.start, length);
	}
	return sd_failed(result) ? result : hole;
}

/* ------------------------------------------------------------------ mlock */

#ifndef MLOCK_ONFAULT /* 4.4 */
#define MLOCK_ONFAULT 1
#endif

/* mlockall(MCL_FUTURE) */
static uint32_t locks_future;

static long lock_host(uintptr_t start, size_t length, int flags)
{
	return flags ? SD_RAW3(SYS_mlock2, start, length, flags) : SD_RAW2(SYS_mlock, start, length);
}

/* Windows in the range are locked no more. */
static void unlock_windows(uintptr_t start, uintptr_t end)
{
	struct sd_window_entry window;

	for (uintptr_t at = start; at < end && sd_next_window(at, end, &window); at = window.end)
		SD_RAW2(SYS_munlock, window.start, window.end - window.start);
}

static long lock_part(const struct sd_window_entry *part, int flags)
{
	if (flags & MLOCK_ONFAULT)
		return 0;
	if ((part->protection & (PROT_READ | PROT_WRITE | PROT_EXEC)) == 0)
		return -ENOMEM;
	/* What gup says is EFAULT (__mlock_posix_error_return). */
	long result = sd_populate(part->start, part->end);

	/* What of a file's window cannot be there is the kernel's to say. */
	if (!is_device(part) && part->protection & PROT_READ)
		result = SD_RAW3(SYS_madvise, part->start, part->end - part->start, MADV_POPULATE_READ);
	return sd_failed(result) ? -ENOMEM : 0;
}

long sd_do_mlock(uintptr_t address, size_t length, int flags)
{
	uintptr_t start = address & ~(uintptr_t)4095, end = sd_range_end(address, length);
	struct sd_window_entry window;
	struct sd_quiet quiet;

	if (!sd_near_windows(address, length) || !sd_any_window(start, end) || end == UINTPTR_MAX)
		return lock_host(address, length, flags);
	sd_quiet_begin(&quiet);

	/* Limits and holes first, as in the kernel; nothing is inserted by this. */
	long result = SD_RAW3(SYS_mlock2, start, end - start, flags | MLOCK_ONFAULT);

	unlock_windows(start, end);
	for (uintptr_t at = start; at < end && !sd_failed(result); at = window.end) {
		bool found = sd_next_window(at, end, &window);
		uintptr_t next = found ? window.start : end;

		if (next > at)
			result = lock_host(at, next - at, flags);
		if (!found)
			break;
		if (!sd_failed(result))
			result = lock_part(&window, flags);
	}
	sd_quiet_end(&quiet);
	return result;
}

bool sd_locks_future(void)
{
	return __atomic_load_n(&locks_future, __ATOMIC_RELAXED);
}

long sd_do_mlockall(int flags)
{
	bool before = sd_locks_future();
	struct sd_quiet quiet;

	sd_quiet_begin(&quiet);
	if (flags & MCL_FUTURE)
		__atomic_store_n(&locks_future, 1, __ATOMIC_RELAXED);
	if (flags & MCL_CURRENT)
		sd_populate(0, UINTPTR_MAX);

	long result = SD_RAW1(SYS_mlockall, flags);

	__atomic_store_n(&locks_future, sd_failed(result) ? before : (flags & MCL_FUTURE) != 0, __ATOMIC_RELAXED);
	unlock_windows(0, UINTPTR_MAX);
	sd_quiet_end(&quiet);
	return result;
}

long sd_do_munlockall(void)
{
	long result = SD_RAW0(SYS_munlockall);

	if (!sd_failed(result))
		__atomic_store_n(&locks_future, 0, __ATOMIC_RELAXED);
	return result;
}

void sd_populate_after_fork(void)
{
	locks_future = 0; /* mlockall(2): not inherited */
}

long sd_map_watched(sd_system_call *call, uintptr_t address, size_t length, int protection, int flags, int fd, uint64_t offset)
{
	bool locked = sd_locks_future();
	long place = call(SYS_mmap, (long)address, (long)length, locked ? PROT_NONE : protection, flags, fd, (long)offset);

	if (!locked || sd_failed(place))
		return place;
	SD_RAW2(SYS_munlock, place, length);

	long result = SD_RAW3(SYS_mprotect, place, length, protection);

	if (sd_failed(result) && !(flags & MAP_FIXED))
		sd_raw_munmap((uintptr_t)place, length);
	return sd_failed(result) ? result : place;
}

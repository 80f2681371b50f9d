/* SPDX-License-Identifier: Apache-2.0 */
/*
 * advise.c - madvise.
 *
 * MADV_DONTNEED of a window that maps the medium is the kernel's own.  In an anonymous window the agent has mapped pages
 * of the medium over the memory that is watched, so that there the page table is emptied by moving fresh watched memory
 * over it: one step, with no moment in which a touch would go unseen.
 */
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "core.h"
#include "paths.h"

#ifndef MADV_POPULATE_READ /* 5.14 */
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED /* 5.18 */
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

long sd_zap_anonymous(const struct sd_window_entry *window, uintptr_t start, uintptr_t end)
{
	const struct sd_table_entry *entry = sd_entry_of_device(window->device);
	uintptr_t mask = entry && entry->alignment ? entry->alignment - 1 : 4095;
	struct sd_call call;

	/* As the kernel rounds: an entry is gone as a whole. */
	start &= ~mask;
	end = (end + mask) & ~mask;
	if (start < window->start)
		start = window->start;
	if (end > window->end)
		end = window->end;

	for (int attempt = 0;; attempt++) {
		size_t length = end - start;
		long scratch = sd_map_watched(sd_raw, 0, length, window->protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (sd_failed(scratch))
			return scratch;

		long answer = sd_change_begin(&call, (struct sd_change){ .operation = SD_ZAP, .address = start,
									 .length = length, .scratch = (uint64_t)scratch });
		bool differs = answer == SD_PERFORM && (call.plan.address != start || call.plan.length != length);

		if (answer == SD_PERFORM && !differs) {
			long result = SD_RAW5(SYS_mremap, scratch, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, start);

			sd_change_end(&call, result, start, length);
			if (!sd_failed(result))
				return 0;
			answer = result;
		} else if (differs) {
			sd_change_end(&call, -ECANCELED, start, length);
		}
		sd_raw_munmap((uintptr_t)scratch, length);
		if (!differs)
			return sd_failed(answer) ? answer : 0;
		/* The server's window is not as large as ours was a moment ago. */
		start = call.plan.address;
		end = start + call.plan.length;
		if (attempt == 8)
			return -EAGAIN;
	}
}

static long zap_file(const struct sd_window_entry *window, int advice)
{
	struct sd_call call;
	uintptr_t start = window->start;
	size_t length = window->end - start;
	long answer = sd_change_begin(&call, (struct sd_change){ .operation = SD_ZAP, .address = start, .length = length });

	if (answer == SD_PERFORM) {
		long result = SD_RAW3(SYS_madvise, call.plan.address, call.plan.length, advice);

		sd_change_end(&call, result == -ENOMEM ? 0 : result, call.plan.address, call.plan.length);
		return result;
	}
	if (answer == SD_ALONE)
		return SD_RAW3(SYS_madvise, start, length, advice);
	return sd_failed(answer) ? answer : 0;
}

/* As the kernel: on over holes, which make it ENOMEM in the end; any other error ends it. */
static long zap(uintptr_t start, uintptr_t end, int advice)
{
	struct sd_window_entry window;
	long hole = 0;

	for (uintptr_t at = start; at < end;) {
		bool found = sd_next_window(at, end, &window);
		uintptr_t next = found ? window.start : end;
		long result = 0;

		if (next > at)
			result = SD_RAW3(SYS_madvise, at, next - at, advice);
		if (result == -ENOMEM)
			hole = -ENOMEM;
		else if (sd_failed(result))
			return result;
		if (!found)
			break;

		if (window.kind == SD_WINDOW_ANONYMOUS) {
			struct sd_window_entry whole;

			if (!sd_window_at(window.start, &whole))
				whole = window;
			result = sd_zap_anonymous(&whole, window.start, window.end);
		} else {
			result = zap_file(&window, advice);
		}
		if (result == -ENOMEM)
			hole = -ENOMEM;
		else if (sd_failed(result))
			return result;
		at = window.end;
	}
	return hole;
}

/* ------------------------------------------------------------------ madvise */

static void remember(uintptr_t start, uintptr_t end, int advice)
{
	if (advice == MADV_DONTFORK || advice == MADV_DOFORK)
		sd_flag_windows(start, end, SD_DONTFORK, advice == MADV_DONTFORK);
}

long sd_do_madvise(uintptr_t address, size_t length, int advice)
{
	uintptr_t end = sd_range_end(address, length);
	struct sd_quiet quiet;
	struct sd_call call;

	/* Never to the host: it would break a page of real memory. */
	if ((advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE) && sd_directory()) {
		if (address % 4096 != 0 || end == UINTPTR_MAX)
			return -EINVAL;
		sd_quiet_begin(&quiet);

		long result = sd_poison(address, end, advice, &quiet);

		sd_quiet_end(&quiet);
		return result;
	}
	if (!sd_near_windows(address, length) || !sd_any_window(address, end) || address % 4096 != 0 || end == UINTPTR_MAX)
		return SD_RAW3(SYS_madvise, address, length, advice);

	sd_quiet_begin(&quiet);

	long result;

	if (advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED) {
		result = zap(address, end, advice);
	} else if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE) {
		result = sd_advise_populate(address, end, advice);
	} else {
		long answer = sd_change_begin(&call, (struct sd_change){ .operation = SD_ADVISE, .address = address,
									 .length = length, .argument = (uint64_t)(unsigned)advice });

		switch (answer) {
		case SD_NOTHING:
			result = 0;
			break;
		case SD_PERFORM:
		case SD_ALONE:
			result = SD_RAW3(SYS_madvise, address, length, advice);
			if (!sd_failed(result) || result == -ENOMEM)
				remember(address, end, advice);
			if (answer == SD_PERFORM)
				sd_change_end(&call, result, address, length);
			break;
		default:
			result = answer;
		}
	}
	sd_quiet_end(&quiet);
	return result;
}

/* ------------------------------------------------------------------ process_madvise */

#ifndef SYS_process_madvise /* 5.10 */
#define SYS_process_madvise 440
#endif
#define PIDFD_SELF_THREAD -10000 /* 6.14 */
#define PIDFD_SELF_PROCESS -10001

struct pidfd_info { /* 6.13 */
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};

/* A kernel that cannot tell lets nobody do by this call what windows must know of. */
static bool is_self(int process)
{
	struct pidfd_info info = { .mask = 1 };

	if (process == PIDFD_SELF_THREAD || process == PIDFD_SELF_PROCESS)
		return true;
	return !sd_failed(SD_RAW3(SYS_ioctl, process, _IOWR(0xff, 11, struct pidfd_info), &info)) &&
	       info.tgid == (uint32_t)SD_RAW0(SYS_getpid);
}

long sd_do_process_madvise(int process, const struct iovec *ranges, size_t count, int advice, unsigned flags)
{
	struct iovec range;
	long total = 0;

	/* Never to the host, whoever is meant: it would break a page of real memory.  Kernels before 6.13 say so, too. */
	if ((advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE) && sd_directory())
		return -EINVAL;
	if (flags != 0 || count > IOV_MAX || __atomic_load_n(&sd_highest, __ATOMIC_RELAXED) == 0 || !is_self(process))
		return SD_RAW5(SYS_process_madvise, process, ranges, count, advice, flags);
	for (size_t index = 0; index < count; index++) {
		if (!sd_peek(&range, &ranges[index], sizeof range))
			return -EFAULT;

		long result = sd_near_windows((uintptr_t)range.iov_base, range.iov_len)
				      ? sd_do_madvise((uintptr_t)range.iov_base, range.iov_len, advice)
				      : SD_RAW5(SYS_process_madvise, process, &range, 1, advice, flags);

		if (sd_failed(result))
			return total ? total : result;
		total += (long)range.iov_len;
	}
	return total;
}

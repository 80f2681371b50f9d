/* SPDX-License-Identifier: Apache-2.0 */
/*
 * advise.c - madvise, and insertion ahead of the touch.
 *
 * MADV_DONTNEED of a window that maps the medium is the kernel's own.  In an anonymous window the agent has mapped pages
 * of the medium over the memory that is watched, so that there the page table is emptied by moving fresh watched memory
 * over it: one step, with no moment in which a touch would go unseen.
 */
#include <sys/mman.h>

#include "core.h"

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
		long scratch = sd_raw_mmap(0, length, window->protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

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

/* ------------------------------------------------------------------ populate */

void sd_populate(uintptr_t start, uintptr_t end)
{
	struct sd_window_entry window;

	for (uintptr_t at = start; at < end && sd_next_window(at, end, &window); at = window.end) {
		struct sd_populate populate = {
			.header = sd_header_of(SD_POPULATE),
			.token = sd_token(),
			.address = window.start,
			.length = window.end - window.start,
		};

		if (populate.token == 0)
			return;
		sd_request_done(&populate, sizeof populate);
	}
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
	} else {
		long answer = sd_change_begin(&call, (struct sd_change){ .operation = SD_ADVISE, .address = address,
									 .length = length, .argument = (uint64_t)(unsigned)advice });

		switch (answer) {
		case SD_NOTHING:
			result = 0;
			break;
		case SD_POPULATED: /* asked all the same: for holes and for what lies past the device's end */
			result = SD_RAW3(SYS_madvise, address, length, advice);
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

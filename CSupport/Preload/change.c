/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change.c - calls that change windows in place: munmap, mprotect, msync.
 *
 * Two phases.  SD_CHANGE: the server refuses, or stops faults in the range.  Then the system call.  Then SD_CHANGED: the
 * server gives back references and answers the faults that waited.  Where a range holds windows and other memory, the
 * call is made piece by piece, in the order in which the kernel goes through its VMAs.
 */
#include <sys/mman.h>

#include "core.h"

long sd_change_begin(struct sd_call *call, struct sd_change change)
{
	change.header = sd_header_of(SD_CHANGE);
	change.token = sd_token();
	if (change.token == 0)
		return SD_ALONE;
	for (long wait = 20000;; wait = wait < 1000000 ? wait * 2 : wait) {
		long result = sd_request_ask(&call->request, &change, sizeof change, SD_CHANGE_PLAN, &call->plan, sizeof call->plan, NULL);

		if (!sd_failed(result)) {
			result = call->plan.error;
			if (result == 0 && !(call->plan.flags & (SD_PLAN_NOTHING | SD_PLAN_POPULATE)))
				return SD_PERFORM;
			sd_request_close(&call->request);
		}
		if (!sd_failed(result))
			return call->plan.flags & SD_PLAN_POPULATE ? SD_POPULATED : SD_NOTHING;
		if (result != -EAGAIN)
			return result == -ENXIO ? SD_ALONE : result;
		/* Another change of the range is under way, as under the kernel's mmap_lock. */
		sd_raw_sleep(wait);
	}
}

void sd_change_end(struct sd_call *call, long result, uintptr_t address, size_t length)
{
	struct sd_changed changed = {
		.header = sd_header_of(SD_CHANGED),
		.error = sd_failed(result) ? (int32_t)result : 0,
		.address = address,
		.length = length,
	};

	sd_request_finish(&call->request, &changed, sizeof changed);
	sd_request_close(&call->request);
}

/* ------------------------------------------------------------------ munmap */

long sd_do_munmap(uintptr_t address, size_t length)
{
	uintptr_t end = sd_range_end(address, length);
	struct sd_quiet quiet;
	struct sd_call call;

	if (!sd_near_windows(address, length) || !sd_any_window(address, end))
		return sd_raw_munmap(address, length);

	sd_quiet_begin(&quiet);

	long answer = sd_change_begin(&call, (struct sd_change){ .operation = SD_UNMAP, .address = address, .length = length });
	long result = answer;

	if (answer == SD_PERFORM || answer == SD_ALONE) {
		sd_flag_windows(address, end, SD_LEAVING, true);
		result = sd_raw_munmap(address, length);
		if (sd_failed(result))
			sd_flag_windows(address, end, SD_LEAVING, false);
		else
			sd_remove_windows(address, end);
		/* Last: from now on another thread may have a window there. */
		if (answer == SD_PERFORM)
			sd_change_end(&call, result, address, length);
	}
	sd_quiet_end(&quiet);
	return result;
}

/* ------------------------------------------------------------------ mprotect */

static long protect(uintptr_t address, size_t length, int protection, int key)
{
#ifdef SYS_pkey_mprotect
	if (key != -2)
		return SD_RAW4(SYS_pkey_mprotect, address, length, protection, key);
#endif
	return SD_RAW3(SYS_mprotect, address, length, protection);
}

static long protect_window(uintptr_t start, uintptr_t end, int protection, int key)
{
	struct sd_call call;
	long answer = sd_change_begin(&call, (struct sd_change){ .operation = SD_PROTECT, .address = start,
								 .length = end - start, .argument = (uint64_t)protection });

	if (answer == SD_NOTHING)
		return 0;
	if (answer != SD_PERFORM && answer != SD_ALONE)
		return answer;

	long result = protect(start, end - start, protection, key);

	if (!sd_failed(result))
		sd_protect_windows(start, end, protection);
	if (answer == SD_PERFORM)
		sd_change_end(&call, result, start, end - start);
	return result;
}

long sd_do_mprotect(uintptr_t address, size_t length, int protection, int key)
{
	uintptr_t end = sd_range_end(address, length);
	struct sd_window_entry window;
	struct sd_quiet quiet;
	long result = 0;

	if (!sd_near_windows(address, length) || !sd_any_window(address, end) || length == 0 || address % 4096 != 0 ||
	    end == UINTPTR_MAX || (protection & ~0xf) != 0)
		return protect(address, length, protection, key);

	sd_quiet_begin(&quiet);
	for (uintptr_t at = address; at < end && !sd_failed(result);) {
		if (!sd_next_window(at, end, &window)) {
			result = protect(at, end - at, protection, key);
			break;
		}
		if (window.start > at)
			result = protect(at, window.start - at, protection, key);
		if (!sd_failed(result))
			result = protect_window(window.start, window.end, protection, key);
		at = window.end;
	}
	sd_quiet_end(&quiet);
	return result;
}

/* ------------------------------------------------------------------ msync */

long sd_do_msync(uintptr_t address, size_t length, int flags)
{
	struct sd_quiet quiet;
	struct sd_call call;

	if (!sd_near_windows(address, length) || !sd_any_window(address, sd_range_end(address, length)))
		return SD_RAW3(SYS_msync, address, length, flags);

	sd_quiet_begin(&quiet);

	long result = sd_change_begin(&call, (struct sd_change){ .operation = SD_SYNC, .address = address, .length = length,
								 .argument = (uint64_t)(unsigned)flags });

	if (result == SD_PERFORM || result == SD_ALONE) {
		long answer = result;

		result = SD_RAW3(SYS_msync, address, length, flags);
		if (answer == SD_PERFORM)
			sd_change_end(&call, result, address, length);
	} else if (result == SD_NOTHING) {
		result = 0;
	}
	sd_quiet_end(&quiet);
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move.c - mremap.
 *
 * A registration travels along with the mapping (UFFD_FEATURE_EVENT_REMAP); the kernel waits until the server's fault
 * thread has read of it.  What the agent has mapped into an anonymous window would make it several VMAs, which mremap()
 * does not move: so its page table is emptied first, until the move finds it so.
 */
#include <sys/mman.h>

#include "core.h"

#ifndef MAP_FIXED_NOREPLACE /* 4.17 */
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP /* 5.7 */
#define MREMAP_DONTUNMAP 4
#endif

/* The system call, at a place such as the device's driver would choose where the kernel would. */
static long remap(const struct sd_call *call, uintptr_t start, size_t old_length, size_t new_length, int flags, uintptr_t target)
{
	if (flags & MREMAP_FIXED || new_length <= old_length || !(flags & MREMAP_MAYMOVE) || call->plan.alignment == 0)
		return SD_RAW5(SYS_mremap, start, old_length, new_length, flags, target);

	long result = SD_RAW5(SYS_mremap, start, old_length, new_length, 0, 0);

	if (result != -ENOMEM)
		return result;

	long place = sd_reserve(new_length, call->plan.alignment, call->plan.congruence, 0);

	if (sd_failed(place))
		return place;
	result = SD_RAW5(SYS_mremap, start, old_length, new_length, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	if (sd_failed(result))
		sd_raw_munmap((uintptr_t)place, new_length);
	return result;
}

/* Empties the page table of every anonymous window in the range. */
static long empty(uint8_t kind, uintptr_t start, uintptr_t end)
{
	struct sd_window_entry window;
	long result = 0;

	if (kind != SD_WINDOW_ANONYMOUS)
		return 0;
	for (uintptr_t at = start; at < end && !sd_failed(result) && sd_next_window(at, end, &window); at = window.end) {
		struct sd_window_entry whole;

		if (!sd_window_at(window.start, &whole))
			whole = window;
		result = sd_zap_anonymous(&whole, window.start, window.end);
	}
	return result;
}

/* mremap() does not let a hugetlb mapping grow, as a device's does: more of the device is mapped behind it, or all of it
 * elsewhere. */
static long grow_huge(uintptr_t start, size_t old_size, size_t new_size, int flags, uintptr_t target)
{
	struct sd_window_entry window;
	long result;

	if (!sd_window_at(start, &window))
		return -EINVAL;
	window.offset += start - window.start;
	if (!(flags & MREMAP_FIXED)) {
		struct sd_window_entry more = window;

		more.offset += old_size;
		result = sd_map_again(&more, new_size - old_size, MAP_FIXED_NOREPLACE, start + old_size);
		if (!sd_failed(result))
			return (long)start;
		if (!(flags & MREMAP_MAYMOVE))
			return result == -EEXIST ? -ENOMEM : result;
	}
	result = sd_map_again(&window, new_size, flags & MREMAP_FIXED ? MAP_FIXED : 0, flags & MREMAP_FIXED ? target : 0);
	if (!sd_failed(result))
		sd_do_munmap(start, old_size);
	return result;
}

long sd_move(uint8_t kind, uintptr_t start, size_t old_length, size_t new_length, int flags, uintptr_t target)
{
	size_t old_size = sd_range_end(0, old_length), new_size = sd_range_end(0, new_length);
	bool fixed = flags & MREMAP_FIXED;
	struct sd_call call;

	for (int attempt = 0;; attempt++) {
		long result = empty(kind, start, start + old_size);

		if (sd_failed(result))
			return result;

		long answer = sd_change_begin(&call, (struct sd_change){
			.operation = SD_MOVE, .address = start, .length = old_length, .argument = new_length,
			.target = fixed ? target : 0, .flags = (uint32_t)flags,
		});

		if (answer == SD_NOTHING)
			return (long)start;
		if (answer != SD_PERFORM && answer != SD_ALONE)
			return answer;
		if (answer == SD_ALONE)
			call.plan.alignment = 0;
		sd_flag_windows(start, start + old_size, SD_LEAVING, true);
		if (fixed)
			sd_flag_windows(target, target + new_size, SD_LEAVING, true);
		if (kind == SD_WINDOW_PIECES)
			result = sd_remap_pieces(start, old_size, target);
		else
			result = remap(&call, start, old_length, new_length, flags, target);
		if (!sd_failed(result)) {
			sd_move_windows(start, old_size, (uintptr_t)result, new_size);
		} else {
			sd_flag_windows(start, start + old_size, SD_LEAVING, false);
			if (fixed)
				sd_flag_windows(target, target + new_size, SD_LEAVING, false);
		}
		/* Last: from now on another thread may have a window where this one was. */
		if (answer == SD_PERFORM)
			sd_change_end(&call, result, (uintptr_t)result, new_size);
		if (!sd_failed(result))
			return result;
		if (result == -EINVAL && kind == SD_WINDOW_FILE && new_size > old_size)
			return grow_huge(start, old_size, new_size, flags, target);
		/* A page came in between. */
		if (result == -EFAULT && kind == SD_WINDOW_ANONYMOUS && answer == SD_PERFORM && attempt < 1000)
			continue;
		return result;
	}
}

long sd_do_mremap(uintptr_t address, size_t old_length, size_t new_length, int flags, uintptr_t target)
{
	bool fixed = flags & MREMAP_FIXED;
	struct sd_window_entry window;
	struct sd_quiet quiet;
	bool ours = sd_near_windows(address, old_length ? old_length : 1) &&
		    sd_next_window(address, sd_range_end(address, old_length ? old_length : 1), &window);
	bool theirs = fixed && sd_near_windows(target, new_length) && sd_any_window(target, sd_range_end(target, new_length));

	if ((!ours && !theirs) || address % 4096 || (fixed && target % 4096) || new_length == 0 ||
	    sd_range_end(0, old_length) == UINTPTR_MAX || sd_range_end(0, new_length) == UINTPTR_MAX)
		return SD_RAW5(SYS_mremap, address, old_length, new_length, flags, target);
	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED) || (fixed && !(flags & MREMAP_MAYMOVE)))
		return -EINVAL; /* MREMAP_DONTUNMAP leaves a mapping without pages, which the server cannot tell from one with */

	if (theirs) {
		size_t old_size = sd_range_end(0, old_length), new_size = sd_range_end(0, new_length);

		if (target < address + old_size && address < target + new_size)
			return -EINVAL;
		/* The kernel unmaps the target before it looks at what is to be moved, and some of that may have moved when it fails: so the
		 * windows there go first, and the place stays taken. */
		long cleared = sd_do_mmap(target, new_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

		if (sd_failed(cleared))
			return cleared;
		if (!ours)
			return SD_RAW5(SYS_mremap, address, old_length, new_length, flags, target);
	}
	if (ours && old_length == 0) {
		if (!(flags & MREMAP_MAYMOVE))
			return -EINVAL;
		if (!sd_window_at(address, &window))
			return -EFAULT;
		if (window.flags & SD_PRIVATE)
			return -EINVAL;
		window.offset += address - window.start;
		return sd_map_again(&window, new_length, fixed ? MAP_FIXED : 0, fixed ? target : 0);
	}

	sd_quiet_begin(&quiet);

	long result = ours && window.kind == SD_WINDOW_PIECES
		? sd_move_file(&window, address, old_length, new_length, flags, target)
		: sd_move(window.kind, address, old_length, new_length, flags, target);

	sd_quiet_end(&quiet);
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.c - mmap.
 *
 * SD_MAP asks; the answer is the errno of the real driver, or what to map.  Then the range is mapped, SD_MAPPED has the
 * server register it, and only then does mmap() return: a new address is known to nobody until then, so no touch can come
 * too early.  With MAP_FIXED the address is known.  So the window is made elsewhere, registered there and moved into
 * place by mremap(), which takes the registration along and replaces what was there in one step.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "core.h"

#ifndef MAP_FIXED_NOREPLACE /* 4.17 */
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MAP_SHARED_VALIDATE /* 4.15 */
#define MAP_SHARED_VALIDATE 3
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif
#ifndef MAP_32BIT
#define MAP_32BIT 0
#endif

/* What MAP_SHARED_VALIDATE lets pass: the flags that are older than it, and MAP_SYNC (include/linux/mman.h). */
#define VALID_FLAGS                                                                                                       \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | \
	 MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | (63 << 26) | MAP_SYNC)

#define OWN_PLACES 0x690000000000ul /* 105 TiB; where addresses have fewer bits the kernel takes no notice */
#define OWN_LENGTH 0x080000000000ul

uintptr_t sd_own_place(size_t length)
{
	static uint64_t used;
	uint64_t begin = __atomic_fetch_add(&used, (length + 0x10000) & ~0xfffful, __ATOMIC_RELAXED);

	return OWN_PLACES + begin % OWN_LENGTH;
}

long sd_own_stack(size_t length)
{
	long place = sd_raw_mmap(sd_own_place(length), length, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (!sd_failed(place)) {
		SD_RAW3(SYS_mprotect, place, 4096, PROT_NONE);
		SD_RAW3(SYS_madvise, place, length, MADV_DONTFORK);
	}
	return place;
}

/* As the driver (dax_get_unmapped_area) and huge pages of files (thp_get_unmapped_area) look for a place: one alignment more than
 * is needed, so that what is left of it stays free behind the mapping. */
long sd_reserve(size_t length, uint64_t alignment, uint64_t congruence, int flags)
{
	size_t whole;

	if (__builtin_add_overflow(length, alignment, &whole))
		return -ENOMEM;

	long place = sd_raw_mmap(0, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (flags & MAP_32BIT), -1, 0);

	if (sd_failed(place) || alignment == 0)
		return place;

	uintptr_t start = (uintptr_t)place;
	uintptr_t chosen = start + ((congruence - start) & (alignment - 1));

	if (chosen > start)
		sd_raw_munmap(start, chosen - start);
	if (start + whole > chosen + length)
		sd_raw_munmap(chosen + length, start + whole - chosen - length);
	return (long)chosen;
}

struct attempt {
	struct sd_map map; /* what the caller asked for */
	bool only_there;   /* MAP_FIXED_NOREPLACE: fail if something is there */
	bool over;	   /* MAP_FIXED: in place of what is there */
};

/* As sd_reserve(), but clear of the place that the memory is then moved to: mremap() refuses an overlap. */
static long reserve_beside(const struct attempt *attempt, const struct sd_map_plan *plan)
{
	uintptr_t target = attempt->map.address;
	uintptr_t overlapping[4];
	size_t count = 0;
	long place;

	for (;;) {
		place = sd_reserve(plan->length, plan->alignment, plan->congruence, 0);
		if (sd_failed(place) || (uintptr_t)place >= target + plan->length || (uintptr_t)place + plan->length <= target)
			break;
		if (count == 4) {
			sd_raw_munmap((uintptr_t)place, plan->length);
			place = -ENOMEM;
			break;
		}
		/* Kept until another is found, or the kernel would offer it again. */
		overlapping[count++] = (uintptr_t)place;
	}
	while (count)
		sd_raw_munmap(overlapping[--count], plan->length);
	return place;
}

/* Makes the memory, at a place of its choice if the address is not fixed. */
static long make_memory(const struct attempt *attempt, const struct sd_map_plan *plan, const struct sd_request *request, int fd)
{
	int protection = (int)attempt->map.protection;
	int flags = plan->window == SD_WINDOW_FILE ? MAP_SHARED | (int)(attempt->map.flags & (MAP_NORESERVE | MAP_STACK))
						  : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint64_t offset = plan->window == SD_WINDOW_FILE ? attempt->map.offset : 0;
	uintptr_t hint = (attempt->map.address + 4095) & ~4095ul;
	long place;

	if (plan->window != SD_WINDOW_FILE)
		fd = -1;
	/* By whoever has `fd` in his table. */
#define MAP_AT(address, fixed) \
	sd_map_watched(request->call, (uintptr_t)(address), plan->length, protection, flags | (fixed), fd, offset)

	if (attempt->only_there)
		return MAP_AT(hint, MAP_FIXED_NOREPLACE);
	if (hint && !attempt->over) {
		place = MAP_AT(hint, MAP_FIXED_NOREPLACE);
		if (place == (long)hint)
			return place;
		if (!sd_failed(place)) /* a kernel that does not know MAP_FIXED_NOREPLACE */
			sd_raw_munmap((uintptr_t)place, plan->length);
	}
	if (attempt->over)
		place = reserve_beside(attempt, plan);
	else
		place = sd_reserve(plan->length, plan->alignment, plan->congruence, (int)attempt->map.flags);
	if (sd_failed(place))
		return place;

	long result = MAP_AT(place, MAP_FIXED);
#undef MAP_AT

	if (sd_failed(result))
		sd_raw_munmap((uintptr_t)place, plan->length);
	return result;
}

/* The window's memory is at `place`: a new one that the server does not know.  Undoes it. */
static long give_up(uintptr_t place, size_t length, long error)
{
	if (place)
		sd_raw_munmap(place, length);
	return error;
}

/* One conversation: plan, memory (unless `place` has it from an earlier one), registration. */
static long converse(const struct attempt *attempt, struct sd_map_plan *plan, uintptr_t *place)
{
	struct sd_request request;
	struct sd_mapped mapped = { .header = sd_header_of(SD_MAPPED) };
	int fd = -1;
	long result = sd_request_ask(&request, &attempt->map, sizeof attempt->map, SD_MAP_PLAN, plan, sizeof *plan, &fd);

	if (sd_failed(result))
		return result;
	result = plan->error;
	if (!sd_failed(result)) {
		if (*place == 0) {
			result = make_memory(attempt, plan, &request, fd);
			if (!sd_failed(result))
				*place = (uintptr_t)result;
		}
		mapped.error = sd_failed(result) ? (int32_t)result : 0;
		mapped.address = *place;
		mapped.length = plan->length;

		long sent = sd_request_finish(&request, &mapped, sizeof mapped);

		if (!sd_failed(result))
			result = sent;
	}
	sd_request_drop(&request, fd);
	sd_request_close(&request);
	return result;
}

/* Drops windows that the server still believes in, at a place that the kernel says was free: left by a system call that no
 * hook saw. */
static void forget_stale(uintptr_t place, size_t length)
{
	struct sd_call call;

	if (sd_change_begin(&call, (struct sd_change){ .operation = SD_UNMAP, .address = place, .length = length }) == SD_PERFORM)
		sd_change_end(&call, 0, place, length);
}

static long map_window(struct attempt *attempt)
{
	struct sd_map_plan plan;
	uintptr_t place = 0;
	uint32_t flags = attempt->map.flags | (sd_locks_future() ? MAP_POPULATE : 0);
	long result;

	attempt->map.flags = flags;
	if (attempt->over || attempt->map.file) /* populated when it is in its place, and known */
		attempt->map.flags &= ~(uint32_t)(MAP_POPULATE | MAP_LOCKED);
	for (long round = 0;; round++) {
		result = converse(attempt, &plan, &place);
		if (result == -EEXIST && place && round < 100)
			forget_stale(place, plan.length);
		else if (result != -EAGAIN)
			break;
		sd_raw_sleep(round < 10 ? 20000 : 1000000);
	}
	if (sd_failed(result))
		return give_up(place, plan.length, result == -EBADF ? -ENOMEM : result); /* the program closed what was passed */

	if (attempt->over) {
		uintptr_t target = attempt->map.address;

		result = sd_move((uint8_t)plan.window, place, plan.length, plan.length, MREMAP_MAYMOVE | MREMAP_FIXED, target);
		if (sd_failed(result)) {
			struct sd_call call;
			long answer = sd_change_begin(&call, (struct sd_change){ .operation = SD_UNMAP, .address = place,
										 .length = plan.length });

			sd_raw_munmap(place, plan.length);
			if (answer == SD_PERFORM)
				sd_change_end(&call, 0, place, plan.length);
			return result;
		}
		place = target;
	}

	struct sd_window_entry window = {
		.start = place,
		.end = place + plan.length,
		.offset = attempt->map.offset,
		.device = attempt->map.device,
		.access = (uint8_t)attempt->map.access,
		.protection = (uint8_t)(attempt->map.protection & 7),
		.kind = (uint8_t)plan.window,
		.file = attempt->map.file,
		.flags = attempt->map.file && (flags & MAP_TYPE) == MAP_PRIVATE ? SD_PRIVATE : 0,
	};

	result = sd_add_window(&window);
	if (sd_failed(result)) {
		sd_do_munmap(place, plan.length);
		return result;
	}
	if ((attempt->over || attempt->map.file) && flags & (MAP_POPULATE | MAP_LOCKED))
		sd_populate(place, place + plan.length);
	return (long)place;
}

/* Of a device, or of a file. */
static long map_from(uint32_t device, uint64_t file, uintptr_t address, size_t length, int protection, int flags, uint32_t access,
		     uint64_t offset)
{
	struct attempt attempt = {
		.map = {
			.header = sd_header_of(SD_MAP),
			.address = address,
			.length = length,
			.offset = offset,
			.device = device,
			.file = file,
			.access = access,
			.protection = (uint32_t)protection & 7,
			.flags = (uint32_t)flags,
		},
		.only_there = flags & MAP_FIXED_NOREPLACE,
		.over = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED,
	};
	struct sd_quiet quiet;

	int type = flags & MAP_TYPE;

	if (length == 0 || (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE))
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && flags & ~VALID_FLAGS)
		return -EOPNOTSUPP;
	if (flags & (MAP_GROWSDOWN | MAP_HUGETLB))
		return -EINVAL;
	sd_quiet_begin(&quiet);

	long result = sd_attach_process(&attempt.map.token);

	if (!sd_failed(result))
		result = map_window(&attempt);
	sd_quiet_end(&quiet);
	return result;
}

long sd_map_again(const struct sd_window_entry *window, size_t length, int flags, uintptr_t address)
{
	int type = window->flags & SD_PRIVATE ? MAP_PRIVATE : MAP_SHARED;

	return map_from(window->device, window->file, address, length, window->protection, type | flags, window->access, window->offset);
}

/* Something else than a device, over windows. */
static long map_over_windows(uintptr_t address, size_t length, int protection, int flags, int fd, uint64_t offset)
{
	uintptr_t end = sd_range_end(address, length);
	struct sd_quiet quiet;
	struct sd_call call;

	sd_quiet_begin(&quiet);

	long answer = sd_change_begin(&call, (struct sd_change){ .operation = SD_UNMAP, .address = address, .length = length });
	long result = answer;

	if (answer == SD_PERFORM || answer == SD_ALONE) {
		sd_flag_windows(address, end, SD_LEAVING, true);
		result = sd_raw_mmap(address, length, protection, flags, fd, offset);
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

long sd_do_mmap(uintptr_t address, size_t length, int protection, int flags, int fd, uint64_t offset)
{
	if (!(flags & MAP_ANONYMOUS) && fd >= 0) {
		const struct sd_table_entry *entry = sd_entry_of_descriptor(fd);

		if (entry) {
			long status = SD_RAW3(SYS_fcntl, fd, F_GETFL, 0);

			if (sd_failed(status) || status & O_PATH)
				return -EBADF;
			if (offset & 4095)
				return -EINVAL;
			if (entry->node != SD_NODE_DAX)
				return -ENODEV;
			return map_from(entry->device, 0, address, length, protection, flags, (uint32_t)status & O_ACCMODE, offset);
		}

		uint64_t file = (offset & 4095) == 0 ? sd_file_of_descriptor(fd) : 0;

		if (file == SD_FILE_GONE)
			return -ENXIO;
		if (file) {
			long result = map_from(0, file, address, length, protection, flags, 0, offset);

			/* -ENOTTY: of another server's mount, or not as windows: the kernel's mapping. */
			if (result != -ENOTTY)
				return result;
		}
	}
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED && length && address % 4096 == 0 &&
	    sd_near_windows(address, length) && sd_any_window(address, sd_range_end(address, length)))
		return map_over_windows(address, length, protection, flags, fd, offset);
	return sd_raw_mmap(address, length, protection, flags, fd, offset);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - windows of files on a mount: mmap of them is DAX.
 *
 * A window begins as anonymous memory under userfaultfd.  A touch is answered by the server: where the file has blocks, the agent
 * puts the medium there, a stretch of blocks at a time.  The new memory is made elsewhere, watched, and moved over the old by mremap():
 * no touch comes between.  Taking pages back is madvise(MADV_DONTNEED): the memory stays watched.  A window is never locked
 * (populate.c); for a moment, or by a call that no hook saw, it may be all the same, and loses its pages as well.
 */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statfs.h>

#include "core.h"
#include "softdax_fuse.h"

#define FUSE_MAGIC 0x65735546

#ifndef MAP_FIXED_NOREPLACE /* 4.17 */
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_DONTNEED_LOCKED /* 5.18 */
#define MADV_DONTNEED_LOCKED 24
#endif

uint64_t sd_file_of_descriptor(int fd)
{
	struct statfs status;
	uint64_t file = 0;

	if (!sd_directory())
		return 0;

	long result = SD_RAW2(SYS_fstatfs, fd, &status);

	/* Nobody serves the mount any more; the kernel would map what can never be read. */
	if (result == -ENOTCONN || result == -ECONNABORTED)
		return SD_FILE_GONE;
	if (sd_failed(result) || status.f_type != FUSE_MAGIC)
		return 0;
	return sd_failed(SD_RAW3(SYS_ioctl, fd, SD_FUSE_IOC_WINDOW, &file)) ? 0 : file;
}

/* ------------------------------------------------------------------ in the agent */

static long zap_part(uintptr_t start, uintptr_t end, void *context)
{
	(void)context;

	long result = SD_RAW3(SYS_madvise, start, end - start, MADV_DONTNEED_LOCKED);

	/* Something of it is not mapped any more; the rest is done. */
	return result == -ENOMEM ? 0 : result;
}

struct fresh { /* memory that is to take the place of a window's */
	const struct sd_put *place;
	uintptr_t memory; /* 0: none, what is there becomes SIGBUS */
};

static long move_part(uintptr_t start, uintptr_t end, void *context)
{
	const struct fresh *fresh = context;

	/* A window that is cut in two now is asked about again. */
	if (end - start != fresh->place->length)
		return -ENOENT;
	if (!fresh->memory)
		return sd_map_nothing(start, end - start, (int)fresh->place->protection);

	long result = SD_RAW5(SYS_mremap, fresh->memory, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, start);

	return sd_failed(result) ? result : 0;
}

static long watch(int userfaultfd, uintptr_t start, size_t length, bool of_medium)
{
	struct uffdio_register watched = {
		.range = { start, length },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | (of_medium ? UFFDIO_REGISTER_MODE_MINOR : 0),
	};

	return SD_RAW3(SYS_ioctl, userfaultfd, UFFDIO_REGISTER, &watched);
}

long sd_put_piece(const struct sd_put *place, int medium, int userfaultfd)
{
	uintptr_t end = place->address + place->length;
	struct fresh fresh = { .place = place };
	long result;

	if (place->piece == SD_PIECE_ZAP) {
		result = sd_for_file_windows(place->address, end, zap_part, NULL);
		return sd_failed(result) ? result : 0;
	}
	if (place->piece != SD_PIECE_BEYOND) {
		bool of_medium = place->piece != SD_PIECE_NOTHING_MAPPED;
		int flags = place->piece == SD_PIECE_SHARED ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE;

		result = sd_map_watched(sd_raw, sd_own_place(place->length), place->length, (int)place->protection, of_medium ? flags : flags | MAP_ANONYMOUS,
					of_medium ? medium : -1, of_medium ? place->offset : 0);
		if (sd_failed(result))
			return result;
		fresh.memory = (uintptr_t)result;
		result = watch(userfaultfd, fresh.memory, place->length, of_medium);
		/* mlockall() in another thread may have put pages there before. */
		SD_RAW3(SYS_madvise, fresh.memory, place->length, MADV_DONTNEED_LOCKED);
	} else {
		result = 0;
	}
	if (!sd_failed(result))
		result = sd_for_file_windows(place->address, end, move_part, &fresh);
	if (!sd_failed(result) && (uint64_t)result == place->length)
		return 0;
	if (fresh.memory)
		sd_raw_munmap(fresh.memory, place->length);
	return sd_failed(result) ? result : -ENOENT;
}

/* ------------------------------------------------------------------ mremap */

long sd_remap_pieces(uintptr_t start, size_t length, uintptr_t target)
{
	const long place = (long)target;
	unsigned char resident;

	/* From 6.17 on the kernel moves mappings in turn, and stops at one that is watched: what is not here any more has moved. */
	while (length > 0 && SD_RAW3(SYS_mincore, start, 4096, &resident) == -ENOMEM) {
		start += 4096;
		target += 4096;
		length -= 4096;
	}
	if (length == 0)
		return place;

	long result = SD_RAW5(SYS_mremap, start, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, target);

	/* More than one mapping: each by itself.  Where one ends is found by halves. */
	if (result == -EFAULT && length > 4096) {
		size_t half = (length / 2 + 4095) & ~4095ul;

		result = sd_remap_pieces(start, half, target);
		if (!sd_failed(result))
			result = sd_remap_pieces(start + half, length - half, target + half);
	}
	return sd_failed(result) ? result : place;
}

long sd_move_file(const struct sd_window_entry *window, uintptr_t start, size_t old_length, size_t new_length, int flags,
		  uintptr_t target)
{
	size_t old_size = sd_range_end(0, old_length), new_size = sd_range_end(0, new_length);
	size_t kept = old_size < new_size ? old_size : new_size;
	struct sd_window_entry more = *window;
	bool fixed = flags & MREMAP_FIXED;
	long place;

	if (window->start != start || window->end != start + old_size)
		return -EFAULT; /* as the kernel says of more than one mapping */
	if (fixed && target < start + old_size && start < target + new_size)
		return -EINVAL;
	if (!fixed && new_size <= old_size) {
		long result = new_size < old_size ? sd_do_munmap(start + new_size, old_size - new_size) : 0;

		return sd_failed(result) ? result : (long)start;
	}
	if (!fixed) {
		more.offset += old_size;
		place = sd_map_again(&more, new_size - old_size, MAP_FIXED_NOREPLACE, start + old_size);
		if (!sd_failed(place))
			return (long)start;
		if (!(flags & MREMAP_MAYMOVE))
			return place == -EEXIST ? -ENOMEM : place;
	}
	place = sd_map_again(window, new_size, fixed ? MAP_FIXED : 0, fixed ? target : 0);
	if (sd_failed(place))
		return place;
	/* What a shared window shows is the file's; a private one's copies go along. */
	if (window->flags & SD_PRIVATE) {
		long result = sd_move(SD_WINDOW_PIECES, start, kept, kept, MREMAP_MAYMOVE | MREMAP_FIXED, (uintptr_t)place);

		if (sd_failed(result))
			return result;
		if (kept < old_size)
			sd_do_munmap(start + kept, old_size - kept);
	} else {
		sd_do_munmap(start, old_size);
	}
	return place;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.c - FICLONE, FICLONERANGE and FS_IOC_FIEMAP on a file of a mounted filesystem of softdax.
 *
 * The kernel's VFS has no operation of FUSE for them: after its own checks (descriptors, modes, one filesystem) it says EOPNOTSUPP.
 * Then the mount is asked by ioctls of softdax's own, which the kernel passes on (softdax_fuse.h). This needs no session: the file
 * is of FUSE, and any other FUSE filesystem says that it does not know them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "paths.h"
#include "raw.h"
#include "softdax_fuse.h"

#define FUSE_MAGIC 0x65735546

static long fail(int error)
{
	errno = error;
	return -1;
}

static long ask(int descriptor, unsigned command, void *argument)
{
	long result = SD_RAW3(SYS_ioctl, descriptor, command, argument);

	if (result >= 0)
		return result;
	return fail(result == -ENOTTY ? EOPNOTSUPP : (int)-result);
}

static long written_back(int descriptor)
{
	return sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE_AND_WAIT);
}

static long clone_range(int descriptor, long source, uint64_t from, uint64_t length, uint64_t to)
{
	struct stat status;
	struct sd_fuse_clone clone = {.source_offset = from, .length = length, .offset = to};

	if (fstat((int)source, &status) < 0)
		return -1;
	/* Stores through mappings that are the kernel's own are in its pages still (generic_remap_file_range_prep, fs/remap_range.c). */
	if (written_back((int)source) < 0 || written_back(descriptor) < 0)
		return -1;
	clone.source = status.st_ino;
	if (ask(descriptor, SD_FUSE_IOC_CLONE, &clone) < 0)
		return -1;
	/* The kernel learns the size that the file has now: it looks at what it knows in copy_file_range() and page faults. */
	return fstat(descriptor, &status);
}

/* As ioctl_fiemap() of the kernel checks, fs/ioctl.c (v6.12). */
static long list_extents(int descriptor, struct fiemap *map)
{
	struct sd_fuse_extents part;
	uint64_t start = map->fm_start;
	uint64_t end = map->fm_length > UINT64_MAX - start ? UINT64_MAX : start + map->fm_length;
	uint32_t room = map->fm_extent_count;
	uint32_t known = FIEMAP_FLAG_SYNC;

	if (map->fm_length == 0 || room > (UINT32_MAX - sizeof(*map)) / sizeof(struct fiemap_extent))
		return fail(EINVAL);
	if (map->fm_flags & ~known) {
		map->fm_flags &= ~known;
		return fail(EBADR);
	}
	map->fm_mapped_extents = 0;
	do {
		uint32_t rest = room - map->fm_mapped_extents;

		memset(&part, 0, sizeof(part));
		part.start = start;
		part.length = end - start;
		part.room = rest < SD_FUSE_EXTENTS ? rest : SD_FUSE_EXTENTS;
		if (ask(descriptor, SD_FUSE_IOC_EXTENTS, &part) < 0)
			return -1;
		if (room == 0) {
			map->fm_mapped_extents = part.count;
			return 0;
		}
		for (uint32_t i = 0; i < part.count && i < part.room; i++) {
			const struct sd_fuse_extent *from = &part.extents[i];
			struct fiemap_extent *to = &map->fm_extents[map->fm_mapped_extents++];

			memset(to, 0, sizeof(*to));
			to->fe_logical = from->offset;
			to->fe_physical = from->address;
			to->fe_length = from->length;
			to->fe_flags = from->flags;
			start = from->offset + from->length;
			if (from->flags & FIEMAP_EXTENT_LAST)
				return 0;
		}
	} while (part.count == SD_FUSE_EXTENTS && map->fm_mapped_extents < room && start < end);
	return 0;
}

int sd_share(int descriptor, unsigned long request, void *argument)
{
	int error = errno;
	struct statfs status;
	long result;

	if (error == EOPNOTSUPP && fstatfs(descriptor, &status) < 0)
		return -1; /* ENOTCONN: its server is gone */
	if (error != EOPNOTSUPP || status.f_type != FUSE_MAGIC) {
		errno = error;
		return -1;
	}
	if (request == FICLONE) {
		result = clone_range(descriptor, (long)(intptr_t)argument, 0, 0, 0);
	} else if (request == FICLONERANGE) {
		const struct file_clone_range *range = argument;

		result = clone_range(descriptor, (long)range->src_fd, range->src_offset, range->src_length,
				     range->dest_offset);
	} else {
		result = list_extents(descriptor, argument);
	}
	if (result == 0)
		errno = error;
	return (int)result;
}

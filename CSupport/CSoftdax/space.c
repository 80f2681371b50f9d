/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_space.h"
#include "../CFuse/include/softdax_fuse.h"

#include <errno.h>
#include <fts.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsmap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static uint32_t flags_of_fsmap(uint32_t flags)
{
	return (flags & FMR_OF_PREALLOC ? SD_SPACE_UNWRITTEN : 0) | (flags & FMR_OF_ATTR_FORK ? SD_SPACE_ATTRIBUTES : 0) |
	       (flags & FMR_OF_EXTENT_MAP ? SD_SPACE_EXTENT_MAP : 0) | (flags & FMR_OF_SHARED ? SD_SPACE_SHARED : 0) |
	       (flags & FMR_OF_SPECIAL_OWNER ? SD_SPACE_SPECIAL : 0);
}

static uint32_t flags_to_fsmap(uint32_t flags)
{
	return (flags & SD_SPACE_UNWRITTEN ? FMR_OF_PREALLOC : 0) | (flags & SD_SPACE_ATTRIBUTES ? FMR_OF_ATTR_FORK : 0) |
	       (flags & SD_SPACE_EXTENT_MAP ? FMR_OF_EXTENT_MAP : 0) | (flags & SD_SPACE_SHARED ? FMR_OF_SHARED : 0) |
	       (flags & SD_SPACE_SPECIAL ? FMR_OF_SPECIAL_OWNER : 0);
}

int sd_space_map(int fd, const struct sd_space_record *after, uint64_t low, uint64_t high,
		 struct sd_space_record *records, int capacity)
{
	struct fsmap_head *head = calloc(1, fsmap_sizeof((unsigned)capacity));
	struct stat facts;
	int result;

	if (!head)
		return -ENOMEM;
	if (fstat(fd, &facts) != 0) {
		free(head);
		return -errno;
	}
	/* As new_encode_dev() in the kernel. A key's physical address counts only on its own device: the whole of others is told. */
	uint32_t device = (minor(facts.st_dev) & 0xff) | major(facts.st_dev) << 8 | (minor(facts.st_dev) & ~0xffu) << 12;

	head->fmh_count = (unsigned)capacity;
	head->fmh_keys[0].fmr_physical = low;
	head->fmh_keys[0].fmr_device = device;
	if (after) {
		/* The kernel goes on behind a key that has a length. */
		head->fmh_keys[0].fmr_device = after->device;
		head->fmh_keys[0].fmr_flags = flags_to_fsmap(after->flags);
		head->fmh_keys[0].fmr_physical = after->physical;
		head->fmh_keys[0].fmr_length = after->length;
		head->fmh_keys[0].fmr_owner = after->owner;
		head->fmh_keys[0].fmr_offset = after->offset;
	}
	memset(&head->fmh_keys[1], 0xff, sizeof head->fmh_keys[1]);
	memset(head->fmh_keys[1].fmr_reserved, 0, sizeof head->fmh_keys[1].fmr_reserved);
	head->fmh_keys[1].fmr_length = 0;
	head->fmh_keys[1].fmr_device = device;
	head->fmh_keys[1].fmr_physical = high;
	result = ioctl(fd, FS_IOC_GETFSMAP, head) == 0 ? (int)head->fmh_entries : -errno;
	for (int index = 0; index < result; index++) {
		const struct fsmap *record = &head->fmh_recs[index];

		records[index] = (struct sd_space_record){
			.physical = record->fmr_physical, .length = record->fmr_length, .owner = record->fmr_owner,
			.offset = record->fmr_offset, .flags = flags_of_fsmap(record->fmr_flags),
			.device = record->fmr_device,
		};
	}
	free(head);
	return result;
}

/* A mount of softdax is asked in its own words: the kernel has none for FUSE. */
static int ask_mount(int fd, const struct fiemap *asked, struct sd_space_record *records, int capacity)
{
	struct sd_fuse_extents *answer = calloc(1, sizeof *answer);
	int result;

	if (!answer)
		return -ENOMEM;
	answer->start = asked->fm_start;
	answer->length = asked->fm_length;
	answer->room = (uint32_t)capacity;
	result = ioctl(fd, SD_FUSE_IOC_EXTENTS, answer) == 0 ? (int)answer->count : -errno;
	for (int index = 0; index < result && index < capacity; index++)
		records[index] = (struct sd_space_record){
			.physical = answer->extents[index].address, .length = answer->extents[index].length,
			.offset = answer->extents[index].offset,
			.flags = (answer->extents[index].flags & FIEMAP_EXTENT_UNWRITTEN ? SD_SPACE_UNWRITTEN : 0) |
				 (answer->extents[index].flags & FIEMAP_EXTENT_SHARED ? SD_SPACE_SHARED : 0),
		};
	free(answer);
	return result;
}

int sd_file_extents(int fd, uint64_t start, uint64_t length, struct sd_space_record *records, int capacity)
{
	size_t extents = (size_t)capacity * sizeof(struct fiemap_extent);
	struct fiemap *map;
	struct stat facts;
	int result;

	/* XFS takes the fork of a FIFO for a damaged one, and says so in the kernel's log. */
	if (fstat(fd, &facts) != 0)
		return -errno;
	if (!S_ISREG(facts.st_mode))
		return -EINVAL;
	map = calloc(1, sizeof *map + extents);
	if (!map)
		return -ENOMEM;
	map->fm_start = start;
	map->fm_length = length;
	map->fm_extent_count = (uint32_t)capacity;
	result = ioctl(fd, FS_IOC_FIEMAP, map) == 0 ? (int)map->fm_mapped_extents : -errno;
	if (result == -EOPNOTSUPP) {
		free(map);
		result = ask_mount(fd, &(struct fiemap){ .fm_start = start, .fm_length = length }, records,
				   capacity < SD_FUSE_EXTENTS ? capacity : SD_FUSE_EXTENTS);
		return result == -ENOTTY ? -EOPNOTSUPP : result;
	}
	for (int index = 0; index < result; index++) {
		const struct fiemap_extent *extent = &map->fm_extents[index];
		uint32_t flags = extent->fe_flags;

		records[index] = (struct sd_space_record){
			.physical = extent->fe_physical, .length = extent->fe_length, .offset = extent->fe_logical,
			.flags = (flags & FIEMAP_EXTENT_UNWRITTEN ? SD_SPACE_UNWRITTEN : 0) |
				 (flags & FIEMAP_EXTENT_SHARED ? SD_SPACE_SHARED : 0) |
				 (flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_NOT_ALIGNED) ?
					  SD_SPACE_NOWHERE : 0) |
				 (flags & FIEMAP_EXTENT_ENCODED ? SD_SPACE_ENCODED : 0),
		};
	}
	free(map);
	return result;
}

struct sd_walk {
	FTS *tree;
};

int sd_walk_open(const char *root, struct sd_walk **walk)
{
	char *roots[] = { (char *)root, NULL };

	*walk = calloc(1, sizeof **walk);
	if (!*walk)
		return -ENOMEM;
	(*walk)->tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	if ((*walk)->tree)
		return 0;

	int error = -errno;

	free(*walk);
	*walk = NULL;
	return error;
}

int sd_walk_next(struct sd_walk *walk, struct sd_walk_entry *entry)
{
	for (FTSENT *found; (found = fts_read(walk->tree));) {
		if (found->fts_info == FTS_DP || found->fts_info == FTS_DNR || found->fts_info == FTS_ERR ||
		    found->fts_info == FTS_NS)
			continue;
		*entry = (struct sd_walk_entry){
			.inode = found->fts_statp->st_ino, .size = (uint64_t)found->fts_statp->st_size,
			.is_file = S_ISREG(found->fts_statp->st_mode), .path = found->fts_path,
		};
		return 1;
	}
	return 0;
}

void sd_walk_close(struct sd_walk *walk)
{
	if (walk)
		fts_close(walk->tree);
	free(walk);
}

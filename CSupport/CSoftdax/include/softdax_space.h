/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns which bytes of a mounted filesystem's device: FS_IOC_GETFSMAP, FS_IOC_FIEMAP, and every file of a mount.
 * Why C: ioctls are macros with flexible arrays behind them, fts(3) is a pointer world.  >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_SPACE_H
#define SOFTDAX_SPACE_H

#include <stdint.h>

#define SD_SPACE_UNWRITTEN 1u
#define SD_SPACE_ATTRIBUTES 2u
#define SD_SPACE_EXTENT_MAP 4u
#define SD_SPACE_SHARED 8u
#define SD_SPACE_SPECIAL 16u /* owner is a code of the filesystem, not an inode */
#define SD_SPACE_NOWHERE 32u /* FIEMAP: the bytes have no place of their own on the device yet (delayed, inline) */
#define SD_SPACE_ENCODED 64u /* FIEMAP: compressed or encrypted: offsets inside are not the file's */

struct sd_space_record { /* bytes */
	uint64_t physical;
	uint64_t length;
	uint64_t owner;	 /* inode or code */
	uint64_t offset; /* in the file */
	uint32_t flags;	 /* SD_SPACE_* */
	uint32_t device; /* dev_t, as the kernel tells it; 0 from FIEMAP */
};

/* Records that overlap [low, high], ascending; at most `capacity`.  `after`: the last one of the call before, or NULL. */
int sd_space_map(int fd, const struct sd_space_record *after, uint64_t low, uint64_t high,
		 struct sd_space_record *records, int capacity);
/* Extents of a file that overlap [start, start + length); owner and device are 0. */
int sd_file_extents(int fd, uint64_t start, uint64_t length, struct sd_space_record *records, int capacity);

/* Files below a directory, on its filesystem only; links are not followed, what cannot be read is passed over. */
struct sd_walk;
struct sd_walk_entry {
	uint64_t inode;
	uint64_t size;
	uint32_t is_file; /* regular */
	uint32_t reserved;
	const char *path; /* until the next call */
};
int sd_walk_open(const char *root, struct sd_walk **walk);
int sd_walk_next(struct sd_walk *walk, struct sd_walk_entry *entry); /* 1, or 0 at the end */
void sd_walk_close(struct sd_walk *walk);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfuse3's low-level API, in a form Swift can use: every request is one struct, handed to one function; every kind of
 * reply is one call.  Why C: the API is a table of thirty callbacks over variadic macros, and a structure with bit fields.
 *
 * Functions return >= 0, or -errno.  Without the package trait FuseMount (SOFTDAX_FUSE) there are none.
 */
#ifndef SOFTDAX_FUSE_H
#define SOFTDAX_FUSE_H

#include <stddef.h>
#include <stdint.h>

enum sd_fuse_operation {
	SD_FUSE_LOOKUP = 1,
	SD_FUSE_FORGET,	    /* length: how often; no reply */
	SD_FUSE_GETATTR,
	SD_FUSE_SETATTR,    /* set: SD_FUSE_SET_*; length: size; mode, user, group, times */
	SD_FUSE_READLINK,
	SD_FUSE_MAKE,	    /* mode with S_IFMT, device */
	SD_FUSE_SYMLINK,    /* name; data: the target */
	SD_FUSE_LINK,	    /* other: the file; node: the directory */
	SD_FUSE_UNLINK,
	SD_FUSE_RMDIR,
	SD_FUSE_RENAME,	    /* node, name; other, other_name; flags of renameat2(2) */
	SD_FUSE_CREATE,	    /* mode */
	SD_FUSE_OPEN,
	SD_FUSE_READ,	    /* offset, length */
	SD_FUSE_WRITE,	    /* offset, data; flags of open(2) */
	SD_FUSE_FSYNC,
	SD_FUSE_READDIR,    /* offset: the place to go on from; length: room */
	SD_FUSE_STATFS,
	SD_FUSE_SETXATTR,   /* name, data, flags of setxattr(2) */
	SD_FUSE_GETXATTR,   /* name, length: room, 0 asks for the size */
	SD_FUSE_LISTXATTR,  /* length: room, 0 asks for the size */
	SD_FUSE_REMOVEXATTR,
	SD_FUSE_FALLOCATE,  /* mode of fallocate(2), offset, length */
	SD_FUSE_COPY_RANGE, /* node, offset; other, other_offset; length */
	SD_FUSE_LSEEK,	    /* offset; flags: whence */
	SD_FUSE_IOCTL,	    /* flags: command; data; length: room for the answer; open_flags */
	SD_FUSE_TMPFILE,    /* node: the directory; mode: a file without a name, which may get one */
};

enum {
	SD_FUSE_SET_MODE = 1,
	SD_FUSE_SET_USER = 2,
	SD_FUSE_SET_GROUP = 4,
	SD_FUSE_SET_SIZE = 8,
	SD_FUSE_SET_ATIME = 16,
	SD_FUSE_SET_MTIME = 32,
	SD_FUSE_SET_ATIME_NOW = 64,
	SD_FUSE_SET_MTIME_NOW = 128,
};

struct sd_fuse_time {
	int64_t seconds;
	uint32_t nanoseconds;
};

/* Pointers are good until the handler returns. */
struct sd_fuse_request {
	uint32_t operation; /* enum sd_fuse_operation */
	uint32_t user;	    /* of the caller */
	uint32_t group;
	uint32_t open_flags;
	uint64_t node; /* inode number; 1 is the root */
	uint64_t other;
	uint64_t offset;
	uint64_t other_offset;
	uint64_t length;
	uint32_t mode;
	uint32_t device;
	uint32_t flags;
	uint32_t set;
	uint32_t new_user;
	uint32_t new_group;
	struct sd_fuse_time accessed;
	struct sd_fuse_time modified;
	const char *name; /* NUL-terminated, or NULL */
	const char *other_name;
	const void *data;
	size_t data_length;
};

struct sd_fuse_attributes {
	uint64_t node; /* as the kernel calls it */
	uint64_t inode; /* as stat(2) calls it */
	uint64_t size;
	uint64_t blocks; /* of 512 bytes */
	uint32_t mode;
	uint32_t links;
	uint32_t user;
	uint32_t group;
	uint32_t device;
	struct sd_fuse_time accessed;
	struct sd_fuse_time modified;
	struct sd_fuse_time changed;
	/* Only calls that the kernel makes here change them: it may keep them. */
	uint32_t may_be_kept;
};

struct sd_fuse_space {
	uint64_t blocks; /* of 4096 bytes */
	uint64_t free_blocks;
	uint64_t inodes;
	uint64_t free_inodes;
};

struct sd_fuse_mount;

/* Called on the threads that serve; `reply` is for exactly one call of sd_fuse_reply_*. */
typedef void (*sd_fuse_handler)(void *context, const struct sd_fuse_request *request, void *reply);

/* Mounts on `directory`.  On failure NULL; `error` has the errno, `message` what libfuse said. */
struct sd_fuse_mount *sd_fuse_mount(const char *directory, int for_all_users, sd_fuse_handler handler, void *context,
				    int *error, char *message, size_t message_size);
/* Serves requests until sd_fuse_stop(), or until somebody unmounted.  For any number of threads. */
void sd_fuse_serve(struct sd_fuse_mount *mount);
/* Makes every sd_fuse_serve() return after the request it has in hand. */
void sd_fuse_stop(struct sd_fuse_mount *mount);
/* Unmounts, whoever still uses it, and releases everything.  Nobody may serve any more. */
void sd_fuse_unmount(struct sd_fuse_mount *mount);
/* The kernel forgets the attributes of a file and the pages it has of it.  Not while a request about it is in hand that holds its
 * pages (read, write, truncate). */
int sd_fuse_invalidate(struct sd_fuse_mount *mount, uint64_t node);

/* Calls `on_interrupt` when whoever waits for the answer gets a signal; before it returns if that has been. Not from a handler of its own; NULL:
 * it is not called any more, and not running. An answer may not be given while it runs. */
void sd_fuse_watch_interrupt(void *reply, void (*on_interrupt)(void *reply, void *context), void *context);

/* -ENOENT: the caller was interrupted and has not got the answer. */
int sd_fuse_reply_error(void *reply, int error); /* 0: done */
void sd_fuse_reply_nothing(void *reply);
int sd_fuse_reply_entry(void *reply, const struct sd_fuse_attributes *attributes);
int sd_fuse_reply_attributes(void *reply, const struct sd_fuse_attributes *attributes);
int sd_fuse_reply_created(void *reply, const struct sd_fuse_attributes *attributes, uint32_t open_flags);
int sd_fuse_reply_opened(void *reply, uint32_t open_flags);
int sd_fuse_reply_bytes(void *reply, const void *bytes, size_t count);
int sd_fuse_reply_text(void *reply, const char *text);
int sd_fuse_reply_count(void *reply, size_t count);
int sd_fuse_reply_room(void *reply, size_t count);
int sd_fuse_reply_offset(void *reply, uint64_t offset);
int sd_fuse_reply_space(void *reply, const struct sd_fuse_space *space);
int sd_fuse_reply_ioctl(void *reply, const void *bytes, size_t count);

/* ------------------------------------------------------------------ what the kernel does not pass on
 *
 * FICLONE, FICLONERANGE and FS_IOC_FIEMAP end in the kernel's VFS, which has no operation of FUSE for them.  The preload shim asks the mount
 * by these ioctls instead, which the kernel passes on as they are.
 */
#define SD_FUSE_IOC_CLONE 0x4020da01u   /* _IOW(0xda, 1, struct sd_fuse_clone) */
#define SD_FUSE_IOC_EXTENTS 0xdc80da02u /* _IOWR(0xda, 2, struct sd_fuse_extents) */
#define SD_FUSE_IOC_WINDOW 0x8008da03u  /* _IOR(0xda, 3, uint64_t): names the file, opened like this, in SD_MAP; -ENOTTY: cannot be */
#define SD_FUSE_IOC_PIN 0x4018da04u     /* _IOW(0xda, 4, struct sd_fuse_pin); `softdax pin` */

/* On the file that gets the blocks, open for writing. */
struct sd_fuse_clone {
	uint64_t source; /* st_ino of a file of the same mount */
	uint64_t source_offset;
	uint64_t length; /* 0: to the end */
	uint64_t offset;
};

struct sd_fuse_extent {
	uint64_t offset; /* bytes */
	uint64_t address;
	uint64_t length;
	uint32_t flags; /* FIEMAP_EXTENT_* */
	uint32_t reserved;
};

/* On the file, or for release on the root directory: all of the mount. */
struct sd_fuse_pin {
	uint64_t offset;
	uint64_t length;
	uint32_t flags; /* 1: FOLL_LONGTERM; 2: release */
	uint32_t reserved;
};

#define SD_FUSE_EXTENTS 227
/* Asked with start, length and room; answered with count and extents. */
struct sd_fuse_extents {
	uint64_t start;
	uint64_t length;
	uint32_t room; /* 0: only count, all of them */
	uint32_t count;
	uint64_t reserved;
	struct sd_fuse_extent extents[SD_FUSE_EXTENTS];
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Each answer is one call. */
#include "fuse_common.h"

#ifdef SOFTDAX_FUSE

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* How long the kernel may keep what only calls that it makes can change. */
#define FOR_LONG 3600.0
static void put_times(struct sd_fuse_attributes const *from, struct stat *to)
{
	to->st_atim.tv_sec = from->accessed.seconds;
	to->st_atim.tv_nsec = from->accessed.nanoseconds;
	to->st_mtim.tv_sec = from->modified.seconds;
	to->st_mtim.tv_nsec = from->modified.nanoseconds;
	to->st_ctim.tv_sec = from->changed.seconds;
	to->st_ctim.tv_nsec = from->changed.nanoseconds;
}

static struct stat status_of(struct sd_fuse_attributes const *from)
{
	struct stat to;

	memset(&to, 0, sizeof(to));
	to.st_ino = from->inode;
	to.st_mode = from->mode;
	to.st_nlink = from->links;
	to.st_uid = from->user;
	to.st_gid = from->group;
	to.st_rdev = from->device;
	to.st_size = (off_t)from->size;
	to.st_blksize = 4096;
	to.st_blocks = (blkcnt_t)from->blocks;
	put_times(from, &to);
	return to;
}

void sd_fuse_watch_interrupt(void *reply, void (*on_interrupt)(void *reply, void *context), void *context)
{
	/* fuse_req_t is a pointer. */
	fuse_req_interrupt_func(reply, (fuse_interrupt_func_t)(void *)on_interrupt, context);
}

int sd_fuse_reply_error(void *reply, int error)
{
	return fuse_reply_err(reply, error);
}

void sd_fuse_reply_nothing(void *reply)
{
	fuse_reply_none(reply);
}

static struct fuse_entry_param entry_of(const struct sd_fuse_attributes *attributes)
{
	struct fuse_entry_param entry;

	memset(&entry, 0, sizeof(entry));
	entry.ino = attributes->node;
	entry.attr = status_of(attributes);
	entry.attr_timeout = attributes->may_be_kept ? FOR_LONG : 0;
	entry.entry_timeout = FOR_LONG;
	return entry;
}

int sd_fuse_reply_entry(void *reply, const struct sd_fuse_attributes *attributes)
{
	struct fuse_entry_param entry = entry_of(attributes);

	return fuse_reply_entry(reply, &entry);
}

int sd_fuse_reply_attributes(void *reply, const struct sd_fuse_attributes *attributes)
{
	struct stat status = status_of(attributes);

	return fuse_reply_attr(reply, &status, attributes->may_be_kept ? FOR_LONG : 0);
}

/* What is read and written goes to the server and is never kept; fh remembers how the file was opened. */
static struct fuse_file_info opened(uint32_t open_flags)
{
	struct fuse_file_info info;

	memset(&info, 0, sizeof(info));
	info.fh = open_flags;
	info.direct_io = 1;
	return info;
}

int sd_fuse_reply_created(void *reply, const struct sd_fuse_attributes *attributes, uint32_t open_flags)
{
	struct fuse_entry_param entry = entry_of(attributes);
	struct fuse_file_info info = opened(open_flags);

	return fuse_reply_create(reply, &entry, &info);
}

int sd_fuse_reply_opened(void *reply, uint32_t open_flags)
{
	struct fuse_file_info info = opened(open_flags);

	return fuse_reply_open(reply, &info);
}

int sd_fuse_reply_bytes(void *reply, const void *bytes, size_t count)
{
	return fuse_reply_buf(reply, bytes, count);
}

int sd_fuse_reply_text(void *reply, const char *text)
{
	return fuse_reply_readlink(reply, text);
}

int sd_fuse_reply_count(void *reply, size_t count)
{
	return fuse_reply_write(reply, count);
}

int sd_fuse_reply_room(void *reply, size_t count)
{
	return fuse_reply_xattr(reply, count);
}

int sd_fuse_reply_offset(void *reply, uint64_t offset)
{
	return fuse_reply_lseek(reply, (off_t)offset);
}

int sd_fuse_reply_space(void *reply, const struct sd_fuse_space *space)
{
	struct statvfs status;

	memset(&status, 0, sizeof(status));
	status.f_bsize = 4096;
	status.f_frsize = 4096;
	status.f_blocks = space->blocks;
	status.f_bfree = space->free_blocks;
	status.f_bavail = space->free_blocks;
	status.f_files = space->inodes;
	status.f_ffree = space->free_inodes;
	status.f_favail = space->free_inodes;
	status.f_namemax = 255;
	return fuse_reply_statfs(reply, &status);
}

int sd_fuse_reply_ioctl(void *reply, const void *bytes, size_t count)
{
	return fuse_reply_ioctl(reply, 0, bytes, count);
}

#endif

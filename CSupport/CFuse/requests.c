/* SPDX-License-Identifier: Apache-2.0 */
/* Each request of the kernel becomes one struct for the mount's handler. */
#include "fuse_common.h"

#ifdef SOFTDAX_FUSE

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void hand_over(fuse_req_t request, struct sd_fuse_request *what)
{
	struct sd_fuse_mount *mount = fuse_req_userdata(request);
	const struct fuse_ctx *caller = fuse_req_ctx(request);

	what->user = caller->uid;
	what->group = caller->gid;
	mount->handler(mount->context, what, request);
}

#define HAND_OVER(request, ...) \
	do { \
		struct sd_fuse_request what = {__VA_ARGS__}; \
		hand_over(request, &what); \
	} while (0)

static void on_init(void *userdata, struct fuse_conn_info *connection)
{
	(void)userdata;
	/* open() and truncate() stay two requests; pages are never kept; no pipes between kernel and server. */
	connection->want &= ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ |
					FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_HANDLE_KILLPRIV);
	connection->max_write = 1 << 20;
	connection->time_gran = 1;
}

static void on_lookup(fuse_req_t request, fuse_ino_t node, const char *name)
{
	HAND_OVER(request, .operation = SD_FUSE_LOOKUP, .node = node, .name = name);
}

static void on_forget(fuse_req_t request, fuse_ino_t node, uint64_t count)
{
	HAND_OVER(request, .operation = SD_FUSE_FORGET, .node = node, .length = count);
}

static void on_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
	(void)info;
	HAND_OVER(request, .operation = SD_FUSE_GETATTR, .node = node);
}

static void on_setattr(fuse_req_t request, fuse_ino_t node, struct stat *to, int set, struct fuse_file_info *info)
{
	static const struct {
		int theirs;
		uint32_t ours;
	} bits[] = {
		{FUSE_SET_ATTR_MODE, SD_FUSE_SET_MODE},	     {FUSE_SET_ATTR_UID, SD_FUSE_SET_USER},
		{FUSE_SET_ATTR_GID, SD_FUSE_SET_GROUP},	     {FUSE_SET_ATTR_SIZE, SD_FUSE_SET_SIZE},
		{FUSE_SET_ATTR_ATIME, SD_FUSE_SET_ATIME},     {FUSE_SET_ATTR_MTIME, SD_FUSE_SET_MTIME},
		{FUSE_SET_ATTR_ATIME_NOW, SD_FUSE_SET_ATIME_NOW}, {FUSE_SET_ATTR_MTIME_NOW, SD_FUSE_SET_MTIME_NOW},
	};
	uint32_t ours = 0;

	(void)info;
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (set & bits[i].theirs)
			ours |= bits[i].ours;
	HAND_OVER(request, .operation = SD_FUSE_SETATTR, .node = node, .set = ours, .mode = to->st_mode,
		  .new_user = to->st_uid, .new_group = to->st_gid, .length = (uint64_t)to->st_size,
		  .accessed = {to->st_atim.tv_sec, (uint32_t)to->st_atim.tv_nsec},
		  .modified = {to->st_mtim.tv_sec, (uint32_t)to->st_mtim.tv_nsec});
}

static void on_readlink(fuse_req_t request, fuse_ino_t node)
{
	HAND_OVER(request, .operation = SD_FUSE_READLINK, .node = node);
}

static void on_mknod(fuse_req_t request, fuse_ino_t node, const char *name, mode_t mode, dev_t device)
{
	HAND_OVER(request, .operation = SD_FUSE_MAKE, .node = node, .name = name, .mode = mode,
		  .device = (uint32_t)device);
}

static void on_mkdir(fuse_req_t request, fuse_ino_t node, const char *name, mode_t mode)
{
	HAND_OVER(request, .operation = SD_FUSE_MAKE, .node = node, .name = name, .mode = (mode & 07777) | S_IFDIR);
}

static void on_unlink(fuse_req_t request, fuse_ino_t node, const char *name)
{
	HAND_OVER(request, .operation = SD_FUSE_UNLINK, .node = node, .name = name);
}

static void on_rmdir(fuse_req_t request, fuse_ino_t node, const char *name)
{
	HAND_OVER(request, .operation = SD_FUSE_RMDIR, .node = node, .name = name);
}

static void on_symlink(fuse_req_t request, const char *target, fuse_ino_t node, const char *name)
{
	HAND_OVER(request, .operation = SD_FUSE_SYMLINK, .node = node, .name = name, .data = target,
		  .data_length = strlen(target));
}

static void on_rename(fuse_req_t request, fuse_ino_t node, const char *name, fuse_ino_t other, const char *other_name,
		      unsigned flags)
{
	HAND_OVER(request, .operation = SD_FUSE_RENAME, .node = node, .name = name, .other = other,
		  .other_name = other_name, .flags = flags);
}

static void on_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t directory, const char *name)
{
	HAND_OVER(request, .operation = SD_FUSE_LINK, .other = node, .node = directory, .name = name);
}

static void on_create(fuse_req_t request, fuse_ino_t node, const char *name, mode_t mode, struct fuse_file_info *info)
{
	HAND_OVER(request, .operation = name[0] == '/' ? SD_FUSE_TMPFILE : SD_FUSE_CREATE, .node = node, .name = name,
		  .mode = (mode & 07777) | S_IFREG, .open_flags = (uint32_t)info->flags);
}

static void on_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *info)
{
	HAND_OVER(request, .operation = SD_FUSE_OPEN, .node = node, .open_flags = (uint32_t)info->flags);
}

static void on_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	HAND_OVER(request, .operation = SD_FUSE_READ, .node = node, .length = size, .offset = (uint64_t)offset);
}

static void on_write(fuse_req_t request, fuse_ino_t node, const char *bytes, size_t size, off_t offset,
		     struct fuse_file_info *info)
{
	/* Pages of a mapping go where they belong, whatever the file was opened with. */
	uint32_t flags = info->writepage ? (uint32_t)info->flags & ~(uint32_t)O_APPEND : (uint32_t)info->flags;

	HAND_OVER(request, .operation = SD_FUSE_WRITE, .node = node, .offset = (uint64_t)offset, .open_flags = flags,
		  .data = bytes, .data_length = size);
}

static void on_fsync(fuse_req_t request, fuse_ino_t node, int only_data, struct fuse_file_info *info)
{
	(void)only_data;
	(void)info;
	HAND_OVER(request, .operation = SD_FUSE_FSYNC, .node = node);
}

static void on_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	HAND_OVER(request, .operation = SD_FUSE_READDIR, .node = node, .length = size, .offset = (uint64_t)offset);
}

static void on_statfs(fuse_req_t request, fuse_ino_t node)
{
	HAND_OVER(request, .operation = SD_FUSE_STATFS, .node = node);
}

static void on_setxattr(fuse_req_t request, fuse_ino_t node, const char *name, const char *value, size_t size, int flags)
{
	HAND_OVER(request, .operation = SD_FUSE_SETXATTR, .node = node, .name = name, .data = value,
		  .data_length = size, .flags = (uint32_t)flags);
}

static void on_getxattr(fuse_req_t request, fuse_ino_t node, const char *name, size_t size)
{
	HAND_OVER(request, .operation = SD_FUSE_GETXATTR, .node = node, .name = name, .length = size);
}

static void on_listxattr(fuse_req_t request, fuse_ino_t node, size_t size)
{
	HAND_OVER(request, .operation = SD_FUSE_LISTXATTR, .node = node, .length = size);
}

static void on_removexattr(fuse_req_t request, fuse_ino_t node, const char *name)
{
	HAND_OVER(request, .operation = SD_FUSE_REMOVEXATTR, .node = node, .name = name);
}

static void on_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
			 struct fuse_file_info *info)
{
	(void)info;
	HAND_OVER(request, .operation = SD_FUSE_FALLOCATE, .node = node, .mode = (uint32_t)mode,
		  .offset = (uint64_t)offset, .length = (uint64_t)length);
}

static void on_copy_file_range(fuse_req_t request, fuse_ino_t node, off_t offset, struct fuse_file_info *info,
			       fuse_ino_t other, off_t other_offset, struct fuse_file_info *other_info, size_t length,
			       int flags)
{
	(void)info;
	(void)other_info;
	HAND_OVER(request, .operation = SD_FUSE_COPY_RANGE, .node = node, .offset = (uint64_t)offset, .other = other,
		  .other_offset = (uint64_t)other_offset, .length = length, .flags = (uint32_t)flags);
}

static void on_lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence, struct fuse_file_info *info)
{
	(void)info;
	HAND_OVER(request, .operation = SD_FUSE_LSEEK, .node = node, .offset = (uint64_t)offset,
		  .flags = (uint32_t)whence);
}

static void on_ioctl(fuse_req_t request, fuse_ino_t node, unsigned command, void *argument, struct fuse_file_info *info,
		     unsigned flags, const void *bytes, size_t size, size_t room)
{
	(void)argument;
	(void)flags;
	HAND_OVER(request, .operation = SD_FUSE_IOCTL, .node = node, .flags = command, .data = bytes,
		  .data_length = size, .length = room, .open_flags = info ? (uint32_t)info->fh : 0);
}

const struct fuse_lowlevel_ops sd_fuse_operations = {
	.init = on_init,
	.lookup = on_lookup,
	.forget = on_forget,
	.getattr = on_getattr,
	.setattr = on_setattr,
	.readlink = on_readlink,
	.mknod = on_mknod,
	.mkdir = on_mkdir,
	.unlink = on_unlink,
	.rmdir = on_rmdir,
	.symlink = on_symlink,
	.rename = on_rename,
	.link = on_link,
	.create = on_create,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.fsync = on_fsync,
	.fsyncdir = on_fsync,
	.readdir = on_readdir,
	.statfs = on_statfs,
	.setxattr = on_setxattr,
	.getxattr = on_getxattr,
	.listxattr = on_listxattr,
	.removexattr = on_removexattr,
	.fallocate = on_fallocate,
	.copy_file_range = on_copy_file_range,
	.lseek = on_lseek,
	.ioctl = on_ioctl,
};

#endif

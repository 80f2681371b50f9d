/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_fuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct sd_fuse_clone) == (SD_FUSE_IOC_CLONE >> 16 & 0x3fff), "the size is in the number");
_Static_assert(sizeof(struct sd_fuse_extents) == (SD_FUSE_IOC_EXTENTS >> 16 & 0x3fff), "the size is in the number");

#ifdef SOFTDAX_FUSE

#define FUSE_USE_VERSION 314
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Linux 6.6: a file with FOPEN_DIRECT_IO may be mapped shared. libfuse knows it from 3.17 on. */
#ifndef FUSE_DIRECT_IO_ALLOW_MMAP
#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36)
#endif

/* How long the kernel may keep what only calls that it makes can change. */
#define FOR_LONG 3600.0

struct sd_fuse_mount {
	struct fuse_session *session;
	sd_fuse_handler handler;
	void *context;
	int stop; /* eventfd */
	atomic_int stopping;
	/* The first request, and whether the kernel offers FUSE_DIRECT_IO_ALLOW_MMAP in it. */
	uint64_t init_unique;
	int offers_mmap;
};

/* ------------------------------------------------------------------ requests */

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
	HAND_OVER(request, .operation = SD_FUSE_CREATE, .node = node, .name = name, .mode = (mode & 07777) | S_IFREG,
		  .open_flags = (uint32_t)info->flags);
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

static const struct fuse_lowlevel_ops operations = {
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

/* ------------------------------------------------------------------ replies */

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

/* ------------------------------------------------------------------ the session */

/* Waits for a request or the end; what FUSE_INIT offers is noted. */
static ssize_t receive(int fd, void *buffer, size_t size, void *userdata)
{
	struct sd_fuse_mount *mount = userdata;

	for (;;) {
		struct pollfd both[2] = {{.fd = fd, .events = POLLIN}, {.fd = mount->stop, .events = POLLIN}};

		if (poll(both, 2, -1) < 0 && errno != EINTR)
			return -1;
		if (atomic_load(&mount->stopping)) {
			errno = ENODEV;
			return -1;
		}
		ssize_t count = read(fd, buffer, size);
		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		const struct fuse_in_header *header = buffer;
		if (count >= (ssize_t)(sizeof(*header) + sizeof(struct fuse_init_in)) && header->opcode == FUSE_INIT) {
			const struct fuse_init_in *init = (const void *)(header + 1);

			mount->init_unique = header->unique;
			mount->offers_mmap = (init->flags & FUSE_INIT_EXT) &&
					     (init->flags2 & (uint32_t)(FUSE_DIRECT_IO_ALLOW_MMAP >> 32));
		}
		return count;
	}
}

/* Sends an answer; that to FUSE_INIT says yes to what this libfuse does not know. */
static ssize_t answer(int fd, struct iovec *parts, int count, void *userdata)
{
	struct sd_fuse_mount *mount = userdata;
	const struct fuse_out_header *header = parts[0].iov_base;

	if (mount->offers_mmap && count == 2 && header->unique == mount->init_unique && header->error == 0 &&
	    parts[1].iov_len >= offsetof(struct fuse_init_out, unused)) {
		struct fuse_init_out *init = parts[1].iov_base;

		init->flags |= FUSE_INIT_EXT;
		init->flags2 |= (uint32_t)(FUSE_DIRECT_IO_ALLOW_MMAP >> 32);
		mount->offers_mmap = 0;
	}
	return writev(fd, parts, count);
}

static const struct fuse_custom_io transport = {.writev = answer, .read = receive};

/* libfuse speaks of failures through one function for the whole process. */
static pthread_mutex_t speaking = PTHREAD_MUTEX_INITIALIZER;
static char *message_place;
static size_t message_room;

static void note_message(enum fuse_log_level level, const char *format, va_list arguments)
{
	(void)level;
	if (message_place && message_room && !message_place[0]) {
		vsnprintf(message_place, message_room, format, arguments);
		message_place[strcspn(message_place, "\n")] = 0;
	}
}

struct sd_fuse_mount *sd_fuse_mount(const char *directory, int for_all_users, sd_fuse_handler handler, void *context,
				    int *error, char *message, size_t message_size)
{
	char *words[] = {"softdax", "-o",
			 for_all_users ? "fsname=softdax,subtype=softdax,default_permissions,allow_other"
				       : "fsname=softdax,subtype=softdax,default_permissions"};
	struct fuse_args arguments = FUSE_ARGS_INIT(3, words);
	struct sd_fuse_mount *mount = calloc(1, sizeof(*mount));

	*error = ENOMEM;
	if (!mount)
		return NULL;
	mount->handler = handler;
	mount->context = context;
	mount->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mount->stop < 0) {
		*error = errno;
		free(mount);
		return NULL;
	}
	pthread_mutex_lock(&speaking);
	if (message_size)
		message[0] = 0;
	message_place = message;
	message_room = message_size;
	fuse_set_log_func(note_message);
	mount->session = fuse_session_new(&arguments, &operations, sizeof(operations), mount);
	int mounted = -1;
	if (mount->session) {
		errno = 0;
		mounted = fuse_session_mount(mount->session, directory);
		*error = errno ? errno : EPERM;
	}
	message_place = NULL;
	pthread_mutex_unlock(&speaking);
	if (mounted == 0) {
		int fd = fuse_session_fd(mount->session);

		fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0 &&
		    fuse_session_custom_io(mount->session, &transport, fd) == 0)
			return mount;
		*error = EIO;
		fuse_session_unmount(mount->session);
	}
	if (mount->session)
		fuse_session_destroy(mount->session);
	close(mount->stop);
	free(mount);
	return NULL;
}

void sd_fuse_serve(struct sd_fuse_mount *mount)
{
	struct fuse_buf buffer;

	memset(&buffer, 0, sizeof(buffer));
	while (!fuse_session_exited(mount->session) && !atomic_load(&mount->stopping)) {
		int count = fuse_session_receive_buf(mount->session, &buffer);

		if (count == -EINTR || count == -EAGAIN)
			continue;
		if (count <= 0)
			break;
		fuse_session_process_buf(mount->session, &buffer);
	}
	free(buffer.mem);
}

void sd_fuse_stop(struct sd_fuse_mount *mount)
{
	uint64_t one = 1;

	atomic_store(&mount->stopping, 1);
	if (write(mount->stop, &one, sizeof(one)) < 0) {
		/* It says so already. */
	}
}

void sd_fuse_unmount(struct sd_fuse_mount *mount)
{
	/* Closes the descriptor first: whoever waits for an answer gets ECONNABORTED, and nothing waits for anything here. */
	fuse_session_unmount(mount->session);
	fuse_session_destroy(mount->session);
	close(mount->stop);
	free(mount);
}

int sd_fuse_invalidate(struct sd_fuse_mount *mount, uint64_t node)
{
	return fuse_lowlevel_notify_inval_inode(mount->session, node, 0, 0);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The session: mounting, reading requests, and the end. */
#include "fuse_common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct sd_fuse_clone) == (SD_FUSE_IOC_CLONE >> 16 & 0x3fff), "the size is in the number");
_Static_assert(sizeof(struct sd_fuse_extents) == (SD_FUSE_IOC_EXTENTS >> 16 & 0x3fff), "the size is in the number");

#ifdef SOFTDAX_FUSE
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

/* Linux 6.6: a file with FOPEN_DIRECT_IO may be mapped shared. libfuse knows it from 3.17 on. */
#ifndef FUSE_DIRECT_IO_ALLOW_MMAP
#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36)
#endif

/*
 * Linux 6.0: O_TMPFILE. The request is that of FUSE_CREATE (fuse_create_open, fs/fuse/dir.c), and so is the answer. libfuse knows it from 3.17
 * on; here it becomes a FUSE_CREATE of "/", which no name can be.
 */
#define OPCODE_TMPFILE 51

static void rename_tmpfile(struct fuse_in_header *header, ssize_t count)
{
	char *name = (char *)(header + 1) + sizeof(struct fuse_create_in);

	if (header->opcode != OPCODE_TMPFILE || count < name + 2 - (char *)header)
		return;
	header->opcode = FUSE_CREATE;
	memcpy(name, "/", 2);
}

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
		struct fuse_in_header *header = buffer;

		if (count >= (ssize_t)sizeof(*header))
			rename_tmpfile(header, count);
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
	mount->session = fuse_session_new(&arguments, &sd_fuse_operations, sizeof(sd_fuse_operations), mount);
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

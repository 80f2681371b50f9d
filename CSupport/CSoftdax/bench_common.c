/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_common.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "softdax_bench.h"

#define REPLY_SECONDS 60

extern char **environ;

int sd_bench_spawn(const char *program, char *const arguments[], int memfd, char **environment, pid_t *child)
{
	int pair[2], result;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	struct timeval limit = {.tv_sec = REPLY_SECONDS};
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	/* Out of the way of the numbers that the child expects, so that neither dup2 overwrites the other's source. */
	int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, 16);
	int medium = memfd < 0 ? -1 : fcntl(memfd, F_DUPFD_CLOEXEC, 16);
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, theirs, CHILD_SOCKET);
	if (medium >= 0)
		posix_spawn_file_actions_adddup2(&actions, medium, CHILD_MEMFD);
	result = theirs < 0 ? EMFILE : posix_spawn(child, program, &actions, NULL, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	close(pair[1]);
	if (theirs >= 0)
		close(theirs);
	if (medium >= 0)
		close(medium);
	if (result) {
		close(pair[0]);
		return -result;
	}
	return pair[0];
}

char **sd_bench_environment(size_t *count)
{
	size_t all = 0;
	while (environ[all])
		all++;
	char **copy = calloc(all + 3, sizeof *copy);
	*count = 0;
	for (size_t i = 0; copy && i < all; i++)
		if (strncmp(environ[i], "LD_PRELOAD=", 11) && strncmp(environ[i], "SOFTDAX_DIR=", 12))
			copy[(*count)++] = environ[i];
	return copy;
}

double sd_bench_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int sd_bench_open_userfaultfd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fd >= 0)
		return fd;
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device >= 0) {
		fd = ioctl(device, _IO(UFFDIO, 0x00) /* USERFAULTFD_IOC_NEW, Linux 6.1 */, O_CLOEXEC);
		close(device);
		if (fd >= 0)
			return fd;
	}
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);
	return fd < 0 ? -errno : fd;
}

union descriptor_message {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int sd_bench_send_descriptor(int socket, int descriptor)
{
	union descriptor_message control = {0};
	struct iovec part = {.iov_base = "", .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int sd_bench_receive_descriptor(int socket)
{
	struct sd_bench_figures instead = {0};
	union descriptor_message control = {0};
	struct iovec part = {.iov_base = &instead, .iov_len = sizeof instead};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof control};
	ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return got == sizeof instead && instead.error < 0 ? instead.error : -ECHILD;
	int descriptor;
	memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
	return descriptor;
}

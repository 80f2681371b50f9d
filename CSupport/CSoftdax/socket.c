/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int address_of(const char *path, struct sockaddr_un *address)
{
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof address->sun_path)
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	return 0;
}

int sd_socket_listen(const char *path, int backlog)
{
	struct sockaddr_un address;
	int error = address_of(path, &address);
	if (error < 0)
		return error;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* fchmod before bind sets the mode the node is born with: no moment in which others could connect. */
	if (fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(fd, backlog) != 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int sd_socket_connect(const char *path, int seconds)
{
	struct sockaddr_un address;
	int error = address_of(path, &address);
	if (error < 0)
		return error;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	struct timeval limit = {.tv_sec = seconds};
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int sd_socket_accept(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			return fd;
		switch (errno) {
		case EINTR:
		case ECONNABORTED:
			continue;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM: {
			/* The peer waits in the queue.  accept4() asks for a descriptor before it looks at the listener, so
			 * look here whether that was shut down. */
			struct pollfd state = {.fd = listener};
			if (poll(&state, 1, 0) > 0 && state.revents & POLLHUP)
				return -EINVAL;
			poll(NULL, 0, 10);
			continue;
		}
		default:
			return -errno;
		}
	}
}

int sd_socket_send(int fd, const void *message, size_t length, int pass)
{
	struct iovec io = { .iov_base = (void *)message, .iov_len = length };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr header = { .msg_iov = &io, .msg_iovlen = 1 };
	if (pass >= 0) {
		memset(&control, 0, sizeof control);
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof control.bytes;
		struct cmsghdr *item = CMSG_FIRSTHDR(&header);
		item->cmsg_level = SOL_SOCKET;
		item->cmsg_type = SCM_RIGHTS;
		item->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(item), &pass, sizeof pass);
	}
	for (;;) {
		if (sendmsg(fd, &header, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

int sd_socket_receive(int fd, void *message, size_t capacity, int *passed)
{
	struct iovec io = { .iov_base = message, .iov_len = capacity };
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr header = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	*passed = -1;
	ssize_t got;
	do
		got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (struct cmsghdr *item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item)) {
		if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int one;
			memcpy(&one, CMSG_DATA(item) + i * sizeof one, sizeof one);
			if (*passed < 0)
				*passed = one;
			else
				close(one);
		}
	}
	if (header.msg_flags & MSG_TRUNC) {
		if (*passed >= 0)
			close(*passed);
		*passed = -1;
		return -EMSGSIZE;
	}
	return (int)got;
}

int sd_socket_peer(int fd, struct sd_peer *peer)
{
	struct ucred credentials;
	socklen_t length = sizeof credentials;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
		return -errno;
	peer->pid = credentials.pid;
	peer->uid = credentials.uid;
	peer->gid = credentials.gid;
	return 0;
}

int sd_socket_wait_hangup(int fd)
{
	for (;;) {
		struct pollfd one = { .fd = fd, .events = POLLRDHUP };
		if (poll(&one, 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (one.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))
			return 0;
	}
}

int sd_socket_shutdown(int fd)
{
	return shutdown(fd, SHUT_RDWR) == 0 ? 0 : -errno;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - a question to the server: a fresh connection, the message, the answer, and nothing stays open.
 *
 * The caller is quiet from sd_request_open() to sd_request_close().  A descriptor comes into being, and into `open_now`,
 * under the process lock, which fork takes too: a child knows exactly which descriptors of its parent's requests it has
 * inherited, and closes them.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core.h"

#define OPEN_AT_MOST 512

static int open_now[OPEN_AT_MOST]; /* descriptor + 1; with the process lock held */

static void note(int fd)
{
	for (size_t index = 0; index < OPEN_AT_MOST; index++) {
		if (open_now[index] == 0) {
			open_now[index] = fd + 1;
			return;
		}
	}
}

static void forget_and_close(int fd)
{
	if (fd < 0)
		return;
	sd_lock(&sd_process_lock);
	for (size_t index = 0; index < OPEN_AT_MOST; index++) {
		if (open_now[index] == fd + 1) {
			open_now[index] = 0;
			break;
		}
	}
	sd_raw_close(fd);
	sd_unlock(&sd_process_lock);
}

void sd_requests_after_fork(void)
{
	for (size_t index = 0; index < OPEN_AT_MOST; index++) {
		if (open_now[index] != 0)
			sd_raw_close(open_now[index] - 1);
		open_now[index] = 0;
	}
}

/* ------------------------------------------------------------------ messages */

long sd_send_message(int fd, const void *message, size_t length, int passed)
{
	struct iovec piece = { (void *)(uintptr_t)message, length };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr envelope = { .msg_iov = &piece, .msg_iovlen = 1 };
	long result;

	if (passed >= 0) {
		__builtin_memset(&control, 0, sizeof control);
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		__builtin_memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
		envelope.msg_control = &control;
		envelope.msg_controllen = sizeof control;
	}
	do
		result = SD_RAW3(SYS_sendmsg, fd, &envelope, MSG_NOSIGNAL);
	while (result == -EINTR);
	return result;
}

long sd_receive_message(int fd, void *message, size_t length, int flags, int *passed)
{
	struct iovec piece = { message, length };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr envelope = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	long result;

	do
		result = SD_RAW3(SYS_recvmsg, fd, &envelope, flags | MSG_CMSG_CLOEXEC);
	while (result == -EINTR);
	*passed = -1;
	if (result >= 0 && envelope.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_level == SOL_SOCKET &&
	    control.header.cmsg_type == SCM_RIGHTS)
		__builtin_memcpy(passed, CMSG_DATA(&control.header), sizeof *passed);
	return result;
}

/* Appends, and says whether all of it fitted. */
static bool append(char *text, size_t size, size_t *used, const char *piece)
{
	for (; *piece; piece++) {
		if (*used + 1 >= size)
			return false;
		text[(*used)++] = *piece;
	}
	text[*used] = 0;
	return true;
}

long sd_connect(int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *directory = sd_directory();
	size_t used = 0;
	int folder = -1;
	long result;

	if (!directory)
		return -ENXIO;
	if (!append(address.sun_path, sizeof address.sun_path, &used, directory) ||
	    !append(address.sun_path, sizeof address.sun_path, &used, "/" SD_SOCKET_NAME)) {
		/* Too long for an address: by way of a descriptor of the directory. */
		char digits[12];
		size_t at = sizeof digits - 1;

		folder = (int)SD_RAW4(SYS_openat, AT_FDCWD, directory, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
		if (folder < 0)
			return folder;
		digits[at] = 0;
		for (unsigned number = (unsigned)folder; at == sizeof digits - 1 || number; number /= 10)
			digits[--at] = (char)('0' + number % 10);
		used = 0;
		append(address.sun_path, sizeof address.sun_path, &used, "/proc/thread-self/fd/");
		append(address.sun_path, sizeof address.sun_path, &used, digits + at);
		append(address.sun_path, sizeof address.sun_path, &used, "/" SD_SOCKET_NAME);
	}
	do
		result = SD_RAW3(SYS_connect, fd, &address, sizeof address);
	while (result == -EINTR || (result == -EAGAIN && (sd_raw_sleep(100000), true)));
	sd_raw_close(folder);
	return result;
}

/* ------------------------------------------------------------------ requests */

long sd_request_open(struct sd_request *request)
{
	sd_lock(&sd_process_lock);
	request->fd = (int)SD_RAW3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (request->fd >= 0)
		note(request->fd);
	sd_unlock(&sd_process_lock);
	if (request->fd < 0)
		return request->fd;

	long result = sd_connect(request->fd);

	if (sd_failed(result))
		sd_request_close(request);
	return result;
}

long sd_request_send(struct sd_request *request, const void *message, size_t length)
{
	long result = sd_send_message(request->fd, message, length, -1);

	return sd_failed(result) ? result : 0;
}

long sd_request_receive(struct sd_request *request, uint16_t type, void *message, size_t length, int *passed)
{
	struct pollfd ready = { .fd = request->fd, .events = POLLIN };
	int came = -1;
	long got;

	/* Wait without the lock, take with it: what comes along is a descriptor that a forked child must know of. */
	do {
		SD_RAW5(SYS_ppoll, &ready, 1, 0, 0, 0);
		sd_lock(&sd_process_lock);
		got = sd_receive_message(request->fd, message, length, MSG_DONTWAIT, &came);
		if (came >= 0)
			note(came);
		sd_unlock(&sd_process_lock);
	} while (got == -EAGAIN);

	struct sd_header header;

	__builtin_memcpy(&header, message, sizeof header);
	if (got == (long)length && header.magic == SD_WIRE_MAGIC && header.type == type) {
		if (passed)
			*passed = came;
		else
			forget_and_close(came);
		return 0;
	}
	forget_and_close(came);
	return sd_failed(got) ? got : got == 0 ? -EPIPE : -EPROTO;
}

void sd_request_close(struct sd_request *request)
{
	/* A child that another thread forks may have it too, for as long as it takes to close it: the server need not wait. */
	if (request->fd >= 0)
		SD_RAW2(SYS_shutdown, request->fd, SHUT_RDWR);
	forget_and_close(request->fd);
	request->fd = -1;
}

void sd_request_drop(int fd)
{
	forget_and_close(fd);
}

long sd_request_done(const void *message, size_t length)
{
	struct sd_request request;
	struct sd_done done;
	long result = sd_request_open(&request);

	if (sd_failed(result))
		return result;
	result = sd_request_send(&request, message, length);
	if (!sd_failed(result))
		result = sd_request_receive(&request, SD_DONE, &done, sizeof done, NULL);
	sd_request_close(&request);
	return sd_failed(result) ? result : done.error;
}

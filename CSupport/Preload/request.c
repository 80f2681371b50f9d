/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - a question to the server: a fresh connection, the message, the answer, and nothing stays open.
 *
 * The caller is quiet from sd_request_ask() to sd_request_close().  A descriptor comes into being, and into `open_now`,
 * under the process lock, which fork takes too: a child knows exactly which descriptors of its parent's requests it has
 * inherited, and closes them.  Where the caller cannot have a descriptor or cannot reach the socket, the porter's table
 * has them instead.
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

static void forget_and_close(const struct sd_request *request, int fd)
{
	if (fd < 0)
		return;
	if (request->call != sd_raw) {
		request->call(SYS_close, fd, 0, 0, 0, 0, 0);
		return;
	}
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

long sd_send_message(const struct sd_request *request, const void *message, size_t length, int passed)
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
		result = request->call(SYS_sendmsg, request->fd, (long)&envelope, MSG_NOSIGNAL, 0, 0, 0);
	while (result == -EINTR);
	return result;
}

long sd_receive_message(const struct sd_request *request, void *message, size_t length, int flags, int *passed)
{
	struct iovec piece = { message, length };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr envelope = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	long result;

	do
		result = request->call(SYS_recvmsg, request->fd, (long)&envelope, flags | MSG_CMSG_CLOEXEC, 0, 0, 0);
	while (result == -EINTR);
	*passed = -1;
	if (result >= 0 && envelope.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_level == SOL_SOCKET &&
	    control.header.cmsg_type == SCM_RIGHTS)
		__builtin_memcpy(passed, CMSG_DATA(&control.header), sizeof *passed);
	else if (result >= 0 && envelope.msg_flags & MSG_CTRUNC)
		return -EMFILE;
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

long sd_connect(const struct sd_request *request)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *directory = sd_directory();
	size_t used = 0;
	long folder = -1;
	long result;

	if (!directory)
		return -ENXIO;
	if (!append(address.sun_path, sizeof address.sun_path, &used, directory) ||
	    !append(address.sun_path, sizeof address.sun_path, &used, "/" SD_SOCKET_NAME)) {
		/* Too long for an address: by way of a descriptor of the directory. */
		char digits[12];
		size_t at = sizeof digits - 1;

		folder = request->call(SYS_openat, AT_FDCWD, (long)directory, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
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
		result = request->call(SYS_connect, request->fd, (long)&address, sizeof address, 0, 0, 0);
	while (result == -EINTR);
	if (folder >= 0)
		request->call(SYS_close, folder, 0, 0, 0, 0, 0);
	return result;
}

/* ------------------------------------------------------------------ requests */

#define PATIENCE 2000000000l
#define LONGEST_WAIT 50000000l

bool sd_again(long *waited)
{
	long wait = *waited / 4 + 100000;

	if (*waited >= PATIENCE)
		return false;
	if (wait > LONGEST_WAIT)
		wait = LONGEST_WAIT;
	sd_raw_sleep(wait);
	*waited += wait;
	return true;
}

static long open_with(struct sd_request *request, sd_system_call *call)
{
	request->call = call;
	if (call == sd_raw)
		sd_lock(&sd_process_lock);
	request->fd = (int)call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, 0, 0, 0);
	if (call == sd_raw) {
		if (request->fd >= 0)
			note(request->fd);
		sd_unlock(&sd_process_lock);
	}

	long result = request->fd;

	if (!sd_failed(result))
		result = sd_connect(request);
	if (sd_failed(result)) {
		forget_and_close(request, request->fd);
		request->fd = -1;
	}
	return result;
}

/* `away`: by the porter if possible, because the last attempt showed that the caller's table is full. */
static long open_request(struct sd_request *request, bool away)
{
	long result = away ? -EMFILE : open_with(request, sd_raw);

	/* No descriptor is free, or from here there is no way to the socket (setuid(), chroot()): the agent may have both. */
	if (sd_failed(result) && result != -ECONNREFUSED && result != -ENXIO && sd_porter_take()) {
		result = open_with(request, sd_porter_call);
		if (sd_failed(result))
			sd_porter_release();
	}
	return result == -ECONNREFUSED || result == -ENOENT ? -ENXIO : result;
}

static long receive(struct sd_request *request, uint16_t type, void *message, size_t length, int *passed)
{
	struct pollfd ready = { .fd = request->fd, .events = POLLIN };
	int came = -1;
	long got;

	/* Wait without the lock, take with it: what comes along is a descriptor that a forked child must know of. */
	do {
		request->call(SYS_ppoll, (long)&ready, 1, 0, 0, 0, 0);
		if (request->call == sd_raw)
			sd_lock(&sd_process_lock);
		got = sd_receive_message(request, message, length, MSG_DONTWAIT, &came);
		if (request->call == sd_raw) {
			if (came >= 0)
				note(came);
			sd_unlock(&sd_process_lock);
		}
	} while (got == -EAGAIN);

	struct sd_done done;

	if (got >= (long)sizeof done) {
		__builtin_memcpy(&done, message, sizeof done);
		if (done.header.magic != SD_WIRE_MAGIC)
			got = -EPROTO;
		else if (got == (long)sizeof done && done.header.type == SD_DONE && done.error != 0)
			got = done.error < 0 && done.error > -4096 ? done.error : -EPROTO; /* in place of any answer */
		else if (got != (long)length || done.header.type != type)
			got = -EPROTO;
	} else if (got >= 0) {
		got = got == 0 ? -EPIPE : -EPROTO;
	}
	if (!sd_failed(got) && passed)
		*passed = came;
	else
		forget_and_close(request, came);
	return sd_failed(got) ? got : 0;
}

/* Whether an error says nothing about the question: it, or no answer at all, may be otherwise the next time. */
static bool passes(long error)
{
	switch (-error) {
	case EPIPE: case ECONNRESET: case ENOTCONN: case EPROTO: case EBADF: case ENOTSOCK: case EAGAIN: case EMFILE: case ENFILE:
	case ENOBUFS:
		return true;
	default:
		return false;
	}
}

long sd_request_ask(struct sd_request *request, const void *message, size_t length, uint16_t type, void *answer, size_t size,
		    int *passed)
{
	bool away = false;

	for (long waited = 0;;) {
		if (sd_server_left())
			return -ENXIO;

		long result = open_request(request, away);

		if (result == -ENXIO)
			return result;
		if (!sd_failed(result)) {
			result = sd_send_message(request, message, length, -1);
			if (!sd_failed(result)) {
				result = receive(request, type, answer, size, passed);
				if (!sd_failed(result))
					return 0;
				if (!passes(result)) {
					sd_request_close(request);
					return result;
				}
			}
			sd_request_close(request);
		}
		away = result == -EMFILE;
		/* A server that is full, or that gave up on what came. */
		if (!sd_again(&waited))
			return -ENOMEM;
	}
}

long sd_request_finish(struct sd_request *request, const void *message, size_t length)
{
	struct sd_done done;
	long result = sd_send_message(request, message, length, -1);

	if (!sd_failed(result))
		result = receive(request, SD_DONE, &done, sizeof done, NULL);
	if (sd_failed(result) && result != -EAGAIN && passes(result))
		return sd_server_left() ? -ENXIO : -ENOMEM;
	return sd_failed(result) ? result : 0;
}

void sd_request_close(struct sd_request *request)
{
	if (request->fd < 0)
		return;
	/* A child that another thread forks may have it too, for as long as it takes to close it: the server need not wait. */
	request->call(SYS_shutdown, request->fd, SHUT_RDWR, 0, 0, 0, 0);
	forget_and_close(request, request->fd);
	request->fd = -1;
	if (request->call != sd_raw)
		sd_porter_release();
}

void sd_request_drop(struct sd_request *request, int fd)
{
	forget_and_close(request, fd);
}

long sd_request_done(const void *message, size_t length)
{
	struct sd_request request;
	struct sd_done done;
	long result = sd_request_ask(&request, message, length, SD_DONE, &done, sizeof done, NULL);

	if (!sd_failed(result))
		sd_request_close(&request);
	return result;
}

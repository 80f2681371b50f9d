/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX SOCK_SEQPACKET with at most one descriptor per message.
 *
 * Why C: CMSG_* are macros, and control messages are all pointer arithmetic.  >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_SOCKET_H
#define SOFTDAX_SOCKET_H

#include <stddef.h>
#include <stdint.h>

/* A listening socket at `path`, mode 0600.  -EADDRINUSE: something is there; -ENAMETOOLONG: over 107 bytes. */
int sd_socket_listen(const char *path, int backlog);
/* From then on connecting, sending and receiving fail with -EAGAIN after that many seconds without progress; 0: never. */
int sd_socket_connect(const char *path, int seconds);
/* Blocks, also while this process or the host has no descriptor left; the new one is close-on-exec.  -EINVAL: the listener
 * was shut down. */
int sd_socket_accept(int listener);

/* One whole message, with descriptor `pass` unless it is -1.  Never raises SIGPIPE. */
int sd_socket_send(int fd, const void *message, size_t length, int pass);

/* One whole message; returns its length, 0 at end of file.  *passed: a descriptor that came with it, close-on-exec, or -1.
 * -EMSGSIZE: longer than `capacity`; more than one descriptor: the others are closed. */
int sd_socket_receive(int fd, void *message, size_t capacity, int *passed);

struct sd_peer {
	int32_t pid;
	uint32_t uid;
	uint32_t gid;
};
int sd_socket_peer(int fd, struct sd_peer *peer);

/* Blocks until the other end has closed or either end was shut down; messages stay queued. */
int sd_socket_wait_hangup(int fd);
int sd_socket_shutdown(int fd);

#endif

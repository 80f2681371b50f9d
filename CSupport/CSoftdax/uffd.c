/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY /* 5.11 */
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW /* 6.1 */
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#define CONTINUE_PROTECTED 2ull /* UFFDIO_CONTINUE_MODE_WP, 6.4 */
struct sd_uffdio_poison { /* struct uffdio_poison, 6.6 */
	struct uffdio_range range;
	uint64_t mode;
	int64_t updated;
};
#ifndef UFFDIO_POISON /* 6.6 */
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct sd_uffdio_poison)
#endif

int sd_uffd_open(int user_mode_only)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | (user_mode_only ? UFFD_USER_MODE_ONLY : 0));
	if (fd >= 0)
		return fd;
	int error = -errno;
	if (error != -EPERM || user_mode_only)
		return error;
	int node = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (node < 0)
		return error;
	fd = ioctl(node, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	close(node);
	return fd >= 0 ? fd : error;
}

int sd_uffd_handshake(int fd, uint64_t *features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = *features };
	if (ioctl(fd, UFFDIO_API, &api) != 0)
		return -errno;
	*features = api.features;
	return 0;
}

int sd_uffd_register(int fd, uint64_t start, uint64_t length, uint32_t modes)
{
	struct uffdio_register arg = { .range = { start, length } };
	if (modes & SD_UFFD_MISSING)
		arg.mode |= UFFDIO_REGISTER_MODE_MISSING;
	if (modes & SD_UFFD_WRITE_PROTECT)
		arg.mode |= UFFDIO_REGISTER_MODE_WP;
	if (modes & SD_UFFD_MINOR)
		arg.mode |= UFFDIO_REGISTER_MODE_MINOR;
	return ioctl(fd, UFFDIO_REGISTER, &arg) == 0 ? 0 : -errno;
}

int sd_uffd_unregister(int fd, uint64_t start, uint64_t length)
{
	struct uffdio_range arg = { start, length };
	return ioctl(fd, UFFDIO_UNREGISTER, &arg) == 0 ? 0 : -errno;
}

int sd_uffd_read(int fd, struct sd_event *events, int capacity)
{
	struct uffd_msg messages[16];
	if (capacity > 16)
		capacity = 16;
	ssize_t got = read(fd, messages, (size_t)capacity * sizeof messages[0]);
	if (got < 0)
		return -errno;
	int count = (int)(got / (ssize_t)sizeof messages[0]);
	for (int i = 0; i < count; i++) {
		if (messages[i].event == UFFD_EVENT_PAGEFAULT) {
			events[i].kind = SD_EVENT_FAULT;
			events[i].address = messages[i].arg.pagefault.address;
			uint64_t flags = messages[i].arg.pagefault.flags;
			events[i].flags = (flags & UFFD_PAGEFAULT_FLAG_WRITE ? SD_FAULT_WRITE : 0) |
					  (flags & UFFD_PAGEFAULT_FLAG_MINOR ? SD_FAULT_MINOR : 0) |
					  (flags & UFFD_PAGEFAULT_FLAG_WP ? SD_FAULT_PROTECTED : 0);
			events[i].thread = messages[i].arg.pagefault.feat.ptid;
		} else {
			events[i].kind = SD_EVENT_OTHER;
			events[i].address = 0;
			events[i].flags = 0;
			events[i].thread = 0;
		}
	}
	return count;
}

void sd_uffd_wait(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLIN };
	poll(&state, 1, -1);
}

int sd_uffd_continue(int fd, uint64_t start, uint64_t length, int is_protected, int64_t *mapped)
{
	struct uffdio_continue arg = { .range = { start, length }, .mode = is_protected ? CONTINUE_PROTECTED : 0 };
	int result = ioctl(fd, UFFDIO_CONTINUE, &arg) == 0 ? 0 : -errno;
	*mapped = arg.mapped > 0 ? arg.mapped : 0;
	return result;
}

int sd_uffd_zero(int fd, uint64_t address, int is_protected)
{
	static const char zeroes[4096] __attribute__((aligned(4096)));
	struct uffdio_copy arg = {
		.dst = address,
		.src = (uintptr_t)zeroes,
		.len = sizeof zeroes,
		.mode = is_protected ? UFFDIO_COPY_MODE_WP : 0,
	};
	return ioctl(fd, UFFDIO_COPY, &arg) == 0 ? 0 : -errno;
}

int sd_uffd_protect(int fd, uint64_t start, uint64_t length, int is_protected)
{
	struct uffdio_writeprotect arg = {
		.range = { start, length },
		.mode = is_protected ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	return ioctl(fd, UFFDIO_WRITEPROTECT, &arg) == 0 ? 0 : -errno;
}

int sd_uffd_forget_protection(int fd, uint64_t start, uint64_t length)
{
	struct uffdio_writeprotect arg = { .range = { start, length }, .mode = UFFDIO_WRITEPROTECT_MODE_DONTWAKE };
	return ioctl(fd, UFFDIO_WRITEPROTECT, &arg) == 0 ? 0 : -errno;
}

int sd_uffd_wake(int fd, uint64_t start, uint64_t length)
{
	struct uffdio_range arg = { start, length };
	return ioctl(fd, UFFDIO_WAKE, &arg) == 0 ? 0 : -errno;
}

int sd_uffd_poison(int fd, uint64_t start, uint64_t length)
{
	struct sd_uffdio_poison arg = { .range = { start, length } };
	return ioctl(fd, UFFDIO_POISON, &arg) == 0 ? 0 : -errno;
}

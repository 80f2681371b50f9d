/* SPDX-License-Identifier: Apache-2.0 */
/* bad-buffers [DEVICE]: lists of buffers that the kernel refuses are refused by the kernel, with a window and without. */
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "program.h"

static void try_all(void)
{
	struct iovec *short_list = mmap(NULL, PAGE, BOTH, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int zero = DONE(open("/dev/zero", O_RDWR | O_CLOEXEC));
	struct mmsghdr two[2] = { { { 0 }, 0 }, { { .msg_iov = nowhere, .msg_iovlen = 2 }, 0 } };
	struct msghdr bad = { .msg_iov = nowhere, .msg_iovlen = 2 };
	/* The compiler would see through these. */
	volatile int minus_one = -1;
	void *volatile null = NULL;
	void *volatile low = (void *)8;
	int ends[2];

	DONE(munmap((char *)nowhere, PAGE));
	short_list[0].iov_base = short_list;
	short_list[0].iov_len = 8;
	DONE(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	REFUSED(readv(zero, short_list, 100000), EINVAL);
	REFUSED(writev(zero, short_list, IOV_MAX + 1), EINVAL);
	REFUSED(readv(zero, short_list, minus_one), EINVAL);
	REFUSED(preadv(zero, short_list, INT_MAX, 0), EINVAL);
	REFUSED(writev(zero, nowhere, 3), EFAULT);
	REFUSED(readv(zero, null, 1), EFAULT);
	REFUSED(pwritev(zero, low, 1, 0), EFAULT);
	REFUSED(readv(-1, nowhere, 3), EBADF);
	REFUSED(sendmsg(ends[0], null, 0), EFAULT);
	REFUSED(recvmsg(ends[0], null, MSG_DONTWAIT), EFAULT);
	REFUSED(recvmsg(-1, null, 0), EBADF);
	REFUSED(sendmsg(ends[0], &bad, 0), EFAULT);
	bad.msg_iovlen = (size_t)1 << 40;
	REFUSED(recvmsg(ends[1], &bad, MSG_DONTWAIT), EMSGSIZE);
	REFUSED(recvmmsg(ends[1], null, 1, MSG_DONTWAIT, NULL), EFAULT);
	CHECK(sendmmsg(ends[0], two, 2, 0) == 1, "sendmmsg stops at the second message: %s", strerror(errno));
	CHECK(readv(zero, short_list, 1) == 8, "a good list: %s", strerror(errno));
	close(zero);
	close(ends[0]);
	close(ends[1]);
}

int main(int count, char **words)
{
	try_all();
	if (count < 2)
		return 0;

	int fd = open_device(words[1], O_RDWR);
	volatile unsigned char *place = map(fd, 2 * HUGE, 0);

	try_all();

	/* A list that itself lies in pages nobody has touched. */
	struct iovec *list = (struct iovec *)(place + HUGE);
	int zero = DONE(open("/dev/zero", O_RDWR | O_CLOEXEC));

	list[0].iov_base = (void *)place;
	list[0].iov_len = PAGE;
	DONE(munmap((void *)place, 2 * HUGE));
	CHECK(mmap((void *)place, 2 * HUGE, BOTH, MAP_SHARED | MAP_FIXED, fd, 0) == place, "MAP_FIXED: %s", strerror(errno));
	CHECK(readv(zero, list, 1) == (ssize_t)PAGE, "a list in the device: %s", strerror(errno));
	DONE(munmap((void *)place, 2 * HUGE));
	return 0;
}

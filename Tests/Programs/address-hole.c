/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address-hole PATH: a program finds out where there is room, gives it up, and maps there.  Nobody else is to have taken it meanwhile, and
 * nothing but the program's own stores is to be there.  PATH has pages of 4 KiB; the first mapping of the process is what counts.
 */
#include "program.h"

#define ROOM ((size_t)1 << 20)

int main(int count, char **words)
{
	int fd = open_device(device_argument(count, words), O_RDWR);
	/* A device has no length, a file gets one. */
	int grown = ftruncate(fd, 2 * (off_t)ROOM);
	/* The kernel says where: in the highest hole that is large enough. */
	unsigned char *hole = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)grown;
	CHECK(hole != MAP_FAILED, "mmap: %s", strerror(errno));
	DONE(munmap(hole, ROOM));
	CHECK(mmap(hole, ROOM, BOTH, MAP_SHARED | MAP_FIXED, fd, 0) == hole, "mmap into the hole: %s", strerror(errno));
	for (int round = 1; round < 4; round++) {
		memset(hole, round, ROOM);
		/* The agent has something to do. */
		volatile unsigned char *other = map(fd, ROOM, (off_t)ROOM);
		other[0] = (unsigned char)round;
		DONE(munmap((void *)other, ROOM));
		/* It looks around once a second. */
		sleep(round == 1 ? 2 : 0);
		for (size_t at = 0; at < ROOM; at++)
			CHECK(hole[at] == round, "round %d: byte %zu is %d", round, at, hole[at]);
	}
	return 0;
}

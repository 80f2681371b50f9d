/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address-hole PATH: a program finds out where there is room, gives it up, and maps there.  Nobody else is to have taken it meanwhile, and
 * nothing but the program's own stores is to be there.
 */
#include "program.h"

#define ROOM ((size_t)8 << 20)

int main(int count, char **words)
{
	int fd = open_device(device_argument(count, words), O_RDWR);
	/* A device has no length, a file gets one. */
	int grown = ftruncate(fd, 2 * (off_t)ROOM);
	unsigned char *room = mmap(NULL, 2 * ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned char *hole = (unsigned char *)(((uintptr_t)room + ROOM - 1) & ~(ROOM - 1));

	(void)grown;
	CHECK(room != MAP_FAILED, "mmap: %s", strerror(errno));
	DONE(munmap(room, 2 * ROOM));
	CHECK(mmap(hole, ROOM, BOTH, MAP_SHARED | MAP_FIXED, fd, 0) == hole, "mmap into the hole: %s", strerror(errno));
	for (int round = 1; round < 4; round++) {
		memset(hole, round, ROOM);
		volatile unsigned char *other = map(fd, ROOM, (off_t)ROOM);
		other[0] = (unsigned char)round;
		DONE(munmap((void *)other, ROOM));
		for (size_t at = 0; at < ROOM; at++)
			CHECK(hole[at] == round, "round %d: byte %zu is %d", round, at, hole[at]);
	}
	return 0;
}

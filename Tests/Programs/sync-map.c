/* SPDX-License-Identifier: Apache-2.0 */
/* sync-map DEVICE: MAP_SYNC is what persistent memory is mapped with, and must be accepted. */
#include "program.h"

int main(int count, char **words)
{
	int fd = open_device(device_argument(count, words), O_RDWR);
	volatile unsigned char *place = DONE(mmap(NULL, HUGE, BOTH, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));

	place[0] = 42;

	volatile unsigned char *other = DONE(mmap(NULL, HUGE, BOTH, MAP_SHARED_VALIDATE | MAP_SYNC | MAP_POPULATE, fd, 0));

	CHECK(other[0] == 42, "two windows on one page show different bytes");
	/* MAP_SHARED ignores what it does not know; MAP_SHARED_VALIDATE does not. */
	DONE(mmap(NULL, HUGE, BOTH, MAP_SHARED | MAP_SYNC | 0x400000, fd, 0));
	REFUSED(mmap(NULL, HUGE, BOTH, MAP_SHARED_VALIDATE | 0x400000, fd, 0), EOPNOTSUPP);
	REFUSED(mmap(NULL, HUGE, BOTH, MAP_PRIVATE | MAP_SYNC, fd, 0), EINVAL);
	return 0;
}

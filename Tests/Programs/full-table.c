/* SPDX-License-Identifier: Apache-2.0 */
/* full-table DEVICE: a program with no descriptor left, or just one, maps, changes and unmaps all the same. */
#include <sys/resource.h>

#include "program.h"

static void use(int fd, const char *when)
{
	void *place = mmap(NULL, 2 * HUGE, BOTH, MAP_SHARED, fd, 0);

	CHECK(place != MAP_FAILED, "%s: mmap: %s", when, strerror(errno));

	volatile unsigned char *byte = place;

	byte[7] = 7;
	byte[HUGE] = 8;
	CHECK(madvise(place, HUGE, MADV_DONTNEED) == 0, "%s: madvise: %s", when, strerror(errno));
	CHECK(byte[7] == 7, "%s: MADV_DONTNEED lost bytes", when);

	void *moved = mremap(place, 2 * HUGE, HUGE, MREMAP_MAYMOVE);

	CHECK(moved != MAP_FAILED, "%s: mremap: %s", when, strerror(errno));
	byte = moved;
	CHECK(byte[7] == 7, "%s: mremap lost bytes", when);
	CHECK(mprotect(moved, HUGE, PROT_READ) == 0, "%s: mprotect: %s", when, strerror(errno));
	CHECK(munmap(moved, HUGE) == 0, "%s: munmap: %s", when, strerror(errno));
}

int main(int count, char **words)
{
	const char *path = device_argument(count, words);
	struct rlimit few = { 64, 64 };
	int fd = open_device(path, O_RDWR);
	int last = -1;

	alarm(600);
	DONE(setrlimit(RLIMIT_NOFILE, &few));
	use(fd, "with descriptors left");
	for (int each; (each = dup(0)) >= 0;)
		last = each;
	CHECK(errno == EMFILE, "dup: %s", strerror(errno));
	use(fd, "with none left");
	for (int round = 0; round < 200; round++)
		use(fd, "with none left, again and again");

	pid_t child = fork();

	CHECK(child >= 0, "fork: %s", strerror(errno));
	if (child == 0) {
		use(fd, "in a child with none left");
		_exit(0);
	}
	reap(child, "the child");
	DONE(close(last)); /* the socket has room, what comes through it has none */
	use(fd, "with one left");
	return 0;
}

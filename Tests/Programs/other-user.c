/* SPDX-License-Identifier: Apache-2.0 */
/*
 * other-user DEVICE: a program that begins as root, maps, and goes on as a user who may not enter the session directory, then
 * in another root directory.  What it has open it may map, use, change and unmap.
 */
#include <grp.h>

#include "program.h"

static void use(int fd, volatile unsigned char *held, const char *who)
{
	void *place = mmap(NULL, HUGE, BOTH, MAP_SHARED, fd, 0);

	CHECK(place != MAP_FAILED, "%s: mmap: %s", who, strerror(errno));
	((volatile unsigned char *)place)[3]++;
	CHECK(munmap(place, HUGE) == 0, "%s: munmap: %s", who, strerror(errno));
	held[4 * PAGE]++;
	CHECK(madvise((void *)held, HUGE, MADV_DONTNEED) == 0, "%s: madvise: %s", who, strerror(errno));
	held[5 * PAGE]++;
}

int main(int count, char **words)
{
	const char *path = device_argument(count, words);

	if (getuid() != 0)
		return 77;
	alarm(600);

	int fd = open_device(path, O_RDWR);
	volatile unsigned char *held = map(fd, 2 * HUGE, 0);

	held[0] = 1;
	pid_t child = fork();

	CHECK(child >= 0, "fork: %s", strerror(errno));
	if (child == 0) {
		DONE(chroot("/proc/self/fdinfo"));
		DONE(chdir("/"));
		use(fd, held, "in another root");
		_exit(0);
	}
	reap(child, "the child in another root");

	DONE(setgroups(0, NULL));
	DONE(setgid(65534));
	DONE(setuid(65534));
	use(fd, held, "as nobody");
	CHECK(open(path, O_RDWR) < 0, "nobody may open %s", path);
	DONE(munmap((void *)(held + HUGE), HUGE));
	CHECK(held[0] == 1, "other bytes");
	DONE(munmap((void *)held, HUGE));
	return 0;
}

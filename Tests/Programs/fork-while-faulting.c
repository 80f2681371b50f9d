/* SPDX-License-Identifier: Apache-2.0 */
/* fork-while-faulting DEVICE: forks while other threads fault, map and unmap; each child uses what it inherited. */
#include <pthread.h>

#include "program.h"

#define LENGTH (4 * HUGE)
#define OWN_OFFSET (8 * HUGE)

static volatile bool stop;
static const char *path;

static void *faulting(void *argument)
{
	volatile unsigned char *place = argument;

	while (!stop) {
		for (size_t at = 0; at < HUGE; at += PAGE)
			place[at]++;
		DONE(madvise((void *)place, HUGE, MADV_DONTNEED));
	}
	return NULL;
}

static void *mapping(void *argument)
{
	int fd = open_device(path, O_RDWR);

	(void)argument;
	while (!stop) {
		volatile unsigned char *place = map(fd, HUGE, OWN_OFFSET + HUGE);

		place[PAGE]++;
		DONE(munmap((void *)place, HUGE));
	}
	return NULL;
}

static void child(volatile unsigned char *place, unsigned char sign, int fd)
{
	/* Bytes from before the fork, and both ways afterwards. */
	CHECK(place[3 * HUGE] == sign, "an inherited window shows %d, not %d", place[3 * HUGE], sign);
	place[3 * HUGE + 1] = sign;

	volatile unsigned char *own = map(fd, HUGE, OWN_OFFSET);

	own[0] = sign;
	CHECK(own[0] == sign, "a window of the child's own shows something else");
	DONE(munmap((void *)own, HUGE));
	DONE(munmap((void *)place, LENGTH));

	pid_t grandchild = fork();

	CHECK(grandchild >= 0, "fork in the child: %s", strerror(errno));
	if (grandchild == 0) {
		volatile unsigned char *last = map(fd, HUGE, OWN_OFFSET);

		_exit(last[0] == sign ? 0 : 1);
	}
	reap(grandchild, "the grandchild");
	_exit(0);
}

int main(int count, char **words)
{
	path = device_argument(count, words);

	int fd = open_device(path, O_RDWR);
	volatile unsigned char *place = map(fd, LENGTH, 0);
	volatile unsigned char *hidden = map(fd, HUGE, 0);
	pthread_t workers[4];

	catch_signals();
	hidden[0] = 1;
	DONE(madvise((void *)hidden, HUGE, MADV_DONTFORK));
	for (int index = 0; index < 4; index++)
		CHECK(pthread_create(&workers[index], NULL, index < 2 ? faulting : mapping,
				     (void *)(place + (size_t)(index % 2) * HUGE)) == 0, "pthread_create");
	for (int round = 0; round < 40; round++) {
		unsigned char sign = (unsigned char)(round + 1);

		place[3 * HUGE] = sign;
		place[3 * HUGE + 1] = 0;

		pid_t one = fork();

		CHECK(one >= 0, "fork: %s", strerror(errno));
		if (one == 0) {
			if (round == 0)
				EXPECT_SIGNAL(&hidden[0], false, SIGSEGV, SEGV_MAPERR);
			child(place, sign, fd);
		}
		reap(one, "a child");
		CHECK(place[3 * HUGE + 1] == sign, "what the child stored is not seen here");
		if (round % 10 == 0)
			CHECK(system("true") == 0, "system() fails");
	}

	/* vfork and exec: nothing of ours is touched. */
	pid_t shared = vfork();

	if (shared == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	reap(shared, "the vfork child");
	stop = true;
	for (int index = 0; index < 4; index++)
		pthread_join(workers[index], NULL);
	return 0;
}

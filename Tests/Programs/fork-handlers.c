/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork-handlers DEVICE: handlers of pthread_atfork() that use the device, and that wait for a lock under which another thread
 * does, as allocators have it.
 */
#include <pthread.h>

#include "program.h"

static int fd;
static volatile bool stop;
static unsigned calls;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void use(void)
{
	volatile unsigned char *place = map(fd, HUGE, 0);

	place[5]++;
	DONE(mprotect((void *)place, HUGE, PROT_READ));
	DONE(madvise((void *)place, HUGE, MADV_DONTNEED));
	DONE(munmap((void *)place, HUGE));
	calls++;
}

static void prepare(void)
{
	pthread_mutex_lock(&lock);
	use();
}

static void after(void)
{
	use();
	pthread_mutex_unlock(&lock);
}

static void watch(void)
{
	pthread_atfork(prepare, after, after);
}

/* Before the constructor of any library, as a library does that is initialised first. */
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = watch;

static void *work(void *nothing)
{
	while (!stop) {
		pthread_mutex_lock(&lock);
		use();
		pthread_mutex_unlock(&lock);
	}
	return nothing;
}

int main(int count, char **words)
{
	pthread_t thread;

	alarm(600);
	fd = open_device(device_argument(count, words), O_RDWR);

	volatile unsigned char *held = map(fd, HUGE, (off_t)HUGE);

	held[1] = 1;
	CHECK(pthread_create(&thread, NULL, work, NULL) == 0, "pthread_create");
	for (int round = 0; round < 100; round++) {
		pid_t child = fork();

		CHECK(child >= 0, "fork: %s", strerror(errno));
		if (child == 0) {
			held[2]++;
			_exit(held[1] == 1 ? 0 : 1);
		}
		reap(child, "the child");
	}
	stop = true;
	pthread_join(thread, NULL);
	CHECK(calls > 200, "the handlers were not called");
	return 0;
}

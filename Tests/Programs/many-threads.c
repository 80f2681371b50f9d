/* SPDX-License-Identifier: Apache-2.0 */
/* many-threads DEVICE: 64 threads map, replace and unmap, signal handlers too, while the process forks. */
#include <pthread.h>

#include "program.h"

#define THREADS 64

static int fd;
static volatile bool stop;

static void *work(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;

	while (!stop) {
		volatile unsigned char *place = map(fd, HUGE, (off_t)((size_t)(rand_r(&seed) % 16) * HUGE));

		place[(size_t)rand_r(&seed) % HUGE]++;
		if (rand_r(&seed) % 3 == 0) {
			CHECK(mmap((void *)place, HUGE, BOTH, MAP_SHARED | MAP_FIXED, fd, (off_t)((size_t)(rand_r(&seed) % 16) * HUGE)) ==
			      place, "MAP_FIXED: %s", strerror(errno));
			place[5]++;
		}
		DONE(munmap((void *)place, HUGE));
	}
	return NULL;
}

static void on_signal(int number)
{
	int error = errno;
	volatile unsigned char *place = mmap(NULL, HUGE, BOTH, MAP_SHARED, fd, 0);

	(void)number;
	if (place != MAP_FAILED) {
		place[0]++;
		munmap((void *)place, HUGE);
	}
	errno = error;
}

int main(int count, char **words)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t threads[THREADS];

	fd = open_device(device_argument(count, words), O_RDWR);
	sigaction(SIGUSR1, &action, NULL);
	for (size_t index = 0; index < THREADS; index++)
		CHECK(pthread_create(&threads[index], NULL, work, (void *)(uintptr_t)index) == 0, "pthread_create");
	for (int round = 0; round < 40; round++) {
		kill(getpid(), SIGUSR1);

		pid_t child = fork();

		CHECK(child >= 0, "fork: %s", strerror(errno));
		if (child == 0) {
			volatile unsigned char *place = map(fd, HUGE, 0);

			place[0]++;
			_exit(0);
		}
		reap(child, "a child");
		usleep(5000);
	}
	stop = true;
	for (size_t index = 0; index < THREADS; index++)
		pthread_join(threads[index], NULL);
	return 0;
}

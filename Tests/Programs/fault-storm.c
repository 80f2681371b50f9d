/* SPDX-License-Identifier: Apache-2.0 */
/* fault-storm DEVICE [SECONDS]: threads and children that map, touch, empty, move and unmap; without SECONDS until killed. */
#include <pthread.h>
#include <sys/prctl.h>

#include "program.h"

#define UNIT HUGE

static const char *path;

static void *storm(void *argument)
{
	unsigned seed = (unsigned)(uintptr_t)argument;
	int fd = open_device(path, O_RDWR);

	for (;;) {
		size_t units = 1 + (size_t)(rand_r(&seed) % 4);
		off_t offset = (off_t)(rand_r(&seed) % 12) * (off_t)UNIT;
		volatile unsigned char *place = map(fd, units * UNIT, offset);

		for (int touches = 0; touches < 64; touches++)
			place[(size_t)rand_r(&seed) % (units * UNIT)]++;
		switch (rand_r(&seed) % 4) {
		case 0:
			DONE(madvise((void *)place, UNIT, MADV_DONTNEED));
			place[0]++;
			break;
		case 1:
			place = DONE(mremap((void *)place, units * UNIT, (units + 1) * UNIT, MREMAP_MAYMOVE));
			units++;
			place[units * UNIT - 1]++;
			break;
		case 2:
			DONE(mprotect((void *)place, UNIT, PROT_READ));
			(void)place[UNIT / 2];
			break;
		default:
			break;
		}
		DONE(munmap((void *)place, units * UNIT));
	}
	return NULL;
}

static void threads(int count, unsigned seed)
{
	for (int index = 0; index < count; index++) {
		pthread_t thread;

		CHECK(pthread_create(&thread, NULL, storm, (void *)(uintptr_t)(seed + (unsigned)index)) == 0, "pthread_create");
	}
}

int main(int count, char **words)
{
	path = device_argument(count, words);
	if (count > 2)
		alarm((unsigned)atoi(words[2]));

	volatile unsigned char *inherited = map(open_device(path, O_RDWR), UNIT, 0);

	inherited[0]++;
	threads(4, 1);
	for (unsigned round = 0;; round++) {
		pid_t child = fork();

		CHECK(child >= 0, "fork: %s", strerror(errno));
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			inherited[PAGE * (round % 512)]++;
			threads(2, round * 100);
			usleep(50000);
			_exit(0);
		}
		if (round % 3 == 2)
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
		usleep(20000);
	}
}

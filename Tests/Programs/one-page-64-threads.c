/* SPDX-License-Identifier: Apache-2.0 */
/* one-page-64-threads DEVICE: 64 threads touch the same untouched page at the same time. */
#include <pthread.h>

#include "program.h"

#define THREADS 64

static pthread_barrier_t barrier;
static volatile unsigned char *place;

static void *toucher(void *argument)
{
	size_t index = (size_t)(uintptr_t)argument;

	pthread_barrier_wait(&barrier);
	place[index] = (unsigned char)(index + 1);
	return NULL;
}

int main(int count, char **words)
{
	pthread_t threads[THREADS];

	place = map(open_device(device_argument(count, words), O_RDWR), HUGE, 0);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (size_t index = 0; index < THREADS; index++)
		CHECK(pthread_create(&threads[index], NULL, toucher, (void *)(uintptr_t)index) == 0, "pthread_create");
	for (size_t index = 0; index < THREADS; index++)
		pthread_join(threads[index], NULL);
	for (size_t index = 0; index < THREADS; index++)
		CHECK(place[index] == index + 1, "the store of thread %zu is lost", index);
	return 0;
}

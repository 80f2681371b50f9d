/* SPDX-License-Identifier: Apache-2.0 */
/*
 * truncate-race FILE ROUNDS: four threads store to pages of a mapped file that is truncated again and again.  A touch behind the end is
 * SIGBUS, which they handle; in the end the file and the mapping are whole.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 16, THREADS = 4 };

static _Thread_local sigjmp_buf back;
static atomic_bool ended;
static atomic_long handled;
static volatile unsigned char *memory;

static void on_signal(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

static void *work(void *argument)
{
	unsigned char own = (unsigned char)(size_t)argument;

	while (!atomic_load(&ended)) {
		for (volatile int page = 0; page < PAGES; page++) {
			if (sigsetjmp(back, 1) == 0)
				memory[page * PAGE + own] = own;
			else
				atomic_fetch_add(&handled, 1);
		}
	}
	return NULL;
}

int main(int count, char **arguments)
{
	pthread_t threads[THREADS];
	int file = count == 3 ? open(arguments[1], O_RDWR | O_CREAT, 0600) : -1;

	signal(SIGBUS, on_signal);
	if (file < 0 || ftruncate(file, PAGES * PAGE) != 0)
		return 2;
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		return 2;
	for (size_t thread = 0; thread < THREADS; thread++)
		pthread_create(&threads[thread], NULL, work, (void *)(thread + 1));
	for (long round = atol(arguments[2]); round > 0; round--) {
		if (ftruncate(file, 0) != 0 || ftruncate(file, PAGES * PAGE) != 0) {
			perror("ftruncate");
			return 1;
		}
	}
	/* Until one has met the end: a program that never does shows nothing. */
	while (atomic_load(&handled) == 0)
		if (ftruncate(file, 0) != 0 || ftruncate(file, PAGES * PAGE) != 0)
			return 1;
	atomic_store(&ended, true);
	for (int thread = 0; thread < THREADS; thread++)
		pthread_join(threads[thread], NULL);
	memory[0] = 'x';
	unsigned char byte = 0;
	if (pread(file, &byte, 1, 0) != 1 || byte != 'x') {
		fprintf(stderr, "the file shows %d\n", byte);
		return 1;
	}
	return 0;
}

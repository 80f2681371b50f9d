/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lost-stores FILE WAY ROUNDS: threads store into a file of shared blocks while others make copies of them, WAY being how: "fork" (a
 * child stores), "window" (a second window), "write" (write(2) of parts of pages), "range" (a second window, and only some pages are
 * shared), "cut" (parts of pages that are no thread's are taken from the file).  Each thread owns a byte of every page, and finds there
 * what it stored last.
 */
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "program.h"

#define PAGES 256
#define THREADS 4

static volatile unsigned char *place;
static volatile bool stop;
static unsigned passes; /* of all threads, over all pages */

static void *storing(void *argument)
{
	volatile unsigned char *own = place + 512 * (size_t)argument;
	unsigned char stored[PAGES] = { 0 };

	for (; !stop; __atomic_add_fetch(&passes, 1, __ATOMIC_RELAXED))
		for (size_t page = 0; page < PAGES; page++) {
			unsigned char found = own[page * PAGE];

			CHECK(found == stored[page], "page %zu: %d was stored, and there is %d", page, stored[page], found);
			own[page * PAGE] = ++stored[page];
		}
	return NULL;
}

static void store_elsewhere(volatile unsigned char *elsewhere)
{
	for (size_t page = 0; page < PAGES; page += 3)
		elsewhere[page * PAGE + 100] = 1;
}

int main(int count, char **words)
{
	if (count != 4) {
		fprintf(stderr, "usage: %s FILE fork|window|write|range|cut ROUNDS\n", words[0]);
		return 2;
	}

	const char *way = words[2];
	bool forks = !strcmp(way, "fork"), writes = !strcmp(way, "write"), cuts = !strcmp(way, "cut"), ranges = cuts || !strcmp(way, "range");
	int file = DONE(open(words[1], O_RDWR | O_CREAT | O_TRUNC, 0600));
	char name[4096];
	pthread_t threads[THREADS];

	snprintf(name, sizeof name, "%s.clone", words[1]);

	int clone = DONE(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));

	DONE(ftruncate(file, PAGES * PAGE));
	place = map(file, PAGES * PAGE, 0);

	volatile unsigned char *second = map(file, PAGES * PAGE, 0);

	for (size_t page = 0; page < PAGES; page++)
		place[page * PAGE] = 0;
	for (size_t thread = 0; thread < THREADS; thread++)
		CHECK(pthread_create(&threads[thread], NULL, storing, (void *)thread) == 0, "pthread_create");
	for (int round = atoi(words[3]); round > 0; round--) {
		if (!ranges)
			DONE(ioctl(clone, FICLONE, file));
		/* The first of some pages that get room for copies together; the others are nobody else's. */
		for (size_t page = 0; ranges && page < PAGES; page += 32) {
			struct file_clone_range one = { file, page * PAGE, PAGE, page * PAGE };

			DONE(ioctl(clone, FICLONERANGE, &one));
		}
		/* Until some pages are copies. */
		for (unsigned seen = passes; __atomic_load_n(&passes, __ATOMIC_RELAXED) - seen < 1;)
			sched_yield();
		if (forks) {
			pid_t child = DONE(fork());

			if (child == 0) {
				store_elsewhere(place);
				_exit(0);
			}
			reap(child, "a child that stores");
		} else if (writes) {
			for (size_t page = 0; page < PAGES; page += 3)
				DONE(pwrite(file, "ab", 2, (off_t)(page * PAGE + 100)));
		} else if (cuts) {
			static const int modes[] = { FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE };

			if (round % 3 == 2) {
				DONE(ftruncate(file, (PAGES - 1) * PAGE + 3000));
				DONE(ftruncate(file, PAGES * PAGE));
			} else {
				DONE(fallocate(file, modes[round % 3], (off_t)((31 + round % 8 * 32) * PAGE + 3000), 900));
			}
		} else {
			store_elsewhere(second);
		}
	}
	stop = true;
	for (size_t thread = 0; thread < THREADS; thread++)
		CHECK(pthread_join(threads[thread], NULL) == 0, "pthread_join");
	return 0;
}

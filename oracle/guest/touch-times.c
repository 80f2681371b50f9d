/* SPDX-License-Identifier: Apache-2.0 */
/*
 * touch-times DEVICE PAGE-BYTES PAGES: how long the first store to each page of a mapping takes, and the second: what inserting a mapping
 * costs, by the kernel when it runs by itself, by softdax when it runs under it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static void touch(const char *what, volatile char *start, size_t page, long pages, long *times)
{
	for (long i = 0; i < pages; i++) {
		long begin = now();

		start[(size_t)i * page] = 1;
		times[i] = now() - begin;
	}
	qsort(times, (size_t)pages, sizeof *times, ascending);
	printf("%s touch: p50 %.1f us, p90 %.1f us, max %.1f us", what, times[pages / 2] / 1e3, times[pages * 9 / 10] / 1e3,
	       times[pages - 1] / 1e3);
}

int main(int count, char **arguments)
{
	size_t page = count == 4 ? strtoul(arguments[2], NULL, 0) : 0;
	long pages = count == 4 ? strtol(arguments[3], NULL, 0) : 0;
	int file = count == 4 ? open(arguments[1], O_RDWR) : -1;
	long *times = pages > 0 ? calloc((size_t)pages, sizeof *times) : NULL;
	char *start;

	if (file < 0 || !page || !times) {
		fprintf(stderr, "usage: touch-times DEVICE PAGE-BYTES PAGES\n");
		return 2;
	}
	start = mmap(NULL, page * (size_t)pages, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (start == MAP_FAILED) {
		perror(arguments[1]);
		return 1;
	}
	printf("%ld pages; ", pages);
	touch("first", start, page, pages, times);
	printf("; ");
	touch("second", start, page, pages, times);
	printf("\n");
	return 0;
}

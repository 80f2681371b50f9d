/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measuring side of `softdax bench poison`, and the shortest C that has the same effect.
 *
 * Why C: the baseline has to be what a C programmer would write, and both sides run the same machine code around the load that
 * is timed.  A child maps one page a number of times; this process breaks the page, the child touches it.  Times in ns of
 * CLOCK_MONOTONIC; >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_BENCH_POISON_H
#define SOFTDAX_BENCH_POISON_H

#include <stdint.h>

struct sd_bench_child;

#define SD_BENCH_TOUCH_ALL 1 /* every mapping; all must be good */
#define SD_BENCH_FAIL 2      /* the first mapping twice, then the last; all must fail */

struct sd_bench_touch {
	int32_t error; /* 0 or -errno: ENODATA a load succeeded, EIO one failed */
	uint32_t reserved;
	double first; /* before the load to the program's handler, for the touch that meets the error */
	double again; /* the same for the next, which finds the marker */
};

/* Starts a child with `mappings` of the first page of memfd, the C side; or with memfd -1 of `device`, under LD_PRELOAD=preload and
 * SOFTDAX_DIR=directory. */
int sd_bench_poison_start(struct sd_bench_child **result, uint32_t mappings, const char *program, int memfd,
			  const char *device, const char *preload, const char *directory);
/* The child's part; device "-" for the C side. */
int sd_bench_poison_workload(uint32_t mappings, const char *device);
struct sd_bench_touch sd_bench_poison_tell(struct sd_bench_child *child, char word);
void sd_bench_poison_end(struct sd_bench_child *child);

/* The C side: splice(2) the page away, FALLOC_FL_PUNCH_HOLE, write it back; UFFDIO_POISON follows in every mapping when one is touched.
 * lossy: without saving the bytes, the markers at once.  Returns ns, or -errno. */
double sd_bench_poison_inject(struct sd_bench_child *child, int lossy);
int sd_bench_poison_clear(struct sd_bench_child *child);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The measuring side of `softdax bench insert`, and the raw C userfaultfd loop that softdax is compared with.
 *
 * Why C: the baseline has to be what a C programmer would write, and both sides have to run the same machine code
 * around the access that is timed.
 *
 * The arrangement is the same for both: this process serves faults, a child touches pages.  For the baseline the child
 * maps a memfd, opens its userfaultfd and sends it here, where a thread answers with UFFDIO_CONTINUE.  For softdax the
 * child runs under the preload shim and maps a device.  >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_BENCH_H
#define SOFTDAX_BENCH_H

#include <stdint.h>

#define SD_BENCH_TOUCH 1u    /* first store to each page, each one timed */
#define SD_BENCH_POPULATE 2u /* mmap(MAP_POPULATE), timed as a whole */
#define SD_BENCH_ACCESS 3u   /* passes over pages that are there already, each pass timed */
#define SD_BENCH_LOAD 4u     /* as TOUCH, with a load */

struct sd_bench_pass {
	uint32_t work;
	uint32_t reserved;
	uint64_t pages;
	uint64_t page_size; /* bytes: 4096, 2M or 1G */
};

struct sd_bench_figures { /* times in ns, for one page */
	int32_t error;	  /* 0 or -errno; then nothing below counts */
	uint32_t samples; /* how many were timed */
	uint64_t present; /* pages in the child's page table at the end, from its /proc/self/pagemap */
	double minimum;
	double mean;
	double p50;
	double p90;
	double p99;
	double maximum;
};

/* A memfd of that size whose pages all exist and are mapped nowhere; huge_shift 0, 21 or 30. */
int sd_bench_memfd(uint64_t bytes, int huge_shift);

/* One pass in a child of this process, against `memfd`, with the C loop.  program: what implements the hidden command
 * that calls sd_bench_workload(). */
struct sd_bench_figures sd_bench_baseline(struct sd_bench_pass pass, const char *program, int memfd);
/* One pass in a child under LD_PRELOAD=preload and SOFTDAX_DIR=directory, against `device`. */
struct sd_bench_figures sd_bench_device(struct sd_bench_pass pass, const char *program, const char *device,
					const char *preload, const char *directory);
/* The child's part.  device: a path, or "-" for the memfd that it inherited. */
int sd_bench_workload(struct sd_bench_pass pass, const char *device);

/* The control: ns for one futex round trip between two threads on the calling thread's CPUs; < 0: -errno. */
double sd_bench_round_trip(void);

#endif

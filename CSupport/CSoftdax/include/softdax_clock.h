/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softdax_clock.h - time stamps for mapping-insert latencies, and the scale they are counted on.
 *
 * Why C: Swift has no way to read the time-stamp counter, and the programs that measure "touch" in C must
 * use the same clock and the same buckets as the server.  Self-contained with clock.c: a test program
 * compiles both without any Swift.
 *
 * Cost, measured on a KVM guest at 2.6 GHz: sd_ticks() 10 ns with the TSC, 22 ns through clock_gettime();
 * sd_ticks_ordered() 19 ns; sd_ticks_to_ns() and sd_bucket() 2 ns each.
 */
#ifndef SOFTDAX_CLOCK_H
#define SOFTDAX_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Set up by a constructor in clock.c before main(); read only from here on. */
struct sd_clock {
	uint64_t scale;   /* ns for each tick, 32.32 fixed point; 0: not yet measured */
	uint32_t counter; /* 1: ticks are TSC cycles; 0: ticks are ns of CLOCK_MONOTONIC */
	uint32_t reserved;
};
extern struct sd_clock sd_clock_state;

/* Measures the counter against CLOCK_MONOTONIC over the time since the program began, waiting until that is 10 ms;
 * a no-op the second time.  Any thread.  Call it once before the first measurement that must not wait. */
void sd_clock_calibrate(void);

/* 1 if ticks are TSC cycles, 0 if they are ns of CLOCK_MONOTONIC. */
static inline int sd_clock_reads_counter(void)
{
	return (int)sd_clock_state.counter;
}

/* Now, in ticks.  The processor may take the stamp some ns before an earlier load has finished: right between
 * system calls, which order it. */
static inline uint64_t sd_ticks(void)
{
#if defined(__x86_64__)
	if (__builtin_expect(sd_clock_state.counter, 1))
		return __builtin_ia32_rdtsc();
#endif
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Now, in ticks, and never before an earlier load has finished: for the end of a touch. */
static inline uint64_t sd_ticks_ordered(void)
{
#if defined(__x86_64__)
	__builtin_ia32_lfence();
#endif
	return sd_ticks();
}

/* A difference of ticks in ns. */
static inline uint64_t sd_ticks_to_ns(uint64_t ticks)
{
	uint64_t scale = __atomic_load_n(&sd_clock_state.scale, __ATOMIC_RELAXED);

	if (__builtin_expect(scale == 0, 0)) {
		sd_clock_calibrate();
		scale = __atomic_load_n(&sd_clock_state.scale, __ATOMIC_RELAXED);
	}
	return (uint64_t)(((unsigned __int128)ticks * scale) >> 32);
}

/*
 * Buckets: HdrHistogram's layout for two significant digits.  Values below 256 ns have a bucket each; above,
 * every power of two is divided into 128, so a bucket is never wider than 1/128 (0.8 %) of its values.
 * 2^40 ns (18 minutes) and more fall into the last bucket.
 */
#define SD_BUCKET_LIMIT (UINT64_C(1) << 40)
#define SD_BUCKETS 4352u

static inline uint32_t sd_bucket(uint64_t ns)
{
	if (ns < 256)
		return (uint32_t)ns;
	if (ns >= SD_BUCKET_LIMIT)
		return SD_BUCKETS - 1;

	uint32_t halvings = 56 - (uint32_t)__builtin_clzll(ns);

	return halvings * 128 + (uint32_t)(ns >> halvings);
}

/* The smallest value of a bucket, in ns; SD_BUCKET_LIMIT for SD_BUCKETS and above, so that the largest value of bucket
 * b is always sd_bucket_lowest(b + 1) - 1. */
static inline uint64_t sd_bucket_lowest(uint32_t bucket)
{
	if (bucket < 256)
		return bucket;
	if (bucket >= SD_BUCKETS)
		return SD_BUCKET_LIMIT;

	uint32_t halvings = bucket / 128 - 1;

	return (uint64_t)(bucket - halvings * 128) << halvings;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which clock sd_ticks() reads, and how long its ticks are. */
#include "softdax_clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define BASELINE_NS 10000000u /* 10 ms: a stamp's error of 50 ns is 5 parts in a million of it */

struct sd_clock sd_clock_state;

static struct stamp {
	uint64_t ticks;
	uint64_t ns;
} first;

#if defined(__x86_64__)
/* The kernel leaves the TSC for one of these when it found the TSCs of the CPUs to disagree. */
static int kernel_distrusts_tsc(void)
{
	static const char *const others[] = { "hpet", "acpi_pm", "refined-jiffies", "jiffies" };
	char name[32] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t length = read(fd, name, sizeof(name) - 1);
	close(fd);
	if (length <= 0)
		return 0;
	name[strcspn(name, "\n")] = '\0';
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(name, others[i]))
			return 1;
	return 0;
}

static int tsc_is_invariant(void)
{
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & (1u << 8)) && !kernel_distrusts_tsc();
}
#else
static int tsc_is_invariant(void)
{
	return 0;
}
#endif

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Both clocks at one moment: the tightest of a few tries, so that a preemption in between does not count. */
static struct stamp stamp(void)
{
	struct stamp best = { 0, 0 };
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t before = sd_ticks();
		uint64_t ns = monotonic_ns();
		uint64_t width = sd_ticks() - before;

		if (width < narrowest) {
			narrowest = width;
			best = (struct stamp){ before + width / 2, ns };
		}
	}
	return best;
}

__attribute__((constructor(101))) static void begin(void)
{
	int invariant = tsc_is_invariant();

	sd_clock_state.counter = (uint32_t)invariant;
	if (!invariant)
		sd_clock_state.scale = UINT64_C(1) << 32;
	else
		first = stamp();
}

void sd_clock_calibrate(void)
{
	struct stamp last;

	if (__atomic_load_n(&sd_clock_state.scale, __ATOMIC_RELAXED) != 0)
		return;
	while ((last = stamp()).ns - first.ns < BASELINE_NS) {
		struct timespec rest = { 0, (long)(BASELINE_NS - (last.ns - first.ns)) };
		nanosleep(&rest, NULL);
	}

	uint64_t scale = (uint64_t)(((unsigned __int128)(last.ns - first.ns) << 32) / (last.ticks - first.ticks));
	uint64_t unset = 0;

	/* Two threads may measure at once: the first to finish decides, so that ticks have one length for ever. */
	__atomic_compare_exchange_n(&sd_clock_state.scale, &unset, scale, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

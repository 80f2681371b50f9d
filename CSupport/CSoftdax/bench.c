/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "bench_common.h"

#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif

#define ACCESS_PASSES 15u

/* ------------------------------------------------------------------ clock */

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
	unsigned int processor;
	_mm_lfence();
	uint64_t value = __rdtscp(&processor);
	_mm_lfence();
	return value;
#elif defined(__aarch64__)
	uint64_t value;
	__asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(value) : : "memory");
	return value;
#else
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

static double ns_per_tick(void)
{
	double began = sd_bench_now();
	uint64_t first = ticks();
	while (sd_bench_now() - began < 20e6)
		;
	uint64_t last = ticks();
	return (sd_bench_now() - began) / (double)(last - first);
}

/* ------------------------------------------------------------------ what is timed, the same for both sides */

__attribute__((noinline)) static void touch(volatile unsigned char *base, uint64_t pages, uint64_t stride,
					    uint64_t *spent)
{
	for (uint64_t page = 0; page < pages; page++) {
		uint64_t before = ticks();
		base[page * stride] = (unsigned char)page;
		spent[page] = ticks() - before;
	}
}

__attribute__((noinline)) static void touch_load(volatile unsigned char *base, uint64_t pages, uint64_t stride,
						 uint64_t *spent)
{
	for (uint64_t page = 0; page < pages; page++) {
		uint64_t before = ticks();
		(void)base[page * stride];
		spent[page] = ticks() - before;
	}
}

/* One read and one write in each page, at an offset that moves so that no cache set is favoured. */
__attribute__((noinline)) static void sweep(volatile unsigned char *base, uint64_t pages, uint64_t stride)
{
	for (uint64_t page = 0; page < pages; page++) {
		volatile uint64_t *word = (volatile uint64_t *)(base + page * stride + (page * 72 & 4088));
		*word = *word + 1;
	}
}

static int by_size(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

static void summarize(struct sd_bench_figures *figures, uint64_t *spent, uint64_t count, double scale)
{
	double sum = 0;
	qsort(spent, count, sizeof *spent, by_size);
	for (uint64_t i = 0; i < count; i++)
		sum += (double)spent[i];
	figures->samples = (uint32_t)count;
	figures->minimum = (double)spent[0] * scale;
	figures->mean = sum / (double)count * scale;
	figures->p50 = (double)spent[(count - 1) * 50 / 100] * scale;
	figures->p90 = (double)spent[(count - 1) * 90 / 100] * scale;
	figures->p99 = (double)spent[(count - 1) * 99 / 100] * scale;
	figures->maximum = (double)spent[count - 1] * scale;
}

static uint64_t count_present(const unsigned char *base, uint64_t pages, uint64_t stride)
{
	uint64_t present = 0, word;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	for (uint64_t page = 0; page < pages; page++) {
		off_t where = (off_t)(((uintptr_t)base + page * stride) / 4096 * sizeof word);
		if (pread(fd, &word, sizeof word, where) == sizeof word && word >> 63)
			present++;
	}
	close(fd);
	return present;
}

/* ------------------------------------------------------------------ the child */

/* Puts [base, base + length) under the parent's handler thread and waits until it says go. */
static int hand_over(void *base, uint64_t length)
{
	int fd = sd_bench_open_userfaultfd();
	if (fd < 0)
		return fd;
	struct uffdio_api api = {.api = UFFD_API,
				 .features = UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_MINOR_HUGETLBFS};
	struct uffdio_register range = {.range = {.start = (uintptr_t)base, .len = length},
					.mode = UFFDIO_REGISTER_MODE_MINOR};
	char go;
	int result = 0;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		result = -errno;
	if (!result)
		result = sd_bench_send_descriptor(CHILD_SOCKET, fd);
	if (!result && recv(CHILD_SOCKET, &go, sizeof go, 0) != sizeof go)
		result = -EPIPE;
	close(fd);
	return result;
}

static int measure(struct sd_bench_pass pass, int fd, int baseline, struct sd_bench_figures *figures)
{
	uint64_t length = pass.pages * pass.page_size;
	int touches = pass.work == SD_BENCH_TOUCH || pass.work == SD_BENCH_LOAD;
	uint64_t count = touches ? pass.pages : pass.work == SD_BENCH_ACCESS ? ACCESS_PASSES : 1;
	uint64_t *spent = calloc(pass.pages + ACCESS_PASSES, sizeof *spent);
	if (!spent)
		return -ENOMEM;
	memset(spent, 1, (pass.pages + ACCESS_PASSES) * sizeof *spent); /* no faults of its own later */
	double scale = ns_per_tick();

	int flags = MAP_SHARED | (pass.work == SD_BENCH_POPULATE ? MAP_POPULATE : 0);
	/* A process's first mapping starts its agent: that is no cost of a page. */
	void *first = pass.work == SD_BENCH_POPULATE ? mmap(NULL, pass.page_size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (first != MAP_FAILED)
		munmap(first, pass.page_size);

	uint64_t before = ticks();
	unsigned char *base = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, 0);
	spent[0] = ticks() - before;
	if (base == MAP_FAILED)
		return -errno;
	/* A file's blocks may happen to make 2 MiB. */
	if (pass.work == SD_BENCH_LOAD || (pass.work == SD_BENCH_TOUCH && pass.page_size == 4096))
		madvise(base, length, MADV_NOHUGEPAGE);

	switch (pass.work) {
	case SD_BENCH_POPULATE:
		scale /= (double)pass.pages;
		break;
	case SD_BENCH_TOUCH:
	case SD_BENCH_LOAD:
		if (baseline) {
			int result = hand_over(base, length);
			if (result < 0)
				return result;
		}
		(pass.work == SD_BENCH_LOAD ? touch_load : touch)(base, pass.pages, pass.page_size, spent);
		break;
	case SD_BENCH_ACCESS:
		touch(base, pass.pages, pass.page_size, spent);
		for (uint64_t i = 0; i < ACCESS_PASSES; i++) {
			before = ticks();
			sweep(base, pass.pages, pass.page_size);
			spent[i] = ticks() - before;
		}
		scale /= (double)pass.pages;
		break;
	default:
		return -EINVAL;
	}
	summarize(figures, spent, count, scale);
	figures->present = count_present(base, pass.pages, pass.page_size);
	munmap(base, length);
	free(spent);
	return 0;
}

int sd_bench_workload(struct sd_bench_pass pass, const char *device)
{
	struct sd_bench_figures figures = {0};
	int baseline = strcmp(device, "-") == 0;
	int fd = baseline ? CHILD_MEMFD : open(device, O_RDWR | O_CLOEXEC);
	if (pass.pages == 0 || pass.pages > UINT64_MAX / 2 / pass.page_size)
		figures.error = -EINVAL;
	else if (fd < 0)
		figures.error = -errno;
	else
		figures.error = measure(pass, fd, baseline, &figures);
	return send(CHILD_SOCKET, &figures, sizeof figures, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* ------------------------------------------------------------------ the parent */

struct handler {
	int fd;
	int error;
	uint64_t page_size;
};

/* The raw loop: read an event, install the page. */
static void *handle_faults(void *argument)
{
	struct handler *handler = argument;
	for (;;) {
		struct uffd_msg event;
		ssize_t got = read(handler->fd, &event, sizeof event);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got != sizeof event) {
			handler->error = got < 0 ? -errno : -EIO;
			return NULL;
		}
		if (event.event != UFFD_EVENT_PAGEFAULT)
			continue;
		struct uffdio_continue page = {
			.range = {.start = event.arg.pagefault.address & ~(handler->page_size - 1),
				  .len = handler->page_size}};
		if (ioctl(handler->fd, UFFDIO_CONTINUE, &page) && errno != EEXIST) {
			handler->error = -errno;
			return NULL;
		}
	}
}

static int start_child(struct sd_bench_pass pass, const char *program, const char *device, int memfd,
		       char **environment, pid_t *child)
{
	char work[16], pages[24], page_size[24];
	snprintf(work, sizeof work, "%u", pass.work);
	snprintf(pages, sizeof pages, "%llu", (unsigned long long)pass.pages);
	snprintf(page_size, sizeof page_size, "%llu", (unsigned long long)pass.page_size);
	char *const arguments[] = {(char *)program, "bench-workload", work, pages, page_size, (char *)device, NULL};

	return sd_bench_spawn(program, arguments, memfd, environment, child);
}

/* The child's answer, its end, and whichever of the two says more. */
static void collect(int socket, pid_t child, struct sd_bench_figures *figures)
{
	int status;
	ssize_t got = figures->error ? 0 : recv(socket, figures, sizeof *figures, 0);
	if (!figures->error && got != sizeof *figures)
		figures->error = got < 0 ? (errno == EAGAIN ? -ETIMEDOUT : -errno) : -ECHILD;
	if (figures->error)
		kill(child, SIGKILL);
	close(socket);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
}

struct sd_bench_figures sd_bench_baseline(struct sd_bench_pass pass, const char *program, int memfd)
{
	struct sd_bench_figures figures = {0};
	struct handler handler = {.fd = -1, .page_size = pass.page_size};
	pthread_t thread;
	pid_t child;
	size_t count;
	char **environment = sd_bench_environment(&count);
	int socket = environment ? start_child(pass, program, "-", memfd, environment, &child) : -ENOMEM;
	free(environment);
	if (socket < 0) {
		figures.error = socket;
		return figures;
	}
	int touches = pass.work == SD_BENCH_TOUCH || pass.work == SD_BENCH_LOAD;
	if (touches) {
		handler.fd = sd_bench_receive_descriptor(socket);
		if (handler.fd < 0)
			figures.error = handler.fd;
		else if ((figures.error = -pthread_create(&thread, NULL, handle_faults, &handler)))
			close(handler.fd);
		if (!figures.error)
			send(socket, "", 1, MSG_NOSIGNAL);
	}
	int handling = touches && !figures.error;
	collect(socket, child, &figures);
	if (handling) {
		pthread_cancel(thread); /* it sits in read(), a cancellation point */
		pthread_join(thread, NULL);
		close(handler.fd);
		if (handler.error)
			figures.error = handler.error;
	}
	return figures;
}

struct sd_bench_figures sd_bench_device(struct sd_bench_pass pass, const char *program, const char *device,
					const char *preload, const char *directory)
{
	struct sd_bench_figures figures = {0};
	char *preload_entry = NULL, *directory_entry = NULL;
	pid_t child;
	size_t count;
	int socket = -ENOMEM;
	char **environment = sd_bench_environment(&count);
	if (environment && asprintf(&preload_entry, "LD_PRELOAD=%s", preload) >= 0 &&
	    asprintf(&directory_entry, "SOFTDAX_DIR=%s", directory) >= 0) {
		environment[count++] = preload_entry;
		environment[count++] = directory_entry;
		socket = start_child(pass, program, device, -1, environment, &child);
	}
	free(preload_entry);
	free(directory_entry);
	free(environment);
	if (socket < 0)
		figures.error = socket;
	else
		collect(socket, child, &figures);
	return figures;
}

int sd_bench_memfd(uint64_t bytes, int huge_shift)
{
	unsigned int flags = MFD_CLOEXEC;
	if (huge_shift)
		flags |= MFD_HUGETLB | ((unsigned int)huge_shift << MFD_HUGE_SHIFT);
	int fd = memfd_create("softdax-bench", flags);
	if (fd < 0)
		return -errno;
	/* fallocate and not writes: a hugetlb file cannot be written, and nothing is mapped on the way */
	if (ftruncate(fd, (off_t)bytes) || fallocate(fd, 0, 0, (off_t)bytes)) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_poison.c - the measuring side of `softdax bench poison`, and the shortest C that has the same effect.
 */
#include "softdax_bench_poison.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_common.h"
#include "softdax_uffd.h"

#define PAGE 4096u

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* ------------------------------------------------------------------ the child */

static sigjmp_buf back;
static volatile double handled_at;

static void on_error(int number, siginfo_t *info, void *context)
{
	handled_at = now_ns();
	(void)number;
	(void)info;
	(void)context;
	siglongjmp(back, 1);
}

/* From before the load to the handler's first line; < 0: the load succeeded. */
static double time_failure(volatile unsigned char *byte)
{
	volatile double before;

	if (sigsetjmp(back, 1))
		return handled_at - before;
	before = now_ns();
	(void)*byte;
	return -1;
}

static int map_all(unsigned char **base, uint32_t mappings, int fd, int baseline)
{
	*base = mmap(NULL, (size_t)mappings * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*base == MAP_FAILED)
		return -errno;
	for (uint32_t i = 0; i < mappings; i++)
		if (mmap(*base + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			return -errno;
	if (!baseline)
		return 0;

	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM};
	struct uffdio_register range = {.range = {.start = (uintptr_t)*base, .len = (uint64_t)mappings * PAGE},
					.mode = UFFDIO_REGISTER_MODE_MINOR};
	int uffd = sd_bench_open_userfaultfd();
	if (uffd < 0)
		return uffd;
	int result = ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &range) ? -errno : 0;
	if (!result)
		result = sd_bench_send_descriptor(CHILD_SOCKET, uffd);
	uint64_t where = (uintptr_t)*base;
	if (!result && send(CHILD_SOCKET, &where, sizeof where, MSG_NOSIGNAL) < 0)
		result = -errno;
	close(uffd);
	return result;
}

int sd_bench_poison_workload(uint32_t mappings, const char *device)
{
	struct sigaction action = {.sa_sigaction = on_error, .sa_flags = SA_SIGINFO};
	int baseline = strcmp(device, "-") == 0;
	int fd = baseline ? CHILD_MEMFD : open(device, O_RDWR | O_CLOEXEC);
	struct sd_bench_touch result = {0};
	unsigned char *base = NULL;
	char word;

	if (mappings == 0 || mappings > 4096)
		result.error = -EINVAL;
	else if (fd < 0 || sigaction(SIGBUS, &action, NULL))
		result.error = -errno;
	else
		result.error = map_all(&base, mappings, fd, baseline);
	while (recv(CHILD_SOCKET, &word, 1, 0) == 1) {
		if (result.error == 0 && word == SD_BENCH_FAIL) {
			result.first = time_failure(base);
			result.again = time_failure(base);
			if (result.first < 0 || result.again < 0 || time_failure(base + (mappings - 1) * (size_t)PAGE) < 0)
				result.error = -ENODATA;
		}
		for (uint32_t i = 0; result.error == 0 && word == SD_BENCH_TOUCH_ALL && i < mappings; i++)
			if (time_failure(base + i * (size_t)PAGE) >= 0)
				result.error = -EIO;
		if (send(CHILD_SOCKET, &result, sizeof result, MSG_NOSIGNAL) < 0)
			return -errno;
	}
	return 0;
}

/* ------------------------------------------------------------------ the parent */

struct sd_bench_child {
	pid_t process;
	int socket;
	/* the C side's */
	int uffd;
	int memfd;
	int pipe[2];
	uint32_t mappings;
	uint64_t base;
	int bad;
	pthread_t thread;
};

static void mark(int uffd, uint64_t page)
{
	sd_uffd_poison(uffd, page, PAGE);
}

static void *answer(void *argument)
{
	struct sd_bench_child *child = argument;
	for (;;) {
		struct uffd_msg event;
		ssize_t got = read(child->uffd, &event, sizeof event);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got != sizeof event)
			return NULL;
		uint64_t page = event.arg.pagefault.address & ~(uint64_t)(PAGE - 1);
		if (__atomic_load_n(&child->bad, __ATOMIC_ACQUIRE)) {
			for (uint32_t i = 0; i < child->mappings; i++)
				if (child->base + i * (uint64_t)PAGE != page)
					mark(child->uffd, child->base + i * (uint64_t)PAGE);
			mark(child->uffd, page);
		} else {
			struct uffdio_continue put = {.range = {.start = page, .len = PAGE}};
			if (ioctl(child->uffd, UFFDIO_CONTINUE, &put) && errno == EEXIST)
				sd_uffd_wake(child->uffd, page, PAGE);
		}
	}
}

static int begin_baseline(struct sd_bench_child *child)
{
	child->uffd = sd_bench_receive_descriptor(child->socket);
	if (child->uffd < 0)
		return child->uffd;
	if (recv(child->socket, &child->base, sizeof child->base, 0) != sizeof child->base)
		return -ECHILD;
	if (pipe2(child->pipe, O_CLOEXEC))
		return -errno;
	return -pthread_create(&child->thread, NULL, answer, child);
}

int sd_bench_poison_start(struct sd_bench_child **result, uint32_t mappings, const char *program, int memfd,
			  const char *device, const char *preload, const char *directory)
{
	struct sd_bench_child *child = calloc(1, sizeof *child);
	char number[16], *preload_entry = NULL, *directory_entry = NULL;
	size_t count;
	char **environment = sd_bench_environment(&count);
	if (!child || !environment)
		return -ENOMEM;
	snprintf(number, sizeof number, "%u", mappings);
	char *const arguments[] = {(char *)program, "bench-poison-workload", number, (char *)(memfd < 0 ? device : "-"), NULL};
	if (memfd < 0 && asprintf(&preload_entry, "LD_PRELOAD=%s", preload) >= 0 &&
	    asprintf(&directory_entry, "SOFTDAX_DIR=%s", directory) >= 0) {
		environment[count++] = preload_entry;
		environment[count++] = directory_entry;
	}
	*child = (struct sd_bench_child){.uffd = -1, .memfd = memfd, .pipe = {-1, -1}, .mappings = mappings};
	child->socket = sd_bench_spawn(program, arguments, memfd, environment, &child->process);
	free(preload_entry);
	free(directory_entry);
	free(environment);
	int error = child->socket < 0 ? child->socket : memfd >= 0 ? begin_baseline(child) : 0;
	if (error && child->socket >= 0)
		sd_bench_poison_end(child);
	else if (error)
		free(child);
	*result = error ? NULL : child;
	return error;
}

struct sd_bench_touch sd_bench_poison_tell(struct sd_bench_child *child, char word)
{
	struct sd_bench_touch result = {0};
	if (send(child->socket, &word, 1, MSG_NOSIGNAL) < 0)
		result.error = -errno;
	else if (recv(child->socket, &result, sizeof result, 0) != sizeof result)
		result.error = -ECHILD;
	return result;
}

double sd_bench_poison_inject(struct sd_bench_child *child, int lossy)
{
	static char space[PAGE];
	off_t from = 0;
	double before = now_ns();

	__atomic_store_n(&child->bad, 1, __ATOMIC_RELEASE);
	if (!lossy && splice(child->memfd, &from, child->pipe[1], NULL, PAGE, SPLICE_F_NONBLOCK) != PAGE)
		return -errno;
	if (fallocate(child->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE))
		return -errno;
	if (!lossy && (read(child->pipe[0], space, PAGE) != PAGE || pwrite(child->memfd, space, PAGE, 0) != PAGE))
		return -errno;
	/* A hole makes no event: whoever touches it before the marker is there gets zeroes. */
	for (uint32_t i = 0; lossy && i < child->mappings; i++)
		mark(child->uffd, child->base + i * (uint64_t)PAGE);
	return now_ns() - before;
}

int sd_bench_poison_clear(struct sd_bench_child *child)
{
	static const char zeroes[PAGE];
	if (pwrite(child->memfd, zeroes, PAGE, 0) != PAGE)
		return -errno;
	__atomic_store_n(&child->bad, 0, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < child->mappings; i++) {
		struct uffdio_continue put = {.range = {.start = child->base + i * (uint64_t)PAGE, .len = PAGE}};
		if (ioctl(child->uffd, UFFDIO_CONTINUE, &put))
			return -errno;
	}
	return 0;
}

void sd_bench_poison_end(struct sd_bench_child *child)
{
	int status;

	close(child->socket);
	while (waitpid(child->process, &status, 0) < 0 && errno == EINTR)
		;
	if (child->thread) {
		pthread_cancel(child->thread);
		pthread_join(child->thread, NULL);
	}
	if (child->uffd >= 0)
		close(child->uffd);
	for (int i = 0; i < 2; i++)
		if (child->pipe[i] >= 0)
			close(child->pipe[i]);
	free(child);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_failure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open /* 5.3 */
#define SYS_pidfd_open 434
#endif

/* ------------------------------------------------------------------ pages */

int sd_page_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	fcntl(ends[1], F_SETPIPE_SZ, 1 << 20); /* an ordinary user's limit; less will do */
	int bytes = fcntl(ends[1], F_GETPIPE_SZ);
	if (bytes >= 4096)
		return bytes;
	close(ends[0]);
	close(ends[1]);
	return -EMFILE;
}

static int put_back(int file, const char *bytes, uint64_t length, uint64_t offset)
{
	for (int attempt = 0; length > 0;) {
		ssize_t count = pwrite(file, bytes, length, (off_t)offset);
		if (count > 0) {
			bytes += count;
			offset += (uint64_t)count;
			length -= (uint64_t)count;
		} else if (errno != EINTR) {
			/* Somebody has taken the memory that was free for a moment. */
			if (attempt++ == 100)
				return -errno;
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
	}
	return 0;
}

/* One run of pages that the pipe can hold; how many bytes it was. */
static int64_t unmap_run(int file, uint64_t offset, uint64_t length, const int ends[2], char *space)
{
	uint64_t held = 0;
	int error = 0;

	while (held < length && error == 0) {
		off_t from = (off_t)(offset + held);
		ssize_t count = splice(file, &from, ends[1], NULL, length - held, SPLICE_F_NONBLOCK);
		if (count > 0)
			held += (uint64_t)count;
		else if (count == 0 || errno == EAGAIN)
			break;
		else if (errno != EINTR)
			error = -errno;
	}
	/* The pipe has the pages themselves; whole ones only can be taken out. */
	uint64_t whole = held & ~4095ull;
	if (whole > 0 && fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)whole) != 0) {
		error = -errno;
		whole = 0;
	}
	for (uint64_t done = 0; done < held;) {
		ssize_t count = read(ends[0], space + done, held - done);
		if (count > 0)
			done += (uint64_t)count;
		else if (count == 0 || errno != EINTR)
			return count == 0 ? -EIO : -errno;
	}
	if (whole > 0) {
		int result = put_back(file, space, whole, offset);
		return result < 0 ? result : (int64_t)whole;
	}
	return error < 0 ? error : -EIO;
}

int sd_unmap_pages(int file, uint64_t offset, uint64_t length, const int ends[2], void *space, uint64_t capacity)
{
	const uint64_t end = offset + length;

	while (offset < end) {
		/* A page that is mapped is there. */
		off_t data = lseek(file, (off_t)offset, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		uint64_t start = (uint64_t)data & ~4095ull;
		if (start >= end)
			return 0;
		uint64_t stop = end;
		if (end - start > 4096) {
			off_t hole = lseek(file, (off_t)start, SEEK_HOLE);
			if (hole >= 0 && (uint64_t)hole < end)
				stop = (uint64_t)hole;
		}
		if (stop - start > capacity)
			stop = start + capacity;
		int64_t done = unmap_run(file, start, stop - start, ends, space);
		if (done < 0)
			return (int)done;
		offset = start + (uint64_t)done;
	}
	return 0;
}

int sd_write_zeroes(int file, uint64_t offset, uint64_t length)
{
	static const char zeroes[4096];

	while (length > 0) {
		uint64_t step = length < sizeof zeroes ? length : sizeof zeroes;
		off_t data = lseek(file, (off_t)offset, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		if ((uint64_t)data >= offset + length)
			return 0;
		int result = put_back(file, zeroes, step, offset);
		if (result < 0)
			return result;
		offset += step;
		length -= step;
	}
	return 0;
}

/* ------------------------------------------------------------------ signals */

int sd_queue_bus_error(int process, int thread, int32_t nonce, int code, int shift, uint64_t address)
{
	siginfo_t info;

	memset(&info, 0, sizeof info);
	info.si_signo = SIGBUS;
	info.si_code = SI_QUEUE;
	info.si_pid = nonce;
	info.si_uid = (uid_t)(code << 8 | shift);
	info.si_value.sival_ptr = (void *)(uintptr_t)address;
	return syscall(SYS_rt_tgsigqueueinfo, process, thread, SIGBUS, &info) == 0 ? 0 : -errno;
}

int sd_kill(int process, int number)
{
	return kill(process, number) == 0 ? 0 : -errno;
}

/* ------------------------------------------------------------------ memory */

void *sd_memory_map(int file, uint64_t length, int *error)
{
	void *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	*error = start == MAP_FAILED ? -errno : 0;
	return start == MAP_FAILED ? NULL : start;
}

void *sd_memory_share(const char *path, uint32_t mode, uint64_t length, int *error)
{
	int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
	void *start = NULL;

	*error = file < 0 || ftruncate(file, (off_t)length) != 0 ? -errno : 0;
	if (*error == 0)
		start = sd_memory_map(file, length, error);
	if (file >= 0)
		close(file);
	return start;
}

/* ------------------------------------------------------------------ processes */

struct sd_pidfd_info { /* struct pidfd_info, 6.13; exit_code 6.15 */
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#ifndef PIDFD_GET_INFO
#define PIDFD_GET_INFO _IOWR(0xFF, 11, struct sd_pidfd_info)
#endif
#ifndef PIDFD_INFO_EXIT
#define PIDFD_INFO_EXIT (1ul << 3)
#endif

int sd_process_open(int process)
{
	int fd = (int)syscall(SYS_pidfd_open, process, 0);

	return fd >= 0 ? fd : -errno;
}

int sd_process_status(int process_fd, int *status)
{
	struct sd_pidfd_info info = { .mask = PIDFD_INFO_EXIT };

	if (ioctl(process_fd, _IOWR(0xFF, 11, struct sd_pidfd_info), &info) != 0)
		return errno == ENOTTY || errno == EINVAL || errno == ESRCH ? -ENOTSUP : -errno;
	if (!(info.mask & PIDFD_INFO_EXIT))
		return -EAGAIN;
	*status = info.exit_code;
	return 0;
}

int sd_process_wait(int process_fd, int milliseconds)
{
	struct pollfd ready = { .fd = process_fd, .events = POLLIN };
	int result = poll(&ready, 1, milliseconds);

	return result < 0 ? -errno : result;
}

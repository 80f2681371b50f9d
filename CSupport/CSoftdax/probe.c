/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif

extern char **environ;

static int open_by(int way)
{
	int fd;
	if (way == SD_PROBE_DEVICE) {
		int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
		if (device < 0)
			return -errno;
		fd = ioctl(device, _IO(UFFDIO, 0x00) /* USERFAULTFD_IOC_NEW, Linux 6.1 */, O_CLOEXEC);
		int error = errno;
		close(device);
		errno = error;
	} else {
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | (way == SD_PROBE_USER_MODE ? 1 : 0));
	}
	return fd < 0 ? -errno : fd;
}

static int open_any(void)
{
	int fd = open_by(SD_PROBE_SYSTEM_CALL);
	if (fd < 0)
		fd = open_by(SD_PROBE_DEVICE);
	return fd < 0 ? open_by(SD_PROBE_USER_MODE) : fd;
}

struct sd_probe_userfaultfd sd_probe_userfaultfd(int way)
{
	struct sd_probe_userfaultfd result = {0};
	struct uffdio_api api = {.api = UFFD_API};
	int fd = open_by(way);
	if (fd < 0) {
		result.error = fd;
		return result;
	}
	if (ioctl(fd, UFFDIO_API, &api))
		result.error = -errno;
	else
		result.features = api.features;
	close(fd);
	return result;
}

static int memfd(int huge_shift, uint64_t bytes)
{
	unsigned int flags = MFD_CLOEXEC;
	if (huge_shift)
		flags |= MFD_HUGETLB | ((unsigned int)huge_shift << MFD_HUGE_SHIFT);
	int fd = memfd_create("softdax-check", flags);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) || fallocate(fd, 0, 0, (off_t)bytes)) {
		/* hugetlbfs says ENOSPC when no page is free */
		int error = errno == ENOSPC ? -ENOMEM : -errno;
		close(fd);
		return error;
	}
	return fd;
}

int sd_probe_memfd(int huge_shift)
{
	int fd = memfd(huge_shift, huge_shift ? 1ull << huge_shift : 4096);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

int sd_probe_insertion(int huge_shift)
{
	uint64_t length = huge_shift ? 1ull << huge_shift : 4096;
	int result = 0;
	int file = memfd(huge_shift, length);
	if (file < 0)
		return file;
	int fd = open_any();
	volatile char *page = MAP_FAILED;
	if (fd < 0)
		result = fd;
	struct uffdio_api api = {.api = UFFD_API,
				 .features = huge_shift ? UFFD_FEATURE_MINOR_HUGETLBFS : UFFD_FEATURE_MINOR_SHMEM};
	if (!result && ioctl(fd, UFFDIO_API, &api))
		result = -errno;
	if (!result) {
		page = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		if (page == MAP_FAILED)
			result = -errno;
	}
	if (!result) {
		struct uffdio_register range = {.range = {.start = (uintptr_t)page, .len = length},
						.mode = UFFDIO_REGISTER_MODE_MINOR};
		struct uffdio_continue install = {.range = range.range};
		if (ioctl(fd, UFFDIO_REGISTER, &range) || ioctl(fd, UFFDIO_CONTINUE, &install))
			result = -errno;
		else
			(void)*page; /* there already: nobody serves this descriptor */
	}
	if (page != MAP_FAILED)
		munmap((void *)page, length);
	if (fd >= 0)
		close(fd);
	close(file);
	return result;
}

int sd_probe_memory_failure(void)
{
	/* EINVAL: no such advice in this kernel.  EPERM: there is, for root. */
	return madvise(NULL, 0, MADV_HWPOISON) == 0 || errno == EPERM;
}

/* Whether some line that `command` prints under LD_PRELOAD=library ends in the library's name. */
static int is_mapped_in(const char *const command[], const char *library)
{
	int ends[2], status, error, found = 0;
	pid_t child;
	char *entry, line[4352];
	if (asprintf(&entry, "LD_PRELOAD=%s", library) < 0)
		return -ENOMEM;
	char *environment[] = {entry, "PATH=/usr/bin:/bin", NULL};
	if (pipe2(ends, O_CLOEXEC)) {
		free(entry);
		return -errno;
	}
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	error = posix_spawnp(&child, command[0], &actions, NULL, (char *const *)command, environment);
	posix_spawn_file_actions_destroy(&actions);
	free(entry);
	close(ends[1]);
	FILE *output = fdopen(ends[0], "r");
	if (!output)
		close(ends[0]);
	size_t wanted = strlen(library);
	while (output && fgets(line, sizeof line, output)) {
		line[strcspn(line, "\n")] = 0;
		size_t length = strlen(line);
		found |= length >= wanted && strcmp(line + length - wanted, library) == 0;
	}
	if (output)
		fclose(output);
	if (error)
		return -error;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return found;
}

int sd_probe_preload(const char *library, const char *program)
{
	const char *const executed[] = {program, "check", "--maps", NULL};
	/* The shell may be a static program, which hands LD_PRELOAD on. */
	const char *const forked[] = {"sh", "-c", "\"$0\" check --maps; :", program, NULL};
	char resolved[4096];
	if (!realpath(library, resolved)) /* maps names the file behind symbolic links */
		return -errno;
	int result = is_mapped_in(executed, resolved);
	return result == 1 ? is_mapped_in(forked, resolved) : result;
}

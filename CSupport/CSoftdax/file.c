/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef HUGETLBFS_MAGIC
#define HUGETLBFS_MAGIC 0x958458f6
#endif

int sd_memfd(const char *name, int huge_shift)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	if (huge_shift)
		flags |= MFD_HUGETLB | ((unsigned)huge_shift << MFD_HUGE_SHIFT);
	int fd = memfd_create(name, flags);
	return fd >= 0 ? fd : -errno;
}

int sd_seal_size(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0 ? 0 : -errno;
}

int sd_open(const char *path, int flags, uint32_t mode)
{
	int fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
	return fd >= 0 ? fd : -errno;
}

int sd_truncate(int fd, uint64_t size)
{
	return ftruncate(fd, (off_t)size) == 0 ? 0 : -errno;
}

int sd_allocate(int fd, uint64_t offset, uint64_t length)
{
	int result;
	do
		result = fallocate(fd, 0, (off_t)offset, (off_t)length);
	while (result != 0 && errno == EINTR);
	return result == 0 ? 0 : -errno;
}

int sd_lock_exclusive(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

int sd_set_nonblocking(int fd, int on)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) == 0 ? 0 : -errno;
}

int sd_file_facts(int fd, struct sd_file_facts *facts)
{
	struct stat status;
	struct statfs filesystem;
	if (fstat(fd, &status) != 0 || fstatfs(fd, &filesystem) != 0)
		return -errno;
	facts->size = (uint64_t)status.st_size;
	facts->allocated = (uint64_t)status.st_blocks * 512;
	facts->device = status.st_dev;
	facts->inode = status.st_ino;
	facts->available = (uint64_t)filesystem.f_bavail * (uint64_t)filesystem.f_bsize;
	facts->mode = status.st_mode;
	facts->on_shmem = filesystem.f_type == TMPFS_MAGIC	       ? 1
			  : (uint32_t)filesystem.f_type == HUGETLBFS_MAGIC ? 2
									   : 0;
	facts->page_size = facts->on_shmem == 2 ? (uint64_t)filesystem.f_bsize : 4096;
	return 0;
}

int sd_has_capabilities(const char *path)
{
	return getxattr(path, "security.capability", NULL, 0) > 0;
}

void *sd_memory_reserve(uint64_t length)
{
	void *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return start == MAP_FAILED ? NULL : start;
}

void sd_memory_release(void *start, uint64_t length)
{
	munmap(start, length);
}

uint64_t sd_memory_resident(void *start, uint64_t length)
{
	uint64_t resident = 0;
	unsigned char present[512];
	for (uint64_t done = 0; done < length;) {
		uint64_t step = length - done < sizeof present * 4096 ? length - done : sizeof present * 4096;
		if (mincore((char *)start + done, step, present) != 0)
			return resident;
		for (uint64_t i = 0; i < (step + 4095) / 4096; i++)
			resident += (present[i] & 1) * 4096;
		done += step;
	}
	return resident;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_volume.h"

#include <sys/ioctl.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

void *sd_file_map(int fd, uint64_t length, int *error)
{
	void *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	*error = start == MAP_FAILED ? -errno : 0;
	return start == MAP_FAILED ? NULL : start;
}

void sd_file_unmap(void *start, uint64_t length)
{
	munmap(start, length);
}

void sd_store_word(void *place, uint64_t word)
{
	atomic_store_explicit((_Atomic uint64_t *)place, word, memory_order_seq_cst);
}

int sd_sync_file(int fd)
{
	/* A device's pages are durable once stored; its node has no fsync. */
	return fdatasync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

int sd_find_data(int fd, uint64_t from, uint64_t size, uint64_t *start, uint64_t *end)
{
	off_t data = lseek(fd, (off_t)from, SEEK_DATA);

	*start = from;
	*end = size;
	if (from >= size || (data < 0 && errno == ENXIO))
		return -ENXIO;
	if (data < 0)
		return 0;
	off_t hole = lseek(fd, data, SEEK_HOLE);

	*start = (uint64_t)data;
	if (hole > data && (uint64_t)hole < size)
		*end = (uint64_t)hole;
	return *start < size ? 0 : -ENXIO;
}

int sd_mount_is_dead(const char *path)
{
	struct statfs status;

	/* Not stat(): the kernel keeps what it knows of directories. */
	return statfs(path, &status) < 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

int sd_detach_mount(const char *path)
{
	return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int result = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return result;
}

int sd_enter_private_mounts(void)
{
	char map[64];
	unsigned user = geteuid();
	unsigned group = getegid();
	int result;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	snprintf(map, sizeof(map), "%u %u 1\n", user, user);
	if ((result = write_file("/proc/self/uid_map", map)) < 0)
		return result;
	if ((result = write_file("/proc/self/setgroups", "deny")) < 0 && result != -ENOENT)
		return result;
	snprintf(map, sizeof(map), "%u %u 1\n", group, group);
	return write_file("/proc/self/gid_map", map);
}

void sd_wall_clock(int64_t *seconds, uint32_t *nanoseconds)
{
	struct timespec now = {0, 0};

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	*seconds = now.tv_sec;
	*nanoseconds = (uint32_t)now.tv_nsec;
}

int sd_file_pin(int fd, uint64_t offset, uint64_t length, uint32_t flags)
{
	/* struct sd_fuse_pin, SD_FUSE_IOC_PIN: softdax_fuse.h. */
	struct {
		uint64_t offset, length;
		uint32_t flags, reserved;
	} pin = {offset, length, flags, 0};

	return ioctl(fd, 0x4018da04u, &pin) < 0 ? -errno : 0;
}

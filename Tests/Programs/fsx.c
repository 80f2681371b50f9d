/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsx - random calls on two files of a directory, compared with arrays in memory after each.
 *
 *   fsx DIRECTORY SEED OPERATIONS [clone [mapped]]
 *
 * With `clone` FICLONERANGE must work. With `mapped` both files stay mapped, shared and private: after each call the bytes are found there as
 * well, stores go through them, and behind the end of a file there is SIGBUS. When the filesystem goes away under it (ENOTCONN and its kin) it says "gone", waits for a line, opens the
 * files again, and goes on: the call that was under way may have been done, or not, or each of its bytes, or not; everything else must be as
 * it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LIMIT (192 * 1024)

struct file {
	char path[512];
	int fd;
	size_t size;
	unsigned char bytes[LIMIT];
	unsigned char *shared, *own; /* mappings that stay; `own` is private */
	unsigned char copied[LIMIT / 4096]; /* pages of `own` that are copies */
	unsigned char copies[LIMIT];
};

static struct file files[2], before[2];
static uint64_t state;
static unsigned long number, gone;
static const char *doing = "nothing";
static int mapped;
static struct {
	const char *doing;
	int file;
	size_t at, count;
} history[32];
static sigjmp_buf faulted;

static uint32_t any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 33) % below;
}

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(faulted, 1);
}

static void die(const char *what, size_t at)
{
	for (unsigned long i = number > 31 ? number - 31 : 1; i < number; i++)
		printf("%lu: %s of file %d, %zu bytes at %zu\n", i, history[i % 32].doing, history[i % 32].file,
		       history[i % 32].count, history[i % 32].at);
	printf("operation %lu (%s): %s at %zu: %s\n", number, doing, what, at, strerror(errno));
	exit(1);
}

/* Whether nobody serves the filesystem any more; whatever the call that failed said. Keeps errno. */
static int is_gone(void)
{
	struct statfs status;
	int error = errno;
	int gone = fstatfs(files[0].fd, &status) < 0;

	errno = error;
	return gone;
}

static void open_files(void)
{
	for (int i = 0; i < 2; i++) {
		files[i].fd = open(files[i].path, O_RDWR | O_CREAT, 0644);
		if (files[i].fd < 0)
			die("open", 0);
	}
}

/* The file as it is; -1 if the filesystem is gone. */
static ssize_t load(struct file *file, unsigned char *into)
{
	struct stat status;
	size_t done = 0;

	if (fstat(file->fd, &status) < 0)
		return -1;
	if (status.st_size > LIMIT)
		die("size beyond all", (size_t)status.st_size);
	while (done < (size_t)status.st_size) {
		ssize_t count = pread(file->fd, into + done, (size_t)status.st_size - done, (off_t)done);
		if (count < 0)
			return -1;
		if (count == 0)
			die("short read", done);
		done += (size_t)count;
	}
	return status.st_size;
}

/* What the mappings show, and that they show nothing behind the last page. */
static void look(struct file *file)
{
	size_t end = (file->size + 4095) & ~(size_t)4095;

	/* One mapping after the other: of blocks that files share a kernel lets only one at a time show a page. */
	for (size_t i = 0; i < file->size; i++)
		if (file->shared[i] != file->bytes[i])
			die("byte of the shared mapping", i);
	/* Behind the end, in the last page, is what was stored there. */
	for (size_t i = 0; i < end; i++)
		if (file->copied[i / 4096] ? file->own[i] != file->copies[i] : i < file->size && file->own[i] != file->bytes[i])
			die("byte of the private mapping", i);
	if (end < LIMIT && sigsetjmp(faulted, 1) == 0) {
		(void)*(volatile unsigned char *)&file->shared[end + any((uint32_t)(LIMIT - end))];
		die("no SIGBUS behind the end", end);
	}
	if (end < LIMIT && sigsetjmp(faulted, 1) == 0) {
		(void)*(volatile unsigned char *)&file->own[end];
		die("no SIGBUS behind the end of the private mapping", end);
	}
}

/* Compares a file with what it should be. */
static int verify(struct file *file)
{
	static unsigned char now[LIMIT];
	ssize_t size = load(file, now);

	if (size < 0)
		return -1;
	if ((size_t)size != file->size)
		die("size", (size_t)size);
	for (size_t i = 0; i < file->size; i++)
		if (now[i] != file->bytes[i])
			die("byte", i);
	if (mapped)
		look(file);
	return 0;
}

/* After the filesystem came back: before, or after, byte by byte, zeroes where the call makes some. */
static void settle(struct file *file, const struct file *old)
{
	static unsigned char now[LIMIT];
	ssize_t size = load(file, now);

	if (size < 0)
		die("read after it came back", 0);
	if ((size_t)size != file->size && (size_t)size != old->size)
		die("size after it came back", (size_t)size);
	for (size_t i = 0; i < (size_t)size; i++) {
		int is_old = i < old->size ? now[i] == old->bytes[i] : now[i] == 0;
		int is_new = i < file->size ? now[i] == file->bytes[i] : now[i] == 0;

		if (!is_old && !is_new)
			die("byte after it came back", i);
	}
	file->size = (size_t)size;
	memcpy(file->bytes, now, (size_t)size);
}

static void come_back(void)
{
	char line[8];

	printf("operation %lu (%s): %s\n", number, doing, strerror(errno));
	gone++;
	for (int i = 0; i < 2; i++)
		close(files[i].fd);
	printf("gone\n");
	fflush(stdout);
	if (read(0, line, sizeof(line)) <= 0)
		die("nobody says go on", 0);
	open_files();
	for (int i = 0; i < 2; i++)
		settle(&files[i], &before[i]);
}

static void grow(struct file *file, size_t size)
{
	if (size > file->size) {
		memset(file->bytes + file->size, 0, size - file->size);
		file->size = size;
	}
}

/* Truncation takes private copies away behind the new end. */
static void cut(struct file *file, size_t size)
{
	for (size_t page = (size + 4095) / 4096; page < LIMIT / 4096; page++)
		file->copied[page] = 0;
	file->size = size;
}

static void map_file(struct file *file)
{
	if (file->shared) {
		munmap(file->shared, LIMIT);
		munmap(file->own, LIMIT);
	}
	file->shared = mmap(NULL, LIMIT, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	file->own = mmap(NULL, LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE, file->fd, 0);
	if (file->shared == MAP_FAILED || file->own == MAP_FAILED)
		die("mmap", 0);
	memset(file->copied, 0, sizeof file->copied);
}

static void put(struct file *file, size_t at, const unsigned char *bytes, size_t count)
{
	grow(file, at + count);
	memcpy(file->bytes + at, bytes, count);
}

/* One random call; -1 if it failed. The model is changed first. */
static int one(int clones)
{
	static unsigned char bytes[LIMIT];
	struct file *file = &files[any(2)], *other = file == files ? &files[1] : &files[0];
	size_t at = any(LIMIT * 3 / 4), count = 1 + any(any(4) ? 9000 : LIMIT / 4);

	if (any(3) == 0) {
		at &= ~(size_t)4095;
		count = (count + 4095) & ~(size_t)4095;
	}
	if (at + count > LIMIT)
		count = LIMIT - at;
	for (size_t i = 0; i < count; i++)
		bytes[i] = (unsigned char)(any(255) + 1);
	history[number % 32].file = (int)(file - files);
	history[number % 32].at = at;
	history[number % 32].count = count;
	if (mapped && any(3) == 0) {
		if (any(12) == 0) {
			doing = "map again";
			map_file(file);
			return 0;
		}
		if (any(8) == 0) {
			doing = "zap";
			at &= ~(size_t)4095;
			if (any(2))
				return madvise(file->shared + at, count, MADV_DONTNEED);
			for (size_t page = at / 4096; page < (at + count + 4095) / 4096; page++)
				file->copied[page] = 0;
			return madvise(file->own + at, count, MADV_DONTNEED);
		}
		if (at >= file->size)
			return 0;
		if (count > file->size - at)
			count = file->size - at;
		if (any(3)) {
			doing = "store through the mapping";
			memcpy(file->bytes + at, bytes, count);
			memcpy(file->shared + at, bytes, count);
			return any(4) ? 0 : msync(file->shared + (at & ~(size_t)4095), count, MS_SYNC);
		}
		doing = "store to the private mapping";
		if (count > 20000)
			count = 20000;
		for (size_t page = at / 4096; page <= (at + count - 1) / 4096; page++) {
			if (!file->copied[page]) {
				memset(file->copies + page * 4096, 0, 4096);
				if (page * 4096 < file->size)
					memcpy(file->copies + page * 4096, file->bytes + page * 4096,
					       file->size - page * 4096 < 4096 ? file->size - page * 4096 : 4096);
			}
			file->copied[page] = 1;
		}
		memcpy(file->copies + at, bytes, count);
		memcpy(file->own + at, bytes, count);
		return 0;
	}
	switch (any(14)) {
	case 0:
	case 1:
	case 2:
		doing = "write";
		put(file, at, bytes, count);
		return pwrite(file->fd, bytes, count, (off_t)at) == (ssize_t)count ? 0 : -1;
	case 3: {
		doing = "append";
		int fd = open(file->path, O_WRONLY | O_APPEND);

		if (count > LIMIT - file->size)
			count = LIMIT - file->size;
		if (fd < 0)
			return -1;
		put(file, file->size, bytes, count);
		int result = count == 0 || write(fd, bytes, count) == (ssize_t)count ? 0 : -1;
		int error = errno;
		close(fd);
		errno = error;
		return result;
	}
	case 4:
		doing = "truncate";
		if (at < file->size)
			cut(file, at);
		else
			grow(file, at);
		return ftruncate(file->fd, (off_t)at);
	case 5:
	case 6:
		doing = "punch";
		for (size_t i = at; i < at + count && i < file->size; i++)
			file->bytes[i] = 0;
		return fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)count);
	case 7:
		doing = "zero range";
		grow(file, at + count);
		memset(file->bytes + at, 0, count);
		return fallocate(file->fd, FALLOC_FL_ZERO_RANGE, (off_t)at, (off_t)count);
	case 8:
		doing = "allocate";
		if (any(2))
			return fallocate(file->fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)count);
		grow(file, at + count);
		return fallocate(file->fd, 0, (off_t)at, (off_t)count);
	case 9: {
		doing = "clone";
		struct file_clone_range range = {.src_fd = other->fd};

		at &= ~(size_t)4095;
		if (!clones || other->size < 8192)
			return 0;
		range.src_offset = any((uint32_t)other->size / 4096) * 4096;
		count = other->size - range.src_offset;
		if (at + count > LIMIT || (count & 4095 && at + count < file->size))
			count &= ~(size_t)4095;
		if (count == 0 || at + count > LIMIT)
			return 0;
		range.src_length = count;
		range.dest_offset = at;
		put(file, at, other->bytes + range.src_offset, count);
		return ioctl(file->fd, FICLONERANGE, &range);
	}
	case 10: {
		doing = "copy range";
		off_t from = (off_t)any(LIMIT / 2), to = (off_t)at;

		if (any(2)) {
			from &= ~4095;
			to &= ~4095;
		}
		if ((size_t)from >= other->size)
			return 0;
		if (count > other->size - (size_t)from)
			count = other->size - (size_t)from;
		if (to + (off_t)count > LIMIT)
			count = LIMIT - (size_t)to;
		put(file, (size_t)to, other->bytes + from, count);
		while (count) {
			ssize_t some = copy_file_range(other->fd, &from, file->fd, &to, count, 0);
			if (some == 0)
				die("copied nothing", (size_t)from);
			if (some < 0)
				return -1;
			count -= (size_t)some;
		}
		return 0;
	}
	case 11:
		doing = "store";
		if (at >= file->size)
			return 0;
		if (count > file->size - at)
			count = file->size - at;
		memcpy(file->bytes + at, bytes, count);
		if (sigsetjmp(faulted, 1)) {
			errno = ENOTCONN;
			return -1;
		}
		size_t page = at & ~(size_t)4095;
		unsigned char *map = mmap(NULL, at + count - page, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, (off_t)page);
		if (map == MAP_FAILED)
			return -1;
		memcpy(map + at - page, bytes, count);
		int result = msync(map, at + count - page, MS_SYNC);
		int error = errno;
		munmap(map, at + count - page);
		errno = error;
		return result;
	case 12:
		doing = "fsync";
		return fsync(file->fd);
	default: {
		doing = "seek";
		off_t hole = lseek(file->fd, (off_t)at, SEEK_HOLE);

		if (hole < 0)
			return errno == ENXIO && at >= file->size ? 0 : -1;
		off_t data = lseek(file->fd, hole, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			return -1;
		size_t end = data < 0 ? file->size : (size_t)data;
		for (size_t i = (size_t)hole; i < end; i++)
			if (file->bytes[i])
				die("data in a hole", i);
		return 0;
	}
	}
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	state = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15u | 1;
	unsigned long operations = strtoul(argv[3], NULL, 0);
	int clones = argc > 4;

	mapped = argc > 5;

	signal(SIGBUS, on_sigbus);
	for (int i = 0; i < 2; i++)
		snprintf(files[i].path, sizeof(files[i].path), "%s/fsx-%d", argv[1], i);
	open_files();
	for (int i = 0; i < 2; i++)
		if (ftruncate(files[i].fd, 0) < 0)
			die("truncate", 0);
	for (int i = 0; mapped && i < 2; i++)
		map_file(&files[i]);
	for (number = 1; number <= operations; number++) {
		memcpy(before, files, sizeof(files));
		if (one(clones) < 0 || verify(&files[0]) < 0 || verify(&files[1]) < 0) {
			if (!is_gone())
				die("failed", 0);
			come_back();
		}
		history[number % 32].doing = doing;
		if (number % 100 == 0) {
			printf("at %lu\n", number);
			fflush(stdout);
		}
	}
	printf("done %lu operations, gone %lu times\n", operations, gone);
	return 0;
}

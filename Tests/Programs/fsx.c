/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsx - random calls on two files of a directory, compared with arrays in memory after each.
 *
 *   fsx DIRECTORY SEED OPERATIONS [clone] [mapped] [away=N] [state=FILE] [only=FILE] [once]
 *
 * clone       FICLONERANGE must work
 * mapped      both files stay mapped, shared and private: the bytes are found there as well, stores go through them, and behind the end of a
 *             file there is SIGBUS
 * away=N      in about one of N operations it says "away" and exits with 75: to be started again on the same files, which must be as they were
 * state=FILE  where it keeps what the files hold when it exits with 75, and what it goes on with if that is there
 * only=FILE   of the operations these alone, one number a line
 * once        a failure is not looked into
 *
 * When the filesystem goes away under it (ENOTCONN and its kin) it says "gone" and exits with 75, too: the call that was under way may have been
 * done, or not, or each of its bytes, or not; everything else must be as it was.
 *
 * Seed and number decide what an operation is, so any of them can be left out. After a failure (exit status 1) it looks for few that fail on new
 * files, and prints them.
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
#include <sys/wait.h>
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

static struct file files[2];
static struct {
	size_t size;
	unsigned char bytes[LIMIT];
} before[2];
static char **words;
static uint64_t seed, state;
static unsigned long number, operations, away;
static const char *doing = "nothing", *state_path;
static int clones, mapped, looks_into = 1;
static struct {
	unsigned long number;
	const char *doing;
	int file;
	size_t at, count;
} history[32];
static sigjmp_buf outermost, expected;
static sigjmp_buf *volatile faulted = &outermost;

static void shrink(void);

/* What follows depends on the seed and the operation alone. */
static void begin_operation(unsigned long which)
{
	state = (seed + which) * 0x9e3779b97f4a7c15u;
	state ^= state >> 29;
	state = state * 0xbf58476d1ce4e5b9u | 1;
}

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
	siglongjmp(*faulted, 1);
}

static void die(const char *what, size_t at)
{
	int error = errno;

	for (int i = 1; i <= 32; i++) {
		__typeof__(history[0]) *old = &history[(number + i) % 32];

		if (old->number != 0 && old->number < number)
			printf("%lu: %s of file %d, %zu bytes at %zu\n", old->number, old->doing, old->file, old->count,
			       old->at);
	}
	printf("seed %llu, operation %lu (%s of file %d, %zu bytes at %zu): %s at %zu: %s\n", (unsigned long long)seed, number,
	       doing, history[number % 32].file, history[number % 32].count, history[number % 32].at, what, at, strerror(error));
	fflush(stdout);
	if (looks_into)
		shrink();
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

/* A touch that must be SIGBUS. */
static void no_page(unsigned char *byte, const char *what, size_t at)
{
	faulted = &expected;
	if (sigsetjmp(expected, 1) == 0) {
		(void)*(volatile unsigned char *)byte;
		die(what, at);
	}
	faulted = &outermost;
}

/* What a mapping shows, and that it shows nothing behind the last page. */
static void look(struct file *file, int at_own)
{
	size_t end = (file->size + 4095) & ~(size_t)4095;

	for (size_t i = 0; !at_own && i < file->size; i++)
		if (file->shared[i] != file->bytes[i])
			die("byte of the shared mapping", i);
	/* Behind the end, in the last page, is what was stored there. */
	for (size_t i = 0; at_own && i < end; i++)
		if (file->copied[i / 4096] ? file->own[i] != file->copies[i] : i < file->size && file->own[i] != file->bytes[i])
			die("byte of the private mapping", i);
	if (end < LIMIT)
		no_page((at_own ? file->own : file->shared) + end + (any(2) ? 0 : any((uint32_t)(LIMIT - end))),
			"no SIGBUS behind the end", end);
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
	/* Not everything each time: so page tables have pages and lack some. */
	if (mapped && any(3) == 0)
		look(file, (int)any(2));
	return 0;
}

/* After the filesystem came back: before, or after, byte by byte, zeroes where the call makes some. */
static void settle(struct file *file, size_t old_size, const unsigned char *old)
{
	static unsigned char now[LIMIT];
	ssize_t size = load(file, now);

	if (size < 0)
		die("read after it came back", 0);
	if ((size_t)size != file->size && (size_t)size != old_size)
		die("size after it came back", (size_t)size);
	for (size_t i = 0; i < (size_t)size; i++) {
		int is_old = i < old_size ? now[i] == old[i] : now[i] == 0;
		int is_new = i < file->size ? now[i] == file->bytes[i] : now[i] == 0;

		if (!is_old && !is_new)
			die("byte after it came back", i);
	}
	file->size = (size_t)size;
	memcpy(file->bytes, now, (size_t)size);
}

static void remember(void)
{
	for (int i = 0; i < 2; i++) {
		before[i].size = files[i].size;
		memcpy(before[i].bytes, files[i].bytes, files[i].size);
	}
}

/* Keeps what the files should hold, and are known to have held, for the next process. */
static void leave(const char *why)
{
	FILE *out = state_path ? fopen(state_path, "w") : NULL;

	if (!out)
		die("nowhere to keep the state", 0);
	fwrite(&number, sizeof number, 1, out);
	fwrite(before, sizeof before, 1, out);
	for (int i = 0; i < 2; i++) {
		fwrite(&files[i].size, sizeof files[i].size, 1, out);
		fwrite(files[i].bytes, LIMIT, 1, out);
	}
	if (fclose(out) != 0)
		die("writing the state", 0);
	printf("%s\n", why);
	exit(75);
}

/* What the process before has left; 0: there was none. */
static int come_back(void)
{
	FILE *in = state_path ? fopen(state_path, "r") : NULL;
	size_t count = 0;

	if (!in)
		return 0;
	count += fread(&number, sizeof number, 1, in);
	count += fread(before, sizeof before, 1, in);
	for (int i = 0; i < 2; i++) {
		count += fread(&files[i].size, sizeof files[i].size, 1, in);
		count += fread(files[i].bytes, LIMIT, 1, in);
	}
	fclose(in);
	doing = "coming back";
	if (count != 6)
		die("reading the state", 0);
	begin_operation(number);
	for (int i = 0; i < 2; i++)
		settle(&files[i], before[i].size, before[i].bytes);
	remember();
	return 1;
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

static int map_file(struct file *file)
{
	if (file->shared) {
		munmap(file->shared, LIMIT);
		munmap(file->own, LIMIT);
	}
	file->shared = mmap(NULL, LIMIT, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	file->own = mmap(NULL, LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE, file->fd, 0);
	if (file->shared == MAP_FAILED || file->own == MAP_FAILED)
		return -1;
	memset(file->copied, 0, sizeof file->copied);
	return 0;
}

static void put(struct file *file, size_t at, const unsigned char *bytes, size_t count)
{
	grow(file, at + count);
	memcpy(file->bytes + at, bytes, count);
}

/* One random call; -1 if it failed. The model is changed first. */
static int one(void)
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
	history[number % 32].number = number;
	history[number % 32].file = (int)(file - files);
	history[number % 32].at = at;
	history[number % 32].count = count;
	if (mapped && any(3) == 0) {
		switch (any(24)) {
		case 0:
			doing = "map again";
			return map_file(file);
		case 1: {
			doing = "move";
			unsigned char **which = any(2) ? &file->own : &file->shared;
			unsigned char *moved = mremap(*which, LIMIT, LIMIT, MREMAP_MAYMOVE | MREMAP_FIXED,
						      mmap(NULL, LIMIT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
			if (moved == MAP_FAILED)
				return -1;
			*which = moved;
			return 0;
		}
		case 2: {
			doing = "protect";
			unsigned char *which = (any(2) ? file->own : file->shared) + (at & ~(size_t)4095);
			if (mprotect(which, count, PROT_READ) < 0)
				return -1;
			if (at < file->size)
				(void)*(volatile unsigned char *)which;
			return mprotect(which, count, PROT_READ | PROT_WRITE);
		}
		case 3:
			doing = "populate";
			at &= ~(size_t)4095;
			if (at + count > file->size)
				return 0;
			return madvise(file->shared + at, count, any(2) ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
		default:
			break;
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
	if (away && any((uint32_t)away) == 0)
		leave("away");
	switch (any(15)) {
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
	case 13:
		doing = "new file";
		if (any(4))
			return 0;
		file->size = 0;
		if (unlink(file->path) < 0 || close(file->fd) < 0)
			return -1;
		file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL, 0644);
		if (file->fd < 0)
			return -1;
		return mapped ? map_file(file) : 0;
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

/* Runs this program with these operations alone, on files of its own: whether it fails, too. */
static int fails_with(const unsigned long *numbers, size_t count)
{
	char list[64], directory[600], only[80];
	int status = 0, argc = 0;
	char *arguments[16];

	snprintf(list, sizeof list, "/tmp/fsx-%d", (int)getpid());
	FILE *out = fopen(list, "w");
	if (!out)
		return 0;
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%lu\n", numbers[i]);
	fclose(out);
	snprintf(directory, sizeof directory, "%s/fsx-shrinks", words[1]);
	mkdir(directory, 0755);
	snprintf(only, sizeof only, "only=%s", list);
	for (char **word = words; *word && argc < 12; word++)
		if (strncmp(*word, "state=", 6) && strncmp(*word, "away=", 5) && strncmp(*word, "only=", 5))
			arguments[argc++] = *word;
	arguments[1] = directory;
	arguments[argc++] = only;
	arguments[argc++] = "once";
	arguments[argc] = NULL;
	pid_t child = fork();
	if (child == 0) {
		(void)!freopen("/dev/null", "w", stdout);
		alarm(300);
		execv("/proc/self/exe", arguments);
		_exit(0);
	}
	if (child > 0)
		waitpid(child, &status, 0);
	unlink(list);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* The last operations that fail by themselves, then as many left out as will. */
static void shrink(void)
{
	static unsigned long numbers[1 << 14], rest[1 << 14];
	size_t count = 1;

	for (;; count *= 2) {
		if (count > sizeof numbers / sizeof *numbers) {
			printf("the last %zu operations do not fail on new files\n", count / 2);
			return;
		}
		size_t some = count < number ? count : number;
		for (size_t i = 0; i < some; i++)
			numbers[i] = number - some + 1 + i;
		if (fails_with(numbers, some)) {
			count = some;
			break;
		}
		if (some == number) {
			printf("the same operations do not fail on new files\n");
			return;
		}
	}
	for (size_t part = count / 2; part > 0;) {
		size_t before_it = count;

		for (size_t at = 0; at < count && count > 1;) {
			size_t out = part < count - at ? part : count - at;

			memcpy(rest, numbers, at * sizeof *rest);
			memcpy(rest + at, numbers + at + out, (count - at - out) * sizeof *rest);
			if (fails_with(rest, count - out)) {
				count -= out;
				memcpy(numbers, rest, count * sizeof *rest);
			} else {
				at += out;
			}
		}
		if (count == before_it || part > count)
			part /= 2;
	}
	printf("it fails with these operations alone, on new files:\n");
	for (size_t i = 0; i < count; i++)
		printf("%lu\n", numbers[i]);
}

static void one_and_verify(void)
{
	begin_operation(number);
	remember();
	if (sigsetjmp(outermost, 1) != 0) {
		if (is_gone())
			leave("gone");
		die("SIGBUS", 0);
	}
	int result = one();

	/* What was answered stays so. */
	if (result == 0)
		remember();
	if (result < 0 || verify(&files[0]) < 0 || verify(&files[1]) < 0) {
		if (is_gone())
			leave("gone");
		die("failed", 0);
	}
	history[number % 32].doing = doing;
}

int main(int argc, char **argv)
{
	FILE *only = NULL;

	if (argc < 4)
		return 2;
	words = argv;
	seed = strtoull(argv[2], NULL, 0);
	operations = strtoul(argv[3], NULL, 0);
	for (char **word = argv + 4; *word; word++) {
		if (!strcmp(*word, "clone"))
			clones = 1;
		else if (!strcmp(*word, "mapped"))
			mapped = 1;
		else if (!strcmp(*word, "once"))
			looks_into = 0;
		else if (!strncmp(*word, "away=", 5))
			away = strtoul(*word + 5, NULL, 0);
		else if (!strncmp(*word, "state=", 6))
			state_path = *word + 6;
		else if (strncmp(*word, "only=", 5) || !(only = fopen(*word + 5, "r")))
			return 2;
	}
	signal(SIGBUS, on_sigbus);
	for (int i = 0; i < 2; i++)
		snprintf(files[i].path, sizeof(files[i].path), "%s/fsx-%d", argv[1], i);
	open_files();
	if (!come_back()) {
		printf("seed %llu, %lu operations\n", (unsigned long long)seed, operations);
		for (int i = 0; i < 2; i++)
			if (ftruncate(files[i].fd, 0) < 0)
				die("truncate", 0);
	}
	for (int i = 0; mapped && i < 2; i++)
		if (map_file(&files[i]) < 0)
			die("mmap", 0);
	while (only ? fscanf(only, "%lu", &number) == 1 : ++number <= operations) {
		one_and_verify();
		if (number % 100 == 0) {
			printf("at %lu\n", number);
			fflush(stdout);
		}
	}
	printf("done %lu operations\n", operations);
	return 0;
}

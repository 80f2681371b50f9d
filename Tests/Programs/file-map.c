/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-map - maps files of a directory as programs do, and looks whether every byte is where it belongs.
 *
 *   file-map DIRECTORY TEST
 *
 * What is stored is read by read(2), what is written by write(2) is loaded, by this process and by another.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

#define PAGE 4096ul
#define HUGE_PAGE (512 * PAGE)
#define CHECK(condition)                                                                              \
	do {                                                                                          \
		if (!(condition)) {                                                                   \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, strerror(errno)); \
			exit(1);                                                                      \
		}                                                                                     \
	} while (0)

static sigjmp_buf back;
static volatile int code;
static void *volatile where;

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	code = number * 1000 + info->si_code;
	where = info->si_addr;
	siglongjmp(back, 1);
}

/* The signal of a load or a store: number * 1000 + si_code; 0 if there is none. */
static int touch(volatile unsigned char *at, int store)
{
	code = 0;
	if (sigsetjmp(back, 1) == 0) {
		if (store)
			*at = (unsigned char)store;
		else
			(void)*at;
	} else {
		CHECK(where == (void *)((uintptr_t)at & ~(PAGE - 1)) || where == (void *)at);
	}
	return code;
}

static int open_file(const char *name, size_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	CHECK(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static void fill(int fd, size_t size, int seed)
{
	static unsigned char page[PAGE];

	for (size_t at = 0; at < size; at += PAGE) {
		memset(page, seed + (int)(at / PAGE), PAGE);
		CHECK(pwrite(fd, page, PAGE, (off_t)at) == (ssize_t)PAGE);
	}
}

static unsigned char byte(int fd, size_t at)
{
	unsigned char value;

	CHECK(pread(fd, &value, 1, (off_t)at) == 1);
	return value;
}

static unsigned char *map(int fd, size_t size, int protection, int flags)
{
	void *at = mmap(NULL, size, protection, flags, fd, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

#define RW (PROT_READ | PROT_WRITE)

/* Runs in a child of its own, and says how it ended. */
static int in_child(void (*body)(void *), void *context)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		body(context);
		exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

struct shared {
	int fd;
	unsigned char *at;
};

static void change_by_write(void *context)
{
	struct shared *shared = context;
	unsigned char value = 77;
	int fd = open("shared", O_RDWR);
	unsigned char *again = map(fd, 64 * PAGE, RW, MAP_SHARED);

	CHECK(again[5 * PAGE + 9] == 55);
	CHECK(pwrite(fd, &value, 1, 7 * PAGE + 1) == 1);
	again[9 * PAGE] = 99;
	CHECK(shared->at[9 * PAGE] == 99 && shared->at[7 * PAGE + 1] == 77);
	shared->at[11 * PAGE] = 111;
}

static void test_shared(void)
{
	struct shared shared = { open_file("shared", 64 * PAGE), NULL };

	fill(shared.fd, 32 * PAGE, 1); /* the rest is a hole */
	shared.at = map(shared.fd, 64 * PAGE, RW, MAP_SHARED);
	for (size_t page = 0; page < 64; page++)
		CHECK(shared.at[page * PAGE + 17] == (page < 32 ? 1 + page : 0));
	shared.at[5 * PAGE + 9] = 55;
	CHECK(byte(shared.fd, 5 * PAGE + 9) == 55);
	shared.at[40 * PAGE + 3] = 44; /* allocates */
	CHECK(byte(shared.fd, 40 * PAGE + 3) == 44 && byte(shared.fd, 40 * PAGE + 4) == 0);
	unsigned char value = 66;
	CHECK(pwrite(shared.fd, &value, 1, 50 * PAGE) == 1); /* under a zero page that is mapped */
	CHECK(shared.at[50 * PAGE] == 66);
	CHECK(in_child(change_by_write, &shared) == 0);
	CHECK(shared.at[7 * PAGE + 1] == 77 && shared.at[9 * PAGE] == 99 && shared.at[11 * PAGE] == 111);
	CHECK(msync(shared.at, 64 * PAGE, MS_SYNC) == 0);
	shared.at[5 * PAGE + 9] = 56;
	CHECK(byte(shared.fd, 5 * PAGE + 9) == 56);
}

static void test_read_only(void)
{
	int fd = open_file("read-only", 4 * PAGE);
	struct stat status;

	fill(fd, 4 * PAGE, 3);
	int only = open("read-only", O_RDONLY);
	CHECK(mmap(NULL, PAGE, RW, MAP_SHARED, only, 0) == MAP_FAILED && errno == EACCES);
	unsigned char *at = map(only, 4 * PAGE, PROT_READ, MAP_SHARED);
	CHECK(at[PAGE] == 4);
	CHECK(touch(at + PAGE, 9) == SIGSEGV * 1000 + SEGV_ACCERR);
	CHECK(mprotect(at, PAGE, RW) < 0 && errno == EACCES);
	unsigned char *other = map(fd, 4 * PAGE, PROT_READ, MAP_SHARED);
	CHECK(other[0] == 3);
	CHECK(mprotect(other, PAGE, RW) == 0);
	other[0] = 200;
	CHECK(at[0] == 200 && byte(fd, 0) == 200);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 12345) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL);
	int write_only = open("read-only", O_WRONLY);
	CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, write_only, 0) == MAP_FAILED && errno == EACCES);
	CHECK(fstat(fd, &status) == 0 && status.st_size == 4 * PAGE);
}

static void test_truncate(void)
{
	int fd = open_file("truncate", 8 * PAGE);
	unsigned char *at = map(fd, 16 * PAGE, RW, MAP_SHARED), *copy = map(fd, 16 * PAGE, RW, MAP_PRIVATE);

	fill(fd, 8 * PAGE, 1);
	for (int page = 0; page < 8; page++)
		CHECK(at[page * PAGE] == 1 + page && copy[page * PAGE] == 1 + page);
	copy[5 * PAGE] = 105;
	copy[PAGE] = 101;
	CHECK(touch(at + 8 * PAGE, 0) == SIGBUS * 1000 + BUS_ADRERR);
	CHECK(touch(at + 8 * PAGE, 1) == SIGBUS * 1000 + BUS_ADRERR);
	CHECK(ftruncate(fd, 3 * PAGE + 100) == 0);
	CHECK(touch(at + 4 * PAGE, 0) == SIGBUS * 1000 + BUS_ADRERR);
	CHECK(touch(copy + 5 * PAGE, 0) == SIGBUS * 1000 + BUS_ADRERR);
	CHECK(copy[PAGE] == 101 && at[3 * PAGE] == 4 && at[3 * PAGE + 100] == 0);
	/* Other files take the blocks. */
	fill(open_file("taker", 64 * PAGE), 64 * PAGE, 100);
	CHECK(ftruncate(fd, 16 * PAGE) == 0);
	for (int page = 4; page < 16; page++)
		CHECK(at[page * PAGE] == 0 && at[page * PAGE + 99] == 0 && copy[page * PAGE] == 0);
	at[15 * PAGE] = 15;
	CHECK(byte(fd, 15 * PAGE) == 15);
}

static void test_punch(void)
{
	int fd = open_file("punch", 16 * PAGE);
	unsigned char *at = map(fd, 16 * PAGE, RW, MAP_SHARED), *copy = map(fd, 16 * PAGE, RW, MAP_PRIVATE);

	fill(fd, 16 * PAGE, 1);
	for (int page = 0; page < 16; page++)
		CHECK(at[page * PAGE] == 1 + page && copy[page * PAGE] == 1 + page);
	copy[4 * PAGE] = 104;
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * PAGE, 3 * PAGE) == 0);
	fill(open_file("taker", 64 * PAGE), 64 * PAGE, 100);
	CHECK(at[3 * PAGE] == 0 && at[4 * PAGE] == 0 && at[5 * PAGE + 7] == 0 && at[6 * PAGE] == 7);
	CHECK(copy[3 * PAGE] == 0 && copy[4 * PAGE] == 104);
	at[4 * PAGE] = 14;
	CHECK(byte(fd, 4 * PAGE) == 14 && copy[4 * PAGE] == 104);
	CHECK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 8 * PAGE, 2 * PAGE) == 0);
	CHECK(at[8 * PAGE] == 0 && at[9 * PAGE] == 0 && at[10 * PAGE] == 11);
	CHECK(madvise(at + 12 * PAGE, PAGE, MADV_REMOVE) == 0);
	CHECK(at[12 * PAGE] == 0 && byte(fd, 12 * PAGE) == 0 && at[13 * PAGE] == 14);
}

static void test_clone(void)
{
	int a = open_file("a", 16 * PAGE), b = open_file("b", 0);

	fill(a, 16 * PAGE, 1);
	unsigned char *in_a = map(a, 16 * PAGE, RW, MAP_SHARED);
	for (int page = 0; page < 16; page++)
		in_a[page * PAGE + 1] = 50;
	CHECK(ioctl(b, FICLONE, a) == 0);
	unsigned char *in_b = map(b, 16 * PAGE, RW, MAP_SHARED), *copy = map(b, 16 * PAGE, RW, MAP_PRIVATE);
	for (int page = 0; page < 16; page++)
		CHECK(in_a[page * PAGE] == 1 + page && in_b[page * PAGE] == 1 + page && copy[page * PAGE + 1] == 50);
	in_a[2 * PAGE] = 222;
	CHECK(in_b[2 * PAGE] == 3 && byte(b, 2 * PAGE) == 3 && copy[2 * PAGE] == 3 && byte(a, 2 * PAGE) == 222);
	CHECK(in_a[2 * PAGE + 1] == 50);
	in_b[3 * PAGE] = 233;
	CHECK(in_a[3 * PAGE] == 4 && copy[3 * PAGE] == 233 && byte(b, 3 * PAGE) == 233);
	unsigned char value = 99;
	CHECK(pwrite(a, &value, 1, 4 * PAGE + 8) == 1);
	CHECK(in_a[4 * PAGE + 8] == 99 && in_a[4 * PAGE] == 5 && in_b[4 * PAGE + 8] == 5);
	CHECK(ioctl(b, FICLONE, a) == 0);
	CHECK(in_b[2 * PAGE] == 222 && in_b[3 * PAGE] == 4 && copy[3 * PAGE] == 4);
}

static void test_private(void)
{
	int fd = open_file("private", 32 * PAGE);
	unsigned char value = 9;

	fill(fd, 16 * PAGE, 1);
	unsigned char *at = map(fd, 32 * PAGE, RW, MAP_PRIVATE);
	CHECK(at[0] == 1 && at[20 * PAGE] == 0);
	CHECK(pwrite(fd, &value, 1, 0) == 1 && at[0] == 9); /* not yet a copy */
	at[0] = 10;
	at[3 * PAGE + 5] = 35; /* never loaded */
	at[20 * PAGE] = 20;    /* a hole that was loaded */
	at[21 * PAGE + 1] = 21;
	CHECK(byte(fd, 0) == 9 && byte(fd, 3 * PAGE + 5) == 4 && byte(fd, 20 * PAGE) == 0);
	CHECK(at[3 * PAGE] == 4 && at[21 * PAGE] == 0);
	value = 8;
	CHECK(pwrite(fd, &value, 1, 0) == 1 && pwrite(fd, &value, 1, 20 * PAGE) == 1);
	CHECK(at[0] == 10 && at[20 * PAGE] == 20);
	CHECK(madvise(at, PAGE, MADV_DONTNEED) == 0 && at[0] == 8);
	CHECK(mprotect(at, 2 * PAGE, PROT_READ) == 0);
	CHECK(touch(at, 1) == SIGSEGV * 1000 + SEGV_ACCERR);
	CHECK(mprotect(at, 2 * PAGE, RW) == 0);
	at[0] = 11;
	CHECK(byte(fd, 0) == 8);
	int only = open("private", O_RDONLY);
	unsigned char *other = map(only, PAGE, RW, MAP_PRIVATE);
	other[0] = 1;
	CHECK(byte(fd, 0) == 8 && other[1] == 1);
}

static void look_at_copies(void *context)
{
	unsigned char *at = context, value = 200;
	int fd = open("fork", O_RDWR);

	CHECK(at[0] == 100 && at[PAGE] == 2 && at[2 * PAGE] == 3);
	at[0] = 101;
	at[2 * PAGE] = 33;
	CHECK(at[1] == 1 && at[2 * PAGE + 1] == 3);
	/* What is no copy is the file's, for a child too. */
	CHECK(pwrite(fd, &value, 1, PAGE) == 1 && pwrite(fd, &value, 1, 0) == 1 && pwrite(fd, &value, 1, 7 * PAGE) == 1);
	CHECK(at[PAGE] == 200 && at[0] == 101 && at[7 * PAGE] == 200);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8 * PAGE) == 0);
	CHECK(at[PAGE] == 0 && at[0] == 101 && at[2 * PAGE] == 33 && at[7 * PAGE] == 0);
	CHECK(ftruncate(fd, PAGE) == 0);
	CHECK(at[0] == 101 && touch(at + 2 * PAGE, 0) == SIGBUS * 1000 + BUS_ADRERR);
	fill(fd, 16 * PAGE, 1);
}

static void test_fork(void)
{
	int fd = open_file("fork", 16 * PAGE);

	fill(fd, 16 * PAGE, 1);
	unsigned char *shared = map(fd, 16 * PAGE, RW, MAP_SHARED), *at = map(fd, 16 * PAGE, RW, MAP_PRIVATE);
	CHECK(shared[0] == 1 && at[PAGE] == 2);
	at[0] = 100;
	CHECK(in_child(look_at_copies, at) == 0);
	CHECK(at[0] == 100 && at[2 * PAGE] == 3 && byte(fd, 0) == 1 && byte(fd, 2 * PAGE) == 3);
	at[1] = 9;
	CHECK(byte(fd, 1) == 1);
	shared[5] = 5;
	CHECK(byte(fd, 5) == 5);
}

static void test_move(void)
{
	int fd = open_file("move", 64 * PAGE);

	fill(fd, 32 * PAGE, 1);
	for (int type = MAP_SHARED; type <= MAP_PRIVATE; type++) {
		unsigned char *at = map(fd, 32 * PAGE, RW, type);
		int first = type == MAP_SHARED ? 200 : 100;

		for (int page = 0; page < 32; page += 3)
			at[page * PAGE] = (unsigned char)(first + page);
		CHECK(munmap(at + 10 * PAGE, 4 * PAGE) == 0);
		CHECK(touch(at + 10 * PAGE, 0) == SIGSEGV * 1000 + SEGV_MAPERR);
		CHECK(at[9 * PAGE] == first + 9 && at[15 * PAGE] == first + 15);
		unsigned char *moved = mremap(at, 10 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);
		CHECK(moved != MAP_FAILED && moved[9 * PAGE] == first + 9 && moved[8 * PAGE] == 9);
		CHECK(moved[12 * PAGE] == 212 && byte(fd, 9 * PAGE) == 209);
		moved[19 * PAGE] = 77;
		CHECK(moved[19 * PAGE] == 77);
		unsigned char *small = mremap(moved, 20 * PAGE, 5 * PAGE, 0);
		CHECK(small == moved && touch(moved + 6 * PAGE, 0) == SIGSEGV * 1000 + SEGV_MAPERR);
		/* Over what is there, by its address. */
		unsigned char *over = mmap(small, 2 * PAGE, RW, type | MAP_FIXED, fd, 3 * PAGE);
		CHECK(over == small && over[0] == 203 && small[2 * PAGE] == 3);
		over = mmap(small, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		CHECK(over == small && over[0] == 0 && small[PAGE] == 5);
	}
}

/* A private window with a copy, and a page behind the file's end that was touched: several mappings for the kernel. */
static void test_move_beyond(void)
{
	int fd = open_file("move-beyond", 5 * PAGE);

	fill(fd, 5 * PAGE, 1);
	for (int grows = 0; grows <= 1; grows++) {
		unsigned char *at = map(fd, 10 * PAGE, RW, MAP_PRIVATE);
		unsigned char *place = mmap(NULL, 10 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		at[PAGE] = 77;
		CHECK(at[0] == 1 && touch(at + 5 * PAGE, 0) == SIGBUS * 1000 + BUS_ADRERR);
		CHECK(place != MAP_FAILED);
		unsigned char *moved = grows ? mremap(at, 10 * PAGE, 40 * PAGE, MREMAP_MAYMOVE)
					     : mremap(at, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);

		CHECK(moved != MAP_FAILED && (grows || moved == place));
		CHECK(moved[0] == 1 && moved[PAGE] == 77 && moved[4 * PAGE] == 5);
		for (int page = 5; page < 10; page++)
			CHECK(touch(moved + page * PAGE, 0) == SIGBUS * 1000 + BUS_ADRERR);
	}
}

/* How many pages are in the page table. */
static size_t present(const unsigned char *from, size_t pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t count = 0;

	CHECK(fd >= 0);
	for (size_t page = 0; page < pages; page++) {
		uint64_t word;

		CHECK(pread(fd, &word, sizeof word, (off_t)(((uintptr_t)from / PAGE + page) * sizeof word)) == sizeof word);
		count += word >> 63;
	}
	close(fd);
	return count;
}

/* An extent that is aligned comes with one touch, as 2 MiB; a hole in it makes it small pages, and only it. */
static void test_huge(void)
{
	int fd = open_file("huge", 0);
	unsigned char byte;

	CHECK(fallocate(fd, 0, 0, 4 * HUGE_PAGE) == 0);
	unsigned char *map = mmap(NULL, 4 * HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED && ((uintptr_t)map & (HUGE_PAGE - 1)) == 0);
	unsigned char *second = map + HUGE_PAGE, *third = second + HUGE_PAGE;

	CHECK(touch(second + 5 * PAGE, 7) == 0);
	CHECK(present(second, 512) == 512 && present(map, 512) == 0 && present(third, 1024) == 0);
	second[100 * PAGE] = 8;
	second[511 * PAGE] = 9;
	CHECK(pread(fd, &byte, 1, (off_t)(HUGE_PAGE + 511 * PAGE)) == 1 && byte == 9);
	CHECK(touch(third, 3) == 0 && present(third, 512) == 512);

	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(HUGE_PAGE + 100 * PAGE), PAGE) == 0);
	CHECK(present(second, 512) == 0);
	CHECK(second[5 * PAGE] == 7 && second[100 * PAGE] == 0 && second[511 * PAGE] == 9);
	CHECK(present(second, 512) == 3);
	second[100 * PAGE] = 1;
	CHECK(pread(fd, &byte, 1, (off_t)(HUGE_PAGE + 100 * PAGE)) == 1 && byte == 1);
	/* Punching asks the whole file; what is whole comes back whole. */
	CHECK(third[0] == 3 && present(third, 512) == 512);

	CHECK(madvise(map, HUGE_PAGE, MADV_NOHUGEPAGE) == 0);
	CHECK(touch(map + PAGE, 4) == 0 && present(map, 512) == 1);
	CHECK(munmap(map, 4 * HUGE_PAGE) == 0);
	close(fd);
}

static void test_sync(void)
{
	int fd = open_file("sync", 8 * PAGE);
	unsigned char *at = mmap(NULL, 8 * PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);

	CHECK(at != MAP_FAILED);
	memset(at, 7, 8 * PAGE);
	CHECK(byte(fd, 8 * PAGE - 1) == 7);
	CHECK(mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE | 1 << 23, fd, 0) == MAP_FAILED && errno == EOPNOTSUPP);
	unsigned char *filled = mmap(NULL, 8 * PAGE, RW, MAP_SHARED | MAP_POPULATE, fd, 0);
	CHECK(filled != MAP_FAILED && filled[4000] == 7);
	CHECK(madvise(filled, 8 * PAGE, MADV_POPULATE_WRITE) == 0 && mlock(filled, PAGE) == 0);
	/* The kernel stores into it. */
	CHECK(pread(fd, at, PAGE, 4 * PAGE) == (ssize_t)PAGE);
	int zero = open("/dev/zero", O_RDONLY);
	CHECK(read(zero, at + PAGE, PAGE) == (ssize_t)PAGE && byte(fd, PAGE) == 0);
}

static void test_full(void)
{
	struct stat status;
	int fd = open_file("full", 1ul << 30);
	unsigned char *at = map(fd, 1ul << 30, RW, MAP_SHARED);
	size_t page = 0;
	int result = 0;

	while (result == 0 && page < (1ul << 30) / PAGE)
		result = touch(at + page++ * PAGE, 1);
	CHECK(result == SIGBUS * 1000 + BUS_ADRERR && page > 1000);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 100 * PAGE) == 0);
	CHECK(touch(at + (page - 1) * PAGE, 1) == 0);
	CHECK(fstat(fd, &status) == 0 && status.st_blocks > 0);
}

static unsigned char *stage;
static int stage_file;
static volatile int stop;

static void *store_own_byte(void *argument)
{
	size_t own = (size_t)argument;
	unsigned char count = 0;

	while (!stop)
		for (size_t page = 0; page < 32; page++)
			stage[page * PAGE + own] = ++count;
	for (size_t page = 0; page < 32; page++)
		stage[page * PAGE + own] = (unsigned char)(own + page);
	return NULL;
}

/* Threads store while others clone, and the file of the clones must not change afterwards. */
static void test_threads(void)
{
	pthread_t threads[4];
	static unsigned char first[32 * PAGE], second[32 * PAGE];

	stage_file = open_file("stage", 32 * PAGE);
	stage = map(stage_file, 32 * PAGE, RW, MAP_SHARED);
	for (size_t index = 0; index < 4; index++)
		CHECK(pthread_create(&threads[index], NULL, store_own_byte, (void *)(index * 64)) == 0);
	for (int round = 0; round < 40; round++) {
		int clone = open_file("clone", 0);

		CHECK(ioctl(clone, FICLONE, stage_file) == 0);
		CHECK(pread(clone, first, sizeof first, 0) == sizeof first);
		usleep(1000);
		CHECK(pread(clone, second, sizeof second, 0) == sizeof second);
		CHECK(memcmp(first, second, sizeof first) == 0);
		close(clone);
	}
	stop = 1;
	for (size_t index = 0; index < 4; index++)
		CHECK(pthread_join(threads[index], NULL) == 0);
	CHECK(pread(stage_file, first, sizeof first, 0) == sizeof first);
	for (size_t own = 0; own < 256; own += 64)
		for (size_t page = 0; page < 32; page++)
			CHECK(first[page * PAGE + own] == (unsigned char)(own + page));
}

/* ------------------------------------------------------------------ what the host is asked of windows besides */

/* libc's own syscall(), which no hook sees. */
static long raw(long number, const void *address, size_t length, long flags)
{
	static long (*own)(long, ...);

	if (!own)
		own = (long (*)(long, ...))dlsym(dlopen("libc.so.6", RTLD_NOW), "syscall");
	CHECK(own && own != syscall);
	return own(number, address, length, flags);
}

/* Whether the host's kernel has locked the mapping. */
static int is_locked(const void *at)
{
	char line[4096];
	unsigned long start = 0, end = 0;
	int found = 0, locked = 0;
	FILE *maps = fopen("/proc/self/smaps", "r");

	CHECK(maps);
	while (fgets(line, sizeof line, maps)) {
		if (strncmp(line, "VmFlags:", 8) != 0)
			sscanf(line, "%lx-%lx ", &start, &end);
		else if (start <= (uintptr_t)at && (uintptr_t)at < end)
			found = 1, locked = strstr(line, " lo ") != NULL;
	}
	fclose(maps);
	CHECK(found);
	return locked;
}

enum way { BY_MLOCK, ON_FAULT, BY_FLAG, EVERYTHING, FUTURE, UNSEEN, WAYS };

static unsigned char *map_locked(int fd, size_t size, int type, enum way way)
{
	if (way == FUTURE)
		CHECK(mlockall(MCL_FUTURE) == 0);

	unsigned char *at = map(fd, size, RW, way == BY_FLAG ? type | MAP_LOCKED : type);

	switch (way) {
	case BY_MLOCK: CHECK(mlock(at, size) == 0); break;
	case ON_FAULT: CHECK(mlock2(at, size, MLOCK_ONFAULT) == 0); break;
	case EVERYTHING: CHECK(mlockall(MCL_CURRENT) == 0); break;
	case UNSEEN: CHECK(raw(SYS_mlock, at, size, 0) == 0); break;
	default: break;
	}
	return at;
}

/* A lock keeps no page in a window that is the file's no more: what is stored comes into no clone, and into no file that has the block next. */
static void test_locked(void)
{
	for (int way = 0; way < WAYS; way++) {
		int fd = open_file("locked", 8 * PAGE), clone = open_file("locked-clone", 0);

		fill(fd, 8 * PAGE, 1);
		unsigned char *at = map_locked(fd, 8 * PAGE, MAP_SHARED, (enum way)way);
		unsigned char *copy = map_locked(fd, 8 * PAGE, MAP_PRIVATE, (enum way)way);

		at[0] = 'm';
		copy[PAGE] = 'p';
		CHECK(way == UNSEEN || (!is_locked(at) && !is_locked(copy) && !is_locked(copy + PAGE)));
		CHECK(ioctl(clone, FICLONE, fd) == 0);
		at[0] = 'n';
		CHECK(byte(clone, 0) == 'm' && byte(fd, 0) == 'n' && copy[PAGE] == 'p');

		CHECK(ftruncate(fd, 0) == 0 && ftruncate(clone, 0) == 0);
		int taker = open_file("taker", 64 * PAGE);
		fill(taker, 64 * PAGE, 100);
		for (int page = 0; page < 8; page++) {
			CHECK(touch(at + page * PAGE, page % 2 ? 'x' : 0) == SIGBUS * 1000 + BUS_ADRERR);
			CHECK(touch(copy + page * PAGE, page % 2 ? 'x' : 0) == SIGBUS * 1000 + BUS_ADRERR);
		}
		for (int page = 0; page < 64; page++)
			CHECK(byte(taker, page * PAGE) == 100 + page);
		CHECK(ftruncate(fd, 8 * PAGE) == 0);
		CHECK(at[0] == 0 && copy[PAGE] == 0);
		CHECK(way == UNSEEN || (!is_locked(at) && !is_locked(copy)));
		CHECK(munlockall() == 0 && munmap(at, 8 * PAGE) == 0 && munmap(copy, 8 * PAGE) == 0);
		CHECK(close(fd) == 0 && close(clone) == 0 && close(taker) == 0);
	}
	int fd = open_file("locked", 2 * PAGE);
	unsigned char *at = map(fd, 4 * PAGE, RW, MAP_SHARED);

	/* As the kernel says of pages that cannot be had. */
	CHECK(mlock(at, 2 * PAGE) == 0 && present(at, 2) == 2);
	CHECK(mlock(at, 4 * PAGE) < 0 && errno == ENOMEM);
}

static void set_limit(int resource, rlim_t most)
{
	struct rlimit limit;

	CHECK(getrlimit(resource, &limit) == 0);
	limit.rlim_cur = most;
	CHECK(setrlimit(resource, &limit) == 0);
}

/* A number of /proc/self/status, in bytes. */
static rlim_t memory(const char *name)
{
	char line[256];
	unsigned long number = 0;
	FILE *status = fopen("/proc/self/status", "r");

	CHECK(status);
	while (fgets(line, sizeof line, status))
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), ": %lu", &number);
	fclose(status);
	CHECK(number > 0);
	return number * 1024;
}

/* A touch that the process's limits do not let be served ends all the same, and the next one is decided anew. */
static void test_limits(void)
{
	int fd = open_file("limits", 64 * PAGE);

	fill(fd, 32 * PAGE, 1);
	for (int type = MAP_SHARED; type <= MAP_PRIVATE; type++)
		for (int resource = 0; resource < 2; resource++)
			for (int page = 0; page < 64; page += 32)
				for (int store = 0; store < 2; store++) {
					unsigned char *at = map(fd, 64 * PAGE, RW, type) + page * PAGE;
					int which = resource ? RLIMIT_DATA : RLIMIT_AS;

					set_limit(which, memory(resource ? "VmData" : "VmSize"));
					int result = touch(at, store ? page + 1 : 0);
					int again = touch(at + PAGE, 0);
					set_limit(which, RLIM_INFINITY);
					CHECK(result == 0 || result == SIGBUS * 1000 + BUS_ADRERR);
					CHECK(again == 0 || again == SIGBUS * 1000 + BUS_ADRERR);
					CHECK(byte(fd, 0) == 1);
					int last = touch(at, store ? page + 1 : 0);
					CHECK(last == 0 || result != 0);
					CHECK(touch(at, 0) == 0 && touch(at + PAGE, 0) == 0);
					CHECK(at[PAGE] == (page ? 0 : 2) && (page || at[0] == 1));
					CHECK(munmap(at - page * PAGE, 64 * PAGE) == 0);
				}
}

static void show_old_hole(void *context)
{
	struct shared *shared = context;
	unsigned char value = 7;

	shared->at = map(shared->fd, 8 * PAGE, PROT_READ, MAP_SHARED);
	CHECK(shared->at[0] == 0);
	CHECK(raw(SYS_mseal, shared->at, 8 * PAGE, 0) == 0);
	(void)!pwrite(shared->fd, &value, 1, 0);
	for (;;)
		CHECK(shared->at[0] == 0 || shared->at[0] == 7);
}

/* Windows are not sealed; one that a hook has not seen sealed ends its touches, or its process, and shows nothing that is not the file's. */
static void test_sealed(void)
{
	struct shared shared = { open_file("sealed", 8 * PAGE), NULL };

	shared.at = map(shared.fd, 8 * PAGE, RW, MAP_SHARED);
	CHECK(syscall(SYS_mseal, shared.at + PAGE, PAGE, 0) < 0 && errno == EPERM);
	shared.at[0] = 1;
	CHECK(syscall(SYS_mseal, NULL, 0, 1) < 0 && (errno == EINVAL || errno == ENOSYS));
	if (errno == ENOSYS)
		return;
	int status = in_child(show_old_hole, &(struct shared){ open_file("sealed-hole", 8 * PAGE), NULL });
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	CHECK(raw(SYS_mseal, shared.at, 8 * PAGE, 0) == 0);
	shared.at[0] = 2;
	CHECK(ftruncate(shared.fd, 0) == 0);
	fill(open_file("taker", 64 * PAGE), 64 * PAGE, 100);
	for (int round = 0; round < 3; round++)
		CHECK(touch(shared.at, round) / 1000 == SIGBUS && touch(shared.at + PAGE, round) / 1000 == SIGBUS);
}

/* What the kernel says of calls that are rare. */
static void test_rare(void)
{
	int fd = open_file("rare", 8 * PAGE), clone = open_file("rare-clone", 0);

	fill(fd, 8 * PAGE, 1);
	CHECK(mmap(NULL, PAGE, RW, 0, fd, 0) == MAP_FAILED && errno == EINVAL);
	unsigned char *at = map(fd, 8 * PAGE, RW, MAP_SHARED), *copy = map(fd, 8 * PAGE, RW, MAP_PRIVATE);
	CHECK(madvise(at, 8 * PAGE, MADV_KEEPONFORK) == 0);
	CHECK(madvise(at, 8 * PAGE, MADV_WIPEONFORK) < 0 && errno == EINVAL);

	unsigned char *second = mremap(at + 2 * PAGE, 0, 4 * PAGE, MREMAP_MAYMOVE);
	CHECK(second != MAP_FAILED && second != at + 2 * PAGE && second[0] == 3);
	second[PAGE] = 77;
	CHECK(at[3 * PAGE] == 77 && at[0] == 1);
	CHECK(mremap(copy, 0, PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);

	CHECK(syscall(SYS_ioctl, clone, FICLONE, fd) == 0 && byte(clone, 3 * PAGE) == 77);
	at[3 * PAGE] = 78;
	CHECK(byte(clone, 3 * PAGE) == 77);
	CHECK(syscall(SYS_ioctl, clone, FICLONE, -1) < 0 && errno == EBADF);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "shared", test_shared },   { "read-only", test_read_only }, { "truncate", test_truncate }, { "punch", test_punch },
	{ "clone", test_clone },     { "private", test_private },     { "fork", test_fork },	     { "move", test_move },
	{ "move-beyond", test_move_beyond }, { "huge", test_huge },
	{ "sync", test_sync },	     { "full", test_full },	      { "threads", test_threads },
	{ "locked", test_locked },   { "limits", test_limits },	      { "sealed", test_sealed },     { "rare", test_rare },
};

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER };

	if (argc < 3 || chdir(argv[1]) < 0)
		return 2;
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	for (size_t index = 0; index < sizeof tests / sizeof *tests; index++) {
		if (strcmp(argv[2], tests[index].name) != 0)
			continue;
		tests[index].run();
		printf("ok %s\n", argv[2]);
		return 0;
	}
	return 2;
}

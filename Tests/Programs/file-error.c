/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-error CASE SOFTDAX: what a program sees of memory errors in files of the mounted filesystem that it stands in.  SOFTDAX injects
 * them from outside, as a user does.
 */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "file-program.h"

#define EXPECT(code, address, shift)                                                                                       \
	do {                                                                                                               \
		CHECK(seen.si_code == (code), "line %d: si_code %d, not %d", __LINE__, seen.si_code, code);                \
		CHECK(seen.si_addr == (void *)(address), "line %d: si_addr %p, not %p", __LINE__, seen.si_addr,            \
		      (void *)(address));                                                                                  \
		CHECK(seen.si_addr_lsb == (shift), "line %d: lsb %d, not %d", __LINE__, seen.si_addr_lsb, shift);          \
	} while (0)

#define EXPECT_ERROR(byte, stores, address, shift)                               \
	do {                                                                     \
		CHECK(fails(byte, stores), "line %d: %s is good", __LINE__, #byte); \
		EXPECT(BUS_MCEERR_AR, address, shift);                           \
	} while (0)

static bool is_present(volatile unsigned char *byte)
{
	int fd = DONE(open("/proc/self/pagemap", O_RDONLY));
	uint64_t entry = 0;

	CHECK(pread(fd, &entry, 8, (off_t)((uintptr_t)byte / PAGE * 8)) == 8, "pagemap");
	close(fd);
	return entry >> 63;
}

/* ------------------------------------------------------------------ cases */

static void touches(void)
{
	int fd = make("f", 8 * PAGE);
	volatile unsigned char *place = map(fd, 8 * PAGE, 0), *other;
	unsigned char page[PAGE];

	handle();
	(void)place[3 * PAGE];
	TOOL("inject-error . --file f@0x3000 -n 8");
	/* Mapped before: the thread consumes a machine check, and is told where the page is; then the page fails as what it is. */
	EXPECT_ERROR(&place[3 * PAGE + 100], false, place + 3 * PAGE, 12);
	EXPECT_ERROR(&place[3 * PAGE + 100], true, place + 3 * PAGE + 100, 12);
	other = map(fd, 8 * PAGE, 0);
	EXPECT_ERROR(&other[3 * PAGE + 5], false, other + 3 * PAGE + 5, 12);
	CHECK(place[2 * PAGE] == 3 && place[4 * PAGE] == 5, "the pages beside it");
	REFUSED(pread(fd, page, PAGE, 3 * PAGE), EIO);
	CHECK(pread(fd, page, PAGE, 2 * PAGE) == (ssize_t)PAGE && page[0] == 3, "the page before it by read()");
	/* Part of the page clears nothing, all of it does. */
	REFUSED(pwrite(fd, page, 100, 3 * PAGE), EFAULT);
	memset(page, 99, PAGE);
	CHECK(pwrite(fd, page, PAGE, 3 * PAGE) == (ssize_t)PAGE, "writing over it: %s", strerror(errno));
	CHECK(place[3 * PAGE] == 99 && other[3 * PAGE] == 99, "what was written over it");

	/* Nobody knows, nobody had it. */
	TOOL("inject-error . --file f@0x5000 --as latent");
	volatile unsigned char *late = map(fd, 8 * PAGE, 0);
	EXPECT_ERROR(&late[5 * PAGE + 9], true, late + 5 * PAGE, 12);
	TOOL("clear-errors pmem0 --file f@0x5000 -n 8");
	CHECK(late[5 * PAGE] == 0 && place[5 * PAGE + 511] == 0 && place[5 * PAGE + 512] == 6, "a cleared sector is zero");
}

static void dies(void)
{
	int fd = make("f", 4 * PAGE);
	volatile unsigned char *place = map(fd, 4 * PAGE, 0);
	pid_t child;
	int status;

	TOOL("inject-error pmem0 --file f@0x1000 -n 8");
	for (int way = 0; way < 3; way++) {
		child = DONE(fork());
		if (child == 0) {
			sigset_t set;

			sigemptyset(&set);
			sigaddset(&set, SIGBUS);
			if (way == 1)
				signal(SIGBUS, SIG_IGN);
			if (way == 2)
				sigprocmask(SIG_BLOCK, &set, NULL);
			(void)place[PAGE];
			_exit(7);
		}
		DONE(waitpid(child, &status, 0));
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "way %d: the child ended with status %#x", way, status);
	}
	/* In a system call it is EFAULT. */
	int pipes[2];

	handle();
	DONE(pipe(pipes));
	REFUSED(write(pipes[1], (void *)&place[PAGE], 10), EFAULT);
}

/* Parent and child have the block through two files; the child says what it saw. */
static void owners(void)
{
	int fd = make("f", 16 * PAGE), clone = DONE(open("g", O_RDWR | O_CREAT, 0600));
	int go[2], answer[2], early;
	char byte = 0;

	DONE(ioctl(clone, FICLONE, fd));
	DONE(pipe(go));
	DONE(pipe(answer));
	handle();
	for (early = 0; early < 2; early++) {
		pid_t child = DONE(fork());

		if (child == 0) {
			volatile unsigned char *place = map(clone, 8 * PAGE, 2 * PAGE);

			handled = 0;
			DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, early ? PR_MCE_KILL_EARLY : PR_MCE_KILL_LATE, 0, 0));
			(void)place[PAGE];
			DONE((int)write(answer[1], "", 1));
			while (read(go[0], &byte, 1) != 1)
				;
			CHECK(handled == early, "%d signals, early %d", handled, early);
			if (early)
				EXPECT(BUS_MCEERR_AO, place + PAGE, 12);
			/* Each file by itself: where nobody is told nothing is unmapped. */
			CHECK(is_present(&place[PAGE]) == !early, "the clone's page, early %d", early);
			CHECK(place[PAGE] == 4, "after software poison the bytes are there again");
			_exit(0);
		}

		volatile unsigned char *place = map(fd, 16 * PAGE, 0);

		handled = 0;
		DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
		DONE((int)read(answer[0], &byte, 1));
		(void)place[3 * PAGE];
		TOOL("inject-error . --file g@0x3000 --as poison");
		CHECK(handled == 1, "the parent got %d signals", handled);
		EXPECT(BUS_MCEERR_AO, place + 3 * PAGE, 12);
		CHECK(!is_present(&place[3 * PAGE]), "the page is still there");
		DONE((int)write(go[1], "", 1));
		reap(child, "the one with the clone");
		munmap((void *)place, 16 * PAGE);
	}
}

static void copies(void)
{
	int fd = make("f", 8 * PAGE);
	volatile unsigned char *copy = mmap(NULL, 8 * PAGE, BOTH, MAP_PRIVATE, fd, 0);
	volatile unsigned char *place = map(fd, 8 * PAGE, 0);

	handle();
	copy[2 * PAGE] = 77;
	(void)copy[3 * PAGE];
	TOOL("inject-error . --file f@0x2000 -n 16 --as machine-check");
	CHECK(copy[2 * PAGE] == 77 && copy[2 * PAGE + 1] == 3, "a private copy is ordinary memory");
	EXPECT_ERROR(&copy[3 * PAGE], false, copy + 3 * PAGE, 12);
	EXPECT_ERROR(&copy[3 * PAGE], true, copy + 3 * PAGE, 12);
	CHECK(fails(&place[2 * PAGE], false), "the file's own page is good");
	CHECK(copy[2 * PAGE] == 77, "the copy after others have failed");
	TOOL("clear-errors .");
	CHECK(copy[2 * PAGE] == 77 && copy[3 * PAGE] == 0 && place[2 * PAGE] == 0, "cleared");
}

static void shapes(void)
{
	int fd = make("f", 16 * PAGE);
	volatile unsigned char *place = map(fd, 16 * PAGE, 0);

	handle();
	TOOL("inject-error . --file f@0x2000 -n 32");
	for (int page = 2; page < 6; page++)
		CHECK(fails(&place[page * (int)PAGE], false), "page %d is good", page);
	/* A hole in the place of bad blocks is a hole; what comes into it has other blocks, or blocks that were made good. */
	DONE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE, PAGE));
	CHECK(place[2 * PAGE] == 0, "a hole in the place of a bad block");
	place[2 * PAGE] = 5;
	CHECK(place[2 * PAGE] == 5, "what is stored into the hole");
	CHECK(fails(&place[3 * PAGE], false), "its neighbour is still bad");
	DONE(ftruncate(fd, 3 * PAGE));
	CHECK(fails(&place[3 * PAGE], false) && seen.si_code == BUS_ADRERR, "behind the end: code %d", seen.si_code);
	DONE(ftruncate(fd, 16 * PAGE));
	CHECK(place[3 * PAGE] == 0 && place[5 * PAGE] == 0, "the file again, without its bad blocks");
	place[5 * PAGE] = 8;
	CHECK(place[5 * PAGE] == 8 && place[PAGE] == 2, "bytes in the end");
}

static void huge(void)
{
	int fd = DONE(open("f", O_RDWR | O_CREAT, 0600));
	volatile unsigned char *place;

	DONE(ftruncate(fd, 4 * HUGE));
	DONE(posix_fallocate(fd, 0, 4 * HUGE));
	place = map(fd, 4 * HUGE, 0);
	memset((void *)place, 9, 4 * HUGE);
	handle();
	TOOL("inject-error . --file f@0x205000");
	EXPECT_ERROR(&place[HUGE + 5 * PAGE + 1], false, place + HUGE + 5 * PAGE, 21);
	for (size_t at = 0; at < 4 * HUGE; at += PAGE)
		if (at != HUGE + 5 * PAGE)
			CHECK(place[at] == 9, "the byte at %#zx", at);
	TOOL("clear-errors .");
	CHECK(place[HUGE + 5 * PAGE] == 0 && place[HUGE + 5 * PAGE + 512] == 9, "made good");
}

static void advice(void)
{
	int fd = make("f", 8 * PAGE);
	volatile unsigned char *place = map(fd, 8 * PAGE, 0);
	volatile unsigned char *copy = mmap(NULL, 8 * PAGE, BOTH, MAP_PRIVATE, fd, 0);

	handle();
	DONE(madvise((void *)(place + 4 * PAGE), PAGE, 100 /* MADV_HWPOISON */));
	CHECK(handled == 1, "%d signals", handled);
	EXPECT(BUS_MCEERR_AR, place + 4 * PAGE, 12);
	CHECK(!is_present(&place[4 * PAGE]) && place[4 * PAGE] == 5, "unmapped, and mapped again");
	copy[PAGE] = 1;
	REFUSED(madvise((void *)(copy + PAGE), PAGE, 100), EPERM);
	REFUSED(madvise((void *)(copy + PAGE), PAGE, 101 /* MADV_SOFT_OFFLINE */), EPERM);
}

static void shutdown(void)
{
	int fd = make("f", 8 * PAGE);
	volatile unsigned char *place = map(fd, 8 * PAGE, 0);
	char byte;

	CHECK(place[PAGE] == 2, "the file");
	CHECK(tool("inject-error pmem0 -B 0 --as poison 2> message") != 0, "the filesystem's own blocks can fail");
	REFUSED(pread(fd, &byte, 1, 0), EIO);
	REFUSED(fsync(fd), EIO);
	REFUSED(open("new", O_RDWR | O_CREAT, 0600), EIO);
	/* What is mapped stays mapped. */
	CHECK(place[PAGE] == 2, "the page that was there");
	handle();
	CHECK(fails(&place[2 * PAGE], false) && seen.si_code == BUS_ADRERR, "a page that was not: code %d", seen.si_code);
}

/* Errors that nobody knows of yet are met by whoever copies the page, too. */
static void copied(void)
{
	int fd = make("f", 8 * PAGE), clone = DONE(open("g", O_RDWR | O_CREAT, 0600));
	volatile unsigned char *place = map(fd, 8 * PAGE, 0), *copy = mmap(NULL, 8 * PAGE, BOTH, MAP_PRIVATE, fd, 0);

	handle();
	DONE(ioctl(clone, FICLONE, fd));
	TOOL("inject-error . --file f@0x3000 -n 8 --as latent");
	CHECK(fails(&place[3 * PAGE + 7], true), "a store, of which the rest of the page must be copied");
	REFUSED(pwrite(fd, "x", 1, 3 * PAGE + 9), EIO);
	REFUSED(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * PAGE + 9, 5), EIO);
	CHECK(fails(&copy[3 * PAGE], true), "a private store");
	CHECK(pwrite(fd, "x", 1, 2 * PAGE) == 1 && place[2 * PAGE] == 'x' && place[2 * PAGE + 1] == 3, "the page beside it");
}

int main(int count, char **words)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = { { "touch", touches }, { "die", dies },	 { "owners", owners },	     { "private", copies },
		      { "shapes", shapes }, { "huge", huge }, { "advice", advice }, { "shutdown", shutdown },
		      { "copied", copied } };

	CHECK(count == 3, "usage: file-error CASE SOFTDAX");
	softdax = words[2];
	for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
		if (strcmp(words[1], cases[index].name) == 0) {
			cases[index].run();
			return 0;
		}
	}
	fail("no case %s", words[1]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-removal CASE SOFTDAX: what programs see when the device of the mounted filesystem that they stand in is unbound.  SOFTDAX does
 * it from outside, as a user does.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "file-program.h"

/* Pages of two mappings, of eight pages each, that a BUS_MCEERR_AO named. */
static volatile unsigned int told;
static volatile unsigned char *windows[2];

static void note_page(const siginfo_t *info)
{
	for (unsigned int i = 0; i < 2; i++) {
		uintptr_t offset = (uintptr_t)info->si_addr - (uintptr_t)windows[i];

		if (info->si_code == BUS_MCEERR_AO && windows[i] && offset < 8 * PAGE)
			told |= 1u << (8 * i + offset / PAGE);
	}
}

#define EXPECT_GONE(byte, stores)                                                                                      \
	do {                                                                                                           \
		CHECK(fails(byte, stores), "line %d: %s is there", __LINE__, #byte);                                   \
		CHECK(seen.si_code == BUS_ADRERR && seen.si_addr == (void *)(byte), "line %d: si_code %d, si_addr %p", \
		      __LINE__, seen.si_code, seen.si_addr);                                                           \
	} while (0)

/* A child that has done `begin`, and does `end` when it is told to go on. */
struct partner {
	pid_t process;
	int go, answer;
};

static struct partner start(void (*begin)(int fd), void (*end_with)(void), int fd)
{
	int go[2], answer[2];
	struct partner partner;
	char byte;

	DONE(pipe(go));
	DONE(pipe(answer));
	partner.process = DONE(fork());
	if (partner.process == 0) {
		close(go[1]);
		close(answer[0]);
		windows[0] = windows[1] = NULL;
		handled = 0;
		begin(fd);
		DONE((int)write(answer[1], "", 1));
		while (read(go[0], &byte, 1) < 0)
			;
		end_with();
		_exit(0);
	}
	close(go[0]);
	close(answer[1]);
	partner.go = go[1];
	partner.answer = answer[0];
	CHECK(read(partner.answer, &byte, 1) == 1, "the child does not begin");
	return partner;
}

static void end(struct partner partner, const char *what)
{
	DONE((int)write(partner.go, "", 1));
	reap(partner.process, what);
}

static volatile unsigned char *own;

static void have_two(int fd)
{
	own = map(fd, 8 * PAGE, 0);
	(void)own[PAGE];
	(void)own[3 * PAGE];
}

static void have_two_and_die(int fd)
{
	signal(SIGBUS, SIG_DFL);
	have_two(fd);
}

static void have_none(int fd)
{
	signal(SIGBUS, SIG_DFL);
	own = map(fd, 8 * PAGE, 0);
}

static void nothing(void)
{
}

static void was_told(void)
{
	CHECK(handled >= 1 && seen.si_code == BUS_MCEERR_AO && seen.si_addr_lsb == 12, "%d signals, code %d", handled, seen.si_code);
	EXPECT_GONE(&own[3 * PAGE + 5], false);
}

static void was_not_told(void)
{
	CHECK(handled == 0, "%d signals", handled);
}

static void filesystem_is_gone(int fd)
{
	struct stat status;
	char byte;

	REFUSED(pread(fd, &byte, 1, 0), EIO);
	REFUSED(pwrite(fd, &byte, 1, 0), EIO);
	REFUSED(fsync(fd), EIO);
	REFUSED(open("new", O_RDWR | O_CREAT, 0600), EIO);
	REFUSED(stat("f", &status), EIO);
	CHECK(tool("unbind . 2> /dev/null") != 0, "it can be unbound twice");
	CHECK(tool("inject-error pmem0 -B 0 --as poison 2> /dev/null") != 0, "what is gone can fail");
}

/* From 6.12 on: whoever maps a page, by whatever file, asked for or not. */
static void announced(void)
{
	int fd = make("f", 8 * PAGE), clone = DONE(open("g", O_RDWR | O_CREAT, 0600)), status;
	volatile unsigned char *place, *copy;

	DONE(ioctl(clone, FICLONE, fd));
	noticed = note_page;
	handle();
	DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));

	struct partner dies = start(have_two_and_die, nothing, fd);
	struct partner reads = start(have_none, was_not_told, fd);
	struct partner clones = start(have_two, was_told, clone);
	struct partner stopped = start(have_two, was_told, make("s", 8 * PAGE));

	DONE(kill(stopped.process, SIGSTOP));
	DONE(waitpid(stopped.process, &status, WUNTRACED));
	CHECK(WIFSTOPPED(status), "not stopped");

	copy = mmap(NULL, 8 * PAGE, BOTH, MAP_PRIVATE, fd, 0);
	copy[2 * PAGE] = 77;
	(void)copy[5 * PAGE];
	place = map(fd, 8 * PAGE, 0);
	/* Of shared blocks one window shows a page at a time: this file's own, from here on. */
	place[4 * PAGE] = 44;
	place[6 * PAGE] = 66;
	windows[0] = place;
	windows[1] = copy;
	handled = 0;
	told = 0;
	CHECK(tool("unbind .") == 0, "unbind");

	/* One that comes while another waits is none: so not all of them, but no other. */
	unsigned int shown = 1u << 4 | 1u << 6 | 1u << (8 + 5);

	CHECK(told && !(told & ~shown), "%d signals, pages %#x", handled, told);
	CHECK(seen.si_addr_lsb == 12, "lsb %d", seen.si_addr_lsb);
	for (int page = 0; page < 8; page++)
		EXPECT_GONE(&place[page * (int)PAGE + 9], page & 1);
	CHECK(copy[2 * PAGE] == 77 && copy[2 * PAGE + 1] == 3, "a private copy is ordinary memory");
	EXPECT_GONE(&copy[5 * PAGE], false);
	EXPECT_GONE(&copy[5 * PAGE], true);
	filesystem_is_gone(fd);

	DONE(waitpid(dies.process, &status, 0));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "who has no handler ended with %#x", status);
	end(reads, "the one without a page");
	end(clones, "the one with the clone");
	DONE(kill(stopped.process, SIGCONT));
	end(stopped, "the one that was stopped");
}

/* 6.1: as a failure of the whole device. */
static void early(void)
{
	DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
}

static void have_two_early(int fd)
{
	early();
	have_two(fd);
}

static void unannounced(void)
{
	int fd = make("f", 8 * PAGE), other = make("h", 8 * PAGE);
	volatile unsigned char *place, *late;

	handle();
	DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
	place = map(fd, 8 * PAGE, 0);
	late = map(other, 8 * PAGE, 0);
	struct partner asked = start(have_two_early, was_told, fd);

	(void)place[3 * PAGE];
	late[2 * PAGE] = 22;
	CHECK(tool("unbind pmem0") == 0, "unbind");
	CHECK(handled == 0, "%d signals for who asked for none", handled);
	CHECK(late[2 * PAGE] == 22 && late[2 * PAGE + 1] == 3, "what is mapped stays");
	EXPECT_GONE(&place[3 * PAGE], false);
	EXPECT_GONE(&late[5 * PAGE], true);
	filesystem_is_gone(fd);
	end(asked, "the one that asked to be told early");
}

int main(int count, char **words)
{
	CHECK(count == 3, "usage: file-removal CASE SOFTDAX");
	softdax = words[2];
	if (strcmp(words[1], "announced") == 0)
		announced();
	else if (strcmp(words[1], "unannounced") == 0)
		unannounced();
	else
		fail("no case %s", words[1]);
	return 0;
}

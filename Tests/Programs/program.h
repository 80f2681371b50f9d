/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.h - what the test programs share.  They are ordinary programs that know nothing of softdax: exit status 0, or
 * one line on standard error that says what was wrong, and 1.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif

#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)
#define BOTH (PROT_READ | PROT_WRITE)

__attribute__((noreturn, format(printf, 1, 2), unused)) static void fail(const char *format, ...)
{
	va_list list;

	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	_exit(1);
}

#define CHECK(condition, ...)              \
	do {                               \
		if (!(condition))          \
			fail(__VA_ARGS__); \
	} while (0)

/* The call must fail with that errno. */
#define REFUSED(call, with)                                                                                           \
	do {                                                                                                          \
		errno = 0;                                                                                            \
		long result_ = (long)(call);                                                                          \
		if (result_ != -1 || errno != (with))                                                                 \
			fail("line %d: %s: %s, not %s", __LINE__, #call, result_ == -1 ? strerror(errno) : "success", \
			     strerror(with));                                                                         \
	} while (0)

/* The call must succeed. */
#define DONE(call)                                                                           \
	({                                                                                   \
		__typeof__(call) result_ = (call);                                           \
		if ((long)result_ == -1)                                                     \
			fail("line %d: %s: %s", __LINE__, #call, strerror(errno));           \
		result_;                                                                     \
	})

__attribute__((unused)) static int open_device(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	CHECK(fd >= 0, "open %s: %s", path, strerror(errno));
	return fd;
}

__attribute__((unused)) static volatile unsigned char *map(int fd, size_t length, off_t offset)
{
	void *place = mmap(NULL, length, BOTH, MAP_SHARED, fd, offset);

	CHECK(place != MAP_FAILED, "mmap of %zu bytes at %lld: %s", length, (long long)offset, strerror(errno));
	return place;
}

__attribute__((unused)) static const char *device_argument(int count, char **words)
{
	if (count < 2) {
		fprintf(stderr, "usage: %s DEVICE\n", words[0]);
		exit(2);
	}
	return words[1];
}

/* ------------------------------------------------------------------ signals of a touch */

static __thread sigjmp_buf touch_return;
static __thread volatile sig_atomic_t touching;
static __thread volatile siginfo_t touch_info;

__attribute__((unused)) static void on_touch(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (!touching) {
		static const char text[] = "a signal that no touch has asked for\n";

		(void)!write(2, text, sizeof text - 1);
		signal(number, SIG_DFL);
		return;
	}
	touch_info.si_signo = number;
	touch_info.si_code = info->si_code;
	touch_info.si_addr = info->si_addr;
	siglongjmp(touch_return, 1);
}

__attribute__((unused)) static void catch_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_touch, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

/* Reads or writes a byte: 0, or the signal; its code is in touch_info. */
__attribute__((unused)) static int touch(volatile unsigned char *byte, bool writes)
{
	int number = 0;

	touching = 1;
	if (sigsetjmp(touch_return, 1) != 0)
		number = touch_info.si_signo;
	else if (writes)
		*byte = *byte + 1;
	else
		(void)*byte;
	touching = 0;
	return number;
}

#define EXPECT_SIGNAL(byte, writes, number, code)                                                                    \
	do {                                                                                                         \
		int got_ = touch(byte, writes);                                                                      \
		if (got_ != (number) || touch_info.si_code != (code))                                                \
			fail("line %d: touch of %s: signal %d code %d, not %d code %d", __LINE__, #byte, got_,       \
			     got_ ? touch_info.si_code : 0, number, code);                                           \
	} while (0)

/* Waits for a child that must exit with 0. */
__attribute__((unused)) static void reap(pid_t child, const char *what)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child, "%s: waitpid: %s", what, strerror(errno));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: the child ended with status %#x", what, status);
}

#endif

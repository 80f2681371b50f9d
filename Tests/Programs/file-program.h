/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file-program.h - what programs share that stand in a mounted filesystem and have softdax break it from outside, as a user does.
 */
#ifndef FILE_PROGRAM_H
#define FILE_PROGRAM_H

#include "program.h"

/* The command. */
static const char *softdax;

/* The last SIGBUS, and how many there were. */
static volatile siginfo_t seen;
static volatile sig_atomic_t handled;
/* In the handler. */
static void (*volatile noticed)(const siginfo_t *info);

static volatile sig_atomic_t jumps;
static sigjmp_buf back;

static void on_error(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	seen.si_code = info->si_code;
	seen.si_addr = info->si_addr;
	seen.si_addr_lsb = info->si_addr_lsb;
	handled++;
	if (noticed)
		noticed(info);
	if (jumps)
		siglongjmp(back, 1);
}

static void handle(void)
{
	struct sigaction action = { .sa_sigaction = on_error, .sa_flags = SA_SIGINFO | SA_RESTART };

	handled = 0;
	DONE(sigaction(SIGBUS, &action, NULL));
}

__attribute__((format(printf, 1, 2))) static int tool(const char *format, ...)
{
	char line[512];
	int used = snprintf(line, sizeof line, "%s ", softdax);
	va_list list;

	va_start(list, format);
	vsnprintf(line + used, sizeof line - (size_t)used, format, list);
	va_end(list);
	return system(line);
}

#define TOOL(...) CHECK(tool(__VA_ARGS__) == 0, "line %d: a tool failed", __LINE__)

/* Loads or stores a byte; whether a handler had to come. */
static bool fails(volatile unsigned char *byte, bool stores)
{
	volatile bool failed = true;

	jumps = 1;
	if (sigsetjmp(back, 1) == 0) {
		if (stores)
			*byte = 7;
		else
			(void)*byte;
		failed = false;
	}
	jumps = 0;
	return failed;
}

/* A file whose pages are each full of a byte of its own. */
static int make(const char *name, size_t length)
{
	int fd = DONE(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));

	for (size_t at = 0; at < length; at += PAGE) {
		unsigned char page[PAGE];

		memset(page, (int)(at / PAGE % 251 + 1), PAGE);
		CHECK(pwrite(fd, page, PAGE, (off_t)at) == (ssize_t)PAGE, "pwrite: %s", strerror(errno));
	}
	return fd;
}

#endif

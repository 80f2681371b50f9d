/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - streams on attributes: `echo 1 > /sys/bus/nd/...` of a shell, fprintf() and fclose().
 *
 * What stdio writes goes past every hook. So a stream on an attribute that is to be written is one whose writes are a function of
 * ours, and while standard output is such an attribute, so is `stdout`: an error is the stream's, as it would be.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "paths.h"
#include "raw.h"

static ssize_t read_stream(void *cookie, char *buffer, size_t size)
{
	return sd_result(SD_RAW3(SYS_read, (intptr_t)cookie, buffer, size));
}

/* 0 is failure to stdio. */
static ssize_t write_stream(void *cookie, const char *buffer, size_t size)
{
	ssize_t done = write((int)(intptr_t)cookie, buffer, size);

	return done < 0 ? 0 : done;
}

static int seek_stream(void *cookie, off64_t *offset, int whence)
{
	off64_t place = lseek64((int)(intptr_t)cookie, *offset, whence);

	if (place < 0)
		return -1;
	*offset = place;
	return 0;
}

static int close_stream(void *cookie)
{
	return (int)sd_result(SD_RAW1(SYS_close, (intptr_t)cookie));
}

static FILE *make(int descriptor, const char *mode, int (*close)(void *))
{
	cookie_io_functions_t functions = { read_stream, write_stream, seek_stream, close };
	FILE *stream = fopencookie((void *)(intptr_t)descriptor, mode, functions);

	if (stream)
		stream->_fileno = descriptor; /* for fileno() */
	return stream;
}

FILE *sd_attribute_stream(int descriptor, const char *mode)
{
	return make(descriptor, mode, close_stream);
}

SD_EXPORT FILE *fdopen(int descriptor, const char *mode)
{
	return sd_is_written_attribute(descriptor) ? sd_attribute_stream(descriptor, mode) : SD_NEXT(fdopen)(descriptor, mode);
}

/* ------------------------------------------------------------------ stdout */

static FILE *own;    /* libc's, while `stdout` is ours */
static long process; /* a child of vfork() has the variables of its parent, but not its descriptors */

void sd_stdout_flush(void)
{
	if (own && SD_RAW0(SYS_getpid) == process)
		fflush(stdout);
}

void sd_stdout_follow(void)
{
	bool wanted = sd_is_written_attribute(STDOUT_FILENO);

	if (wanted == (own != NULL) || SD_RAW0(SYS_getpid) != process)
		return;
	if (wanted) {
		FILE *stream = make(STDOUT_FILENO, "w", NULL);

		if (stream) {
			own = stdout;
			stdout = stream;
		}
	} else {
		FILE *stream = stdout;

		stdout = own;
		own = NULL;
		fclose(stream);
	}
}

void sd_stdout_after_fork(void)
{
	process = SD_RAW0(SYS_getpid);
}

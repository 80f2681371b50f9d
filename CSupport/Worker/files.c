/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of actors on files, and with mappings as the buffers of system calls. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

static const char buffer_file[] = "/tmp/.softdax-worker-buffer";

/* pread, pwrite PATH OFFSET LENGTH [direct]; a write is 0x77 and is followed by fsync. */
static void transfer(struct call *call, bool writes)
{
	bool direct = call->count > 4 && !strcmp(call->words[4], "direct");
	int file = open(real_path(call->words[1]), (writes ? O_RDWR : O_RDONLY) | (direct ? O_DIRECT : 0));
	off_t offset = number(call->words[2]);
	size_t length = (size_t)number(call->words[3]);
	int error, sync_error = 0, first;
	unsigned char *buffer;
	ssize_t count;

	if (file < 0) {
		answer(call, "\"err\":\"open: %s\"", error_name(errno));
		return;
	}
	buffer = aligned_alloc(4096, (length + 4096) & ~(size_t)4095);
	if (!buffer)
		abort();
	memset(buffer, 0x77, length);
	count = writes ? pwrite(file, buffer, length, offset) : pread(file, buffer, length, offset);
	error = errno;
	first = count > 0 ? buffer[0] : -1;
	if (writes && count >= 0 && fsync(file))
		sync_error = errno;
	close(file);
	free(buffer);
	if (count < 0)
		answer_error(call, error);
	else if (writes)
		answer(call, "\"bytes\":%zd,\"fsync\":\"%s\"", count, sync_error ? error_name(sync_error) : "ok");
	else
		answer(call, "\"bytes\":%zd,\"first\":%d", count, first);
}

static void read_file(struct call *call)
{
	transfer(call, false);
}

static void write_file(struct call *call)
{
	transfer(call, true);
}

/* wbuf, rbuf NAME OFFSET LENGTH: write(2) from the mapping, read(2) of zeroes into it. */
static void buffer(struct call *call, bool writes)
{
	struct window *window = window_asked(call, call->words[1]);
	size_t length = (size_t)number(call->words[3]);
	ssize_t count = -1;
	void *bytes;
	int file, error;

	if (!window)
		return;
	bytes = (void *)(window->base + (uintptr_t)number(call->words[2]));
	file = open(buffer_file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (writes)
		count = write(file, bytes, length);
	else if (ftruncate(file, (off_t)length) == 0)
		count = read(file, bytes, length);
	error = errno;
	close(file);
	unlink(buffer_file);
	if (count < 0)
		answer_error(call, error);
	else
		answer(call, "\"bytes\":%zd", count);
}

static void write_from(struct call *call)
{
	buffer(call, true);
}

static void read_into(struct call *call)
{
	buffer(call, false);
}

static void cut(struct call *call)
{
	if (truncate(real_path(call->words[1]), number(call->words[2])))
		answer_error(call, errno);
	else
		answer_ok(call);
}

/* falloc PATH plain|punch|zero|unshare OFFSET LENGTH */
static void allocate(struct call *call)
{
	const char *what = call->words[2];
	int mode = !strcmp(what, "punch")     ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
		   : !strcmp(what, "zero")    ? FALLOC_FL_ZERO_RANGE
		   : !strcmp(what, "unshare") ? FALLOC_FL_UNSHARE_RANGE
					      : 0;
	int file = open(real_path(call->words[1]), O_RDWR);
	int failed = fallocate(file, mode, number(call->words[3]), number(call->words[4])), error = errno;

	if (file >= 0)
		close(file);
	if (failed)
		answer_error(call, error);
	else
		answer_ok(call);
}

const struct operation file_operations[] = {
	{"pread", 4, read_file},   {"pwrite", 4, write_file}, {"wbuf", 4, write_from}, {"rbuf", 4, read_into},
	{"truncate", 3, cut},      {"falloc", 5, allocate},   {NULL, 0, NULL},
};

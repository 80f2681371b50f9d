/* SPDX-License-Identifier: Apache-2.0 */
/* create, rm, fsync, ftruncate, fallocate, write, clone-range: what #= lines say for a shell's tools. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker.h"

static int fill(int file, off_t offset, size_t length, int value)
{
	char *bytes = malloc(length + 1);
	int error = 0;

	if (!bytes)
		abort();
	memset(bytes, value, length);
	if (pwrite(file, bytes, length, offset) != (ssize_t)length)
		error = errno;
	free(bytes);
	return error;
}

static int clone_range(char **words)
{
	int source = open(real_path(words[1]), O_RDONLY), target = open(real_path(words[2]), O_RDWR | O_CREAT, 0600);
	struct file_clone_range range = {
		.src_fd = source,
		.src_offset = (uint64_t)number(words[3]),
		.src_length = (uint64_t)number(words[5]),
		.dest_offset = (uint64_t)number(words[4]),
	};
	int error = ioctl(target, FICLONERANGE, &range) ? errno : 0;

	close(source);
	close(target);
	return error;
}

int file_work(const char *operation)
{
	char copy[LINE], *words[8], *rest;
	int count = 0, file, error = 0;

	snprintf(copy, sizeof copy, "%s", operation);
	for (char *word = strtok_r(copy, " ", &rest); word && count < 8; word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	if (count == 6 && !strcmp(words[0], "clone-range"))
		return clone_range(words);
	if (count == 2 && !strcmp(words[0], "rm"))
		return unlink(real_path(words[1])) ? errno : 0;
	if (count < 2 || strncmp(words[1], "/mnt", 4))
		return EOPNOTSUPP;
	file = open(real_path(words[1]), O_RDWR | (strcmp(words[0], "fsync") ? O_CREAT : 0), 0600);
	if (file < 0)
		return errno;
	if (count == 2 && !strcmp(words[0], "create"))
		error = 0;
	else if (count == 2 && !strcmp(words[0], "fsync"))
		error = fsync(file) ? errno : 0;
	else if (count == 3 && !strcmp(words[0], "ftruncate"))
		error = ftruncate(file, number(words[2])) ? errno : 0;
	else if (count == 5 && !strcmp(words[0], "fallocate"))
		error = fallocate(file,
				  !strcmp(words[2], "punch")  ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
				  : !strcmp(words[2], "zero") ? FALLOC_FL_ZERO_RANGE
							      : 0,
				  number(words[3]), number(words[4]))
				? errno
				: 0;
	else if (count == 5 && !strcmp(words[0], "write"))
		error = fill(file, number(words[2]), (size_t)number(words[3]), (int)number(words[4]));
	else
		error = EOPNOTSUPP;
	close(file);
	return error;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * standard.c - `echo > /dev/dax0.0` writes nothing.
 *
 * What stdio writes goes past every hook, and a node's file would keep it. So a node that becomes standard input, output
 * or error is made a descriptor for reading, on which the kernel itself refuses a write: EBADF for the driver's EINVAL. An
 * attribute has a stream of its own (stream.c).
 */
#include <errno.h>
#include <unistd.h>

#include "paths.h"

static void guard(int descriptor)
{
	int error = errno;
	const struct sd_table_entry *entry = sd_entry_of_io(descriptor);
	struct sd_place place;

	if (entry && (SD_NEXT(fcntl)(descriptor, F_GETFL) & O_ACCMODE) != O_RDONLY) {
		sd_find(&place, AT_FDCWD, entry->path, true);
		int reader = SD_NEXT(openat)(place.at, place.path, O_RDONLY | O_CLOEXEC);
		if (reader >= 0) {
			SD_NEXT(dup2)(reader, descriptor);
			SD_NEXT(close)(reader);
		}
	}
	if (descriptor == STDOUT_FILENO)
		sd_stdout_follow();
	errno = error;
}

void sd_guard_standard_streams(void)
{
	sd_stdout_after_fork();
	for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++)
		guard(descriptor);
}

SD_EXPORT int dup2(int descriptor, int other)
{
	if (other == STDOUT_FILENO)
		sd_stdout_flush();

	int result = SD_NEXT(dup2)(descriptor, other);

	if (result >= STDIN_FILENO && result <= STDERR_FILENO)
		guard(result);
	return result;
}

SD_EXPORT int dup3(int descriptor, int other, int flags)
{
	if (other == STDOUT_FILENO)
		sd_stdout_flush();

	int result = SD_NEXT(dup3)(descriptor, other, flags);

	if (result >= STDIN_FILENO && result <= STDERR_FILENO)
		guard(result);
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attribute.c - what is written to the session's /sys goes to the server, which does what the kernel would.
 *
 * An attribute that a program opened for writing is a descriptor through which nothing can be written behind the hooks'
 * back: O_WRONLY has become O_PATH | O_NOFOLLOW, O_RDWR has become O_RDONLY | O_APPEND. By these flags, which belong to the open file
 * and not to a number, it is known after dup(), fork() and exec too.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "core.h"
#include "paths.h"

#define WRITE_ONLY (O_PATH | O_NOFOLLOW)
#define READ_WRITE (O_RDONLY | O_APPEND)

int sd_attribute_flags(const struct sd_place *place, int flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY, reads = (flags & O_ACCMODE) != O_WRONLY;
	struct stat facts;

	if (SD_RAW4(SYS_newfstatat, place->at, place->path, &facts, AT_SYMLINK_NOFOLLOW) != 0)
		return flags;
	if (S_ISDIR(facts.st_mode) && writes)
		return -EISDIR;
	if (!S_ISREG(facts.st_mode))
		return flags;
	/* kernfs refuses even root what the mode does not allow */
	if ((writes && !(facts.st_mode & 0222)) || (reads && !(facts.st_mode & 0444)))
		return -EACCES;
	if (!writes)
		return flags & ~O_APPEND;
	sd_descriptors_shown = true;
	return reads ? (flags & ~O_ACCMODE) | READ_WRITE : (flags & O_CLOEXEC) | WRITE_ONLY;
}

bool sd_is_attribute(int descriptor, const struct stat *facts)
{
	if (facts->st_dev != sd_host()->tree.device || !S_ISREG(facts->st_mode) || !(facts->st_mode & 0222))
		return false;

	long flags = SD_RAW2(SYS_fcntl, descriptor, F_GETFL);

	return !sd_failed(flags) &&
	       ((flags & O_PATH) ? (flags & O_NOFOLLOW) != 0 : (flags & (O_ACCMODE | O_APPEND)) == READ_WRITE);
}

bool sd_is_written_attribute(int descriptor)
{
	struct stat facts;

	return sd_descriptors_shown && descriptor >= 0 && SD_RAW2(SYS_fstat, descriptor, &facts) == 0 &&
	       sd_is_attribute(descriptor, &facts);
}

/* Copies up to `room` bytes of the vector; -EFAULT as the kernel. */
static long gather(uint8_t *bytes, size_t room, const struct iovec *vector, size_t count)
{
	size_t done = 0;

	if (count > IOV_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count && done < room; i++) {
		struct iovec piece;

		if (!sd_peek(&piece, &vector[i], sizeof piece))
			return -EFAULT;
		size_t some = piece.iov_len < room - done ? piece.iov_len : room - done;
		if (some && !sd_peek(bytes + done, piece.iov_base, some))
			return -EFAULT;
		done += some;
	}
	return (long)done;
}

long sd_write_attribute(const struct stat *facts, const struct iovec *vector, size_t count)
{
	struct {
		struct sd_write_attribute head;
		uint8_t bytes[SD_ATTRIBUTE_MOST];
	} message = { .head = { .header = sd_header_of(SD_WRITE_ATTRIBUTE), .node_dev = facts->st_dev, .node_ino = facts->st_ino } };
	struct sd_quiet quiet;
	long length = gather(message.bytes, sizeof message.bytes, vector, count);

	if (length <= 0)
		return length;
	message.head.length = (uint32_t)length;
	sd_quiet_begin(&quiet);
	long result = sd_request_done(&message, sizeof message.head + (size_t)length);
	sd_quiet_end(&quiet);
	return sd_failed(result) ? result : length;
}

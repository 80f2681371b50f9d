/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptors.c - I/O on a descriptor of a device, and buffers that lie in one.
 *
 * The driver has open, llseek, mmap and nothing else; each call answers as the kernel does for such a file. The control device has
 * ioctl besides.
 */
#include <errno.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "paths.h"
#include "raw.h"

static ssize_t fail(int error)
{
	errno = error;
	return -1;
}

/* The answer to a read or a write: EBADF if the descriptor was opened for the other only, before any driver is asked. */
static ssize_t refuse(int descriptor, int unfit)
{
	int flags = fcntl(descriptor, F_GETFL);

	if (flags < 0)
		return -1;
	return fail((flags & O_ACCMODE) == unfit || (flags & O_PATH) ? EBADF : EINVAL);
}

/* The kernel will fill it: nothing need be there yet. */
static void prepare_room(void *buffer, size_t size)
{
	__asm__("" : "+r"(buffer)); /* or the compiler warns that it is read uninitialised */
	sd_prepare_buffer(buffer, size);
}

bool sd_peek(void *copy, const void *from, size_t size)
{
	struct iovec here = { copy, size }, there = { (void *)(uintptr_t)from, size };

	sd_prepare_buffer(from, size);
	return SD_RAW6(SYS_process_vm_readv, SD_RAW0(SYS_getpid), &here, 1, &there, 1, 0) == (long)size;
}

/* What the kernel will refuse is left to it. */
static void prepare_vector(const struct iovec *vector, size_t count)
{
	struct iovec copy[16];

	if (!sd_buffers_matter() || count > IOV_MAX)
		return;
	while (count) {
		size_t some = count < 16 ? count : 16;

		if (!sd_peek(copy, vector, some * sizeof copy[0]))
			return;
		for (size_t i = 0; i < some; i++)
			sd_prepare_buffer(copy[i].iov_base, copy[i].iov_len);
		vector += some;
		count -= some;
	}
}

static void prepare_message(const struct msghdr *message)
{
	struct msghdr copy;

	if (sd_buffers_matter() && sd_peek(&copy, message, sizeof copy))
		prepare_vector(copy.msg_iov, copy.msg_iovlen);
}

static void prepare_messages(const struct mmsghdr *messages, unsigned count)
{
	if (sd_buffers_matter())
		for (unsigned i = 0; i < count && i < IOV_MAX; i++)
			prepare_message(&messages[i].msg_hdr);
}

/* ------------------------------------------------------------------ read */

SD_EXPORT ssize_t read(int descriptor, void *buffer, size_t size)
{
	if (sd_entry_of_io(descriptor))
		return refuse(descriptor, O_WRONLY);
	prepare_room(buffer, size);
	return SD_NEXT(read)(descriptor, buffer, size);
}

SD_EXPORT ssize_t pread(int descriptor, void *buffer, size_t size, off_t offset)
{
	if (sd_entry_of_io(descriptor))
		return refuse(descriptor, O_WRONLY);
	prepare_room(buffer, size);
	return SD_NEXT(pread)(descriptor, buffer, size, offset);
}

SD_EXPORT ssize_t pread64(int descriptor, void *buffer, size_t size, off64_t offset)
{
	return pread(descriptor, buffer, size, offset);
}

SD_EXPORT ssize_t readv(int descriptor, const struct iovec *vector, int count)
{
	if (sd_entry_of_io(descriptor))
		return refuse(descriptor, O_WRONLY);
	prepare_vector(vector, (size_t)count);
	return SD_NEXT(readv)(descriptor, vector, count);
}

SD_EXPORT ssize_t preadv(int descriptor, const struct iovec *vector, int count, off_t offset)
{
	if (sd_entry_of_io(descriptor))
		return refuse(descriptor, O_WRONLY);
	prepare_vector(vector, (size_t)count);
	return SD_NEXT(preadv)(descriptor, vector, count, offset);
}

SD_EXPORT ssize_t preadv64(int descriptor, const struct iovec *vector, int count, off64_t offset)
{
	return preadv(descriptor, vector, count, offset);
}

SD_EXPORT ssize_t preadv2(int descriptor, const struct iovec *vector, int count, off_t offset, int flags)
{
	if (sd_entry_of_io(descriptor))
		return refuse(descriptor, O_WRONLY);
	prepare_vector(vector, (size_t)count);
	return SD_NEXT(preadv2)(descriptor, vector, count, offset, flags);
}

SD_EXPORT ssize_t preadv64v2(int descriptor, const struct iovec *vector, int count, off64_t offset, int flags)
{
	return preadv2(descriptor, vector, count, offset, flags);
}

ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __pread_chk(int, void *, size_t, off_t, size_t);
ssize_t __pread64_chk(int, void *, size_t, off64_t, size_t);

SD_EXPORT ssize_t __read_chk(int descriptor, void *buffer, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return read(descriptor, buffer, size);
}

SD_EXPORT ssize_t __pread_chk(int descriptor, void *buffer, size_t size, off_t offset, size_t room)
{
	if (size > room)
		__chk_fail();
	return pread(descriptor, buffer, size, offset);
}

SD_EXPORT ssize_t __pread64_chk(int descriptor, void *buffer, size_t size, off64_t offset, size_t room)
{
	return __pread_chk(descriptor, buffer, size, offset, room);
}

/* ------------------------------------------------------------------ write */

/* Whether the descriptor is the driver's or an attribute's; then `result` is what the write returns. */
static bool is_ours(int descriptor, const struct iovec *vector, int count, ssize_t *result)
{
	struct stat facts;

	if (__builtin_expect(!sd_descriptors_shown, 1) || descriptor < 0 || SD_RAW2(SYS_fstat, descriptor, &facts) != 0)
		return false;
	if (sd_entry_of_identity(facts.st_dev, facts.st_ino))
		*result = refuse(descriptor, O_RDONLY);
	else if (sd_is_attribute(descriptor, &facts))
		*result = sd_result(sd_write_attribute(&facts, vector, (size_t)count));
	else
		return false;
	return true;
}

#define WRITE_OURS(descriptor, vector, count)                       \
	do {                                                        \
		ssize_t result_;                                    \
		if (is_ours(descriptor, vector, count, &result_))   \
			return result_;                             \
	} while (0)

#define PIECE(buffer, size) (&(struct iovec){ (void *)(uintptr_t)(buffer), (size) })

SD_EXPORT ssize_t write(int descriptor, const void *buffer, size_t size)
{
	WRITE_OURS(descriptor, PIECE(buffer, size), 1);
	sd_prepare_buffer(buffer, size);
	return SD_NEXT(write)(descriptor, buffer, size);
}

SD_EXPORT ssize_t pwrite(int descriptor, const void *buffer, size_t size, off_t offset)
{
	WRITE_OURS(descriptor, PIECE(buffer, size), 1);
	sd_prepare_buffer(buffer, size);
	return SD_NEXT(pwrite)(descriptor, buffer, size, offset);
}

SD_EXPORT ssize_t pwrite64(int descriptor, const void *buffer, size_t size, off64_t offset)
{
	return pwrite(descriptor, buffer, size, offset);
}

SD_EXPORT ssize_t writev(int descriptor, const struct iovec *vector, int count)
{
	WRITE_OURS(descriptor, vector, count);
	prepare_vector(vector, (size_t)count);
	return SD_NEXT(writev)(descriptor, vector, count);
}

SD_EXPORT ssize_t pwritev(int descriptor, const struct iovec *vector, int count, off_t offset)
{
	WRITE_OURS(descriptor, vector, count);
	prepare_vector(vector, (size_t)count);
	return SD_NEXT(pwritev)(descriptor, vector, count, offset);
}

SD_EXPORT ssize_t pwritev64(int descriptor, const struct iovec *vector, int count, off64_t offset)
{
	return pwritev(descriptor, vector, count, offset);
}

SD_EXPORT ssize_t pwritev2(int descriptor, const struct iovec *vector, int count, off_t offset, int flags)
{
	WRITE_OURS(descriptor, vector, count);
	prepare_vector(vector, (size_t)count);
	return SD_NEXT(pwritev2)(descriptor, vector, count, offset, flags);
}

SD_EXPORT ssize_t pwritev64v2(int descriptor, const struct iovec *vector, int count, off64_t offset, int flags)
{
	return pwritev2(descriptor, vector, count, offset, flags);
}

/* ------------------------------------------------------------------ from file to file */

SD_EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
	if (sd_entry_of_io(in))
		return refuse(in, O_WRONLY);
	if (sd_entry_of_io(out))
		return refuse(out, O_RDONLY);
	return SD_NEXT(sendfile)(out, in, offset, count);
}

SD_EXPORT ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	return sendfile(out, in, offset, count);
}

SD_EXPORT ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t count, unsigned flags)
{
	if (sd_entry_of_io(in))
		return refuse(in, O_WRONLY);
	if (sd_entry_of_io(out))
		return refuse(out, O_RDONLY);
	return SD_NEXT(splice)(in, in_offset, out, out_offset, count, flags);
}

SD_EXPORT ssize_t copy_file_range(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t count, unsigned flags)
{
	if (sd_entry_of_io(in) || sd_entry_of_io(out))
		return fail(EINVAL);
	return SD_NEXT(copy_file_range)(in, in_offset, out, out_offset, count, flags);
}

/* ------------------------------------------------------------------ position, size, durability */

/* The driver has noop_llseek: every call succeeds and the position, which nothing moves, is 0. So it is for what is written to
 * attributes. */
SD_EXPORT off_t lseek(int descriptor, off_t offset, int whence)
{
	if (!sd_entry_of_io(descriptor) && !sd_is_written_attribute(descriptor))
		return SD_NEXT(lseek)(descriptor, offset, whence);
	return whence < SEEK_SET || whence > SEEK_HOLE ? fail(EINVAL) : 0;
}

SD_EXPORT off64_t lseek64(int descriptor, off64_t offset, int whence)
{
	return lseek(descriptor, offset, whence);
}

SD_EXPORT int ftruncate(int descriptor, off_t length)
{
	if (sd_is_written_attribute(descriptor))
		return 0;
	return sd_entry_of_io(descriptor) ? (int)fail(EINVAL) : SD_NEXT(ftruncate)(descriptor, length);
}

SD_EXPORT int ftruncate64(int descriptor, off64_t length)
{
	return ftruncate(descriptor, length);
}

/* What fallocate() of a device fails with. */
static int fallocate_error(int descriptor, off_t offset, off_t length)
{
	int flags = fcntl(descriptor, F_GETFL);

	if (offset < 0 || length <= 0)
		return EINVAL;
	return (flags & O_ACCMODE) == O_RDONLY ? EBADF : ENODEV;
}

SD_EXPORT int fallocate(int descriptor, int mode, off_t offset, off_t length)
{
	if (sd_entry_of_io(descriptor))
		return (int)fail(fallocate_error(descriptor, offset, length));
	return SD_NEXT(fallocate)(descriptor, mode, offset, length);
}

SD_EXPORT int fallocate64(int descriptor, int mode, off64_t offset, off64_t length)
{
	return fallocate(descriptor, mode, offset, length);
}

SD_EXPORT int posix_fallocate(int descriptor, off_t offset, off_t length)
{
	if (sd_entry_of_io(descriptor))
		return fallocate_error(descriptor, offset, length);
	return SD_NEXT(posix_fallocate)(descriptor, offset, length);
}

SD_EXPORT int posix_fallocate64(int descriptor, off64_t offset, off64_t length)
{
	return posix_fallocate(descriptor, offset, length);
}

SD_EXPORT int fsync(int descriptor)
{
	return sd_entry_of_io(descriptor) ? (int)fail(EINVAL) : SD_NEXT(fsync)(descriptor);
}

SD_EXPORT int fdatasync(int descriptor)
{
	return sd_entry_of_io(descriptor) ? (int)fail(EINVAL) : SD_NEXT(fdatasync)(descriptor);
}

SD_EXPORT int sync_file_range(int descriptor, off64_t offset, off64_t count, unsigned flags)
{
	if (sd_entry_of_io(descriptor))
		return (int)fail(ESPIPE);
	return SD_NEXT(sync_file_range)(descriptor, offset, count, flags);
}

/* ------------------------------------------------------------------ ioctl */

SD_EXPORT int ioctl(int descriptor, unsigned long request, ...)
{
	va_list arguments;

	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	switch (request) {
	case FIOCLEX: /* these are the kernel's own for every file */
	case FIONCLEX:
	case FIONBIO:
	case FIOASYNC:
		break;
	default:;
		const struct sd_table_entry *entry = sd_entry_of_io(descriptor);
		if (entry && entry->node == SD_NODE_NDCTL)
			return (int)sd_result(sd_control(descriptor, request, (uintptr_t)argument));
		if (entry)
			return (int)fail(ENOTTY);
	}
	int result = SD_NEXT(ioctl)(descriptor, request, argument);

	if (result < 0 && (request == FICLONE || request == FICLONERANGE || request == FS_IOC_FIEMAP))
		return sd_share(descriptor, request, argument);
	return result;
}

/* ------------------------------------------------------------------ streams and sockets: only their buffers */

SD_EXPORT size_t fread(void *restrict buffer, size_t size, size_t count, FILE *restrict stream)
{
	prepare_room(buffer, size * count);
	return SD_NEXT(fread)(buffer, size, count, stream);
}

SD_EXPORT size_t fwrite(const void *restrict buffer, size_t size, size_t count, FILE *restrict stream)
{
	sd_prepare_buffer(buffer, size * count);
	return SD_NEXT(fwrite)(buffer, size, count, stream);
}

SD_EXPORT ssize_t send(int socket, const void *buffer, size_t size, int flags)
{
	sd_prepare_buffer(buffer, size);
	return SD_NEXT(send)(socket, buffer, size, flags);
}

SD_EXPORT ssize_t sendto(int socket, const void *buffer, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
	sd_prepare_buffer(buffer, size);
	return SD_NEXT(sendto)(socket, buffer, size, flags, to, length);
}

SD_EXPORT ssize_t recv(int socket, void *buffer, size_t size, int flags)
{
	prepare_room(buffer, size);
	return SD_NEXT(recv)(socket, buffer, size, flags);
}

SD_EXPORT ssize_t recvfrom(int socket, void *restrict buffer, size_t size, int flags, struct sockaddr *restrict from,
			   socklen_t *restrict length)
{
	prepare_room(buffer, size);
	return SD_NEXT(recvfrom)(socket, buffer, size, flags, from, length);
}

SD_EXPORT ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
{
	prepare_message(message);
	return SD_NEXT(sendmsg)(socket, message, flags);
}

/* A message may bring a descriptor of a device. */
SD_EXPORT ssize_t recvmsg(int socket, struct msghdr *message, int flags)
{
	prepare_message(message);
	ssize_t result = SD_NEXT(recvmsg)(socket, message, flags);
	if (result >= 0 && message->msg_controllen && sd_directory())
		sd_descriptors_shown = true;
	return result;
}

SD_EXPORT int sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags)
{
	prepare_messages(messages, count);
	return SD_NEXT(sendmmsg)(socket, messages, count, flags);
}

SD_EXPORT int recvmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	prepare_messages(messages, count);
	int result = SD_NEXT(recvmmsg)(socket, messages, count, flags, timeout);
	if (result > 0 && sd_directory())
		sd_descriptors_shown = true;
	return result;
}

ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);
size_t __fread_chk(void *, size_t, size_t, size_t, FILE *);

SD_EXPORT ssize_t __recv_chk(int socket, void *buffer, size_t size, size_t room, int flags)
{
	if (size > room)
		__chk_fail();
	return recv(socket, buffer, size, flags);
}

SD_EXPORT ssize_t __recvfrom_chk(int socket, void *buffer, size_t size, size_t room, int flags, struct sockaddr *from,
				 socklen_t *length)
{
	if (size > room)
		__chk_fail();
	return recvfrom(socket, buffer, size, flags, from, length);
}

SD_EXPORT size_t __fread_chk(void *buffer, size_t room, size_t size, size_t count, FILE *stream)
{
	prepare_room(buffer, size * count);
	return SD_NEXT(__fread_chk)(buffer, room, size, count, stream);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* api-rules DEVICE ALIGN-BYTES: what each system call answers about a device-dax node and its mappings. */
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "program.h"

#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE 1
#endif

static const char *path;
static size_t align;

static unsigned long long device_size(void)
{
	char name[128];
	unsigned long long size = 0;
	const char *slash = strrchr(path, '/');

	snprintf(name, sizeof name, "/sys/bus/dax/devices/%s/size", slash ? slash + 1 : path);

	FILE *file = fopen(name, "re");

	CHECK(file && fscanf(file, "%llu", &size) == 1, "%s: %s", name, strerror(errno));
	fclose(file);
	return size;
}

static void mapping(int fd)
{
	size_t two = 2 * align;

	REFUSED(mmap(NULL, 0, BOTH, MAP_SHARED, fd, 0), EINVAL);
	REFUSED(mmap(NULL, align, BOTH, MAP_PRIVATE, fd, 0), EINVAL);
	REFUSED(mmap(NULL, align, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
	REFUSED(mmap(NULL, align, BOTH, MAP_SHARED, fd, 1), EINVAL);
	REFUSED(mmap(NULL, align, BOTH, MAP_SHARED_VALIDATE | 0x400000, fd, 0), EOPNOTSUPP);
	REFUSED(mmap((void *)(HUGE + 1), align, BOTH, MAP_SHARED | MAP_FIXED, fd, 0), EINVAL);
	if (align > PAGE) {
		REFUSED(mmap(NULL, PAGE, BOTH, MAP_SHARED, fd, 0), EINVAL);
		REFUSED(mmap(NULL, align + PAGE, BOTH, MAP_SHARED, fd, 0), EINVAL);
		REFUSED(mmap(NULL, two, BOTH, MAP_SHARED, fd, (off_t)PAGE), EINVAL);
	} else {
		/* The length is rounded up to a page. */
		DONE(munmap(DONE(mmap(NULL, 1, BOTH, MAP_SHARED, fd, 0)), 1));
	}

	/* With a place of the kernel's choice: aligned. */
	volatile unsigned char *place = map(fd, two, 0);

	CHECK(((uintptr_t)place & (align - 1)) == 0, "mmap chose %p", (void *)place);
	place[0] = 1;
	place[align] = 2;

	/* The same pages elsewhere, by another descriptor, after this one's window has gone. */
	int other = open_device(path, O_RDWR);
	volatile unsigned char *again = map(other, align, (off_t)align);

	close(other);
	CHECK(again[0] == 2, "a second window shows other bytes");
	again[0] = 3;
	CHECK(place[align] == 3, "a store is not seen through another window");
	DONE(munmap((void *)again, align));
	DONE(munmap((void *)place, two));
}

static void access_modes(void)
{
	int reader = open_device(path, O_RDONLY);
	int writer = open_device(path, O_WRONLY);

	REFUSED(mmap(NULL, align, BOTH, MAP_SHARED, reader, 0), EACCES);
	REFUSED(mmap(NULL, align, PROT_WRITE, MAP_SHARED, writer, 0), EACCES);
	REFUSED(mmap(NULL, align, PROT_READ, MAP_SHARED, writer, 0), EACCES);

	volatile unsigned char *place = DONE(mmap(NULL, align, PROT_READ, MAP_SHARED, reader, 0));

	CHECK(touch(place, false) == 0, "a read of a read-only window: signal");
	EXPECT_SIGNAL(place, true, SIGSEGV, SEGV_ACCERR);
	REFUSED(mprotect((void *)place, align, BOTH), EACCES);
	DONE(mprotect((void *)place, align, PROT_NONE));
	EXPECT_SIGNAL(place, false, SIGSEGV, SEGV_ACCERR);
	DONE(munmap((void *)place, align));
	close(reader);
	close(writer);
}

static void edges(int fd)
{
	unsigned long long size = device_size();
	volatile unsigned char *place = map(fd, 2 * align, (off_t)(size - align));

	CHECK(touch(place, true) == 0, "the last page cannot be touched");
	EXPECT_SIGNAL(&place[align], false, SIGBUS, BUS_ADRERR);
	CHECK(touch_info.si_addr == (void *)&place[align], "si_addr is %p, not %p", touch_info.si_addr, (void *)&place[align]);
	EXPECT_SIGNAL(&place[2 * align - 1], true, SIGBUS, BUS_ADRERR);
	CHECK(touch(&place[align - 1], false) == 0, "the last byte cannot be read");
	REFUSED(madvise((void *)(place + align), align, MADV_POPULATE_READ), EFAULT);
	DONE(munmap((void *)place, 2 * align));
	place = map(fd, align, 1ll << 40);
	EXPECT_SIGNAL(place, false, SIGBUS, BUS_ADRERR);
	DONE(munmap((void *)place, align));
}

static void splitting(int fd)
{
	volatile unsigned char *place = map(fd, 2 * align, 0);

	place[0] = 5;
	if (align > PAGE) {
		REFUSED(munmap((void *)place, PAGE), EINVAL);
		REFUSED(munmap((void *)(place + align - PAGE), 2 * PAGE), EINVAL);
		REFUSED(mprotect((void *)(place + PAGE), PAGE, PROT_READ), EINVAL);
		CHECK(place[0] == 5 && touch(&place[PAGE], true) == 0, "a call that failed has changed something");
	}
	REFUSED(munmap((void *)(place + 1), align), EINVAL);
	REFUSED(munmap((void *)place, 0), EINVAL);
	REFUSED(mprotect((void *)(place + 1), align, PROT_READ), EINVAL);
	DONE(munmap((void *)(place + align), align));
	EXPECT_SIGNAL(&place[align], false, SIGSEGV, SEGV_MAPERR);
	CHECK(place[0] == 5, "what stays mapped shows other bytes");
	REFUSED(mremap((void *)place, 2 * align, 3 * align, MREMAP_MAYMOVE), EFAULT);
	DONE(munmap((void *)place, align));
	DONE(munmap((void *)place, align)); /* nothing is there: no error */
}

static void advice(int fd)
{
	volatile unsigned char *place = map(fd, 2 * align, 0);

	place[7] = 70;
	DONE(madvise((void *)place, 2 * align, MADV_DONTNEED));
	CHECK(place[7] == 70, "MADV_DONTNEED has lost a byte");
	DONE(madvise((void *)place, 2 * align, MADV_WILLNEED));
	DONE(madvise((void *)place, 2 * align, MADV_POPULATE_READ));
	DONE(madvise((void *)place, 2 * align, MADV_POPULATE_WRITE));
	DONE(madvise((void *)place, 2 * align, MADV_HUGEPAGE));
	DONE(madvise((void *)place, 2 * align, MADV_DONTFORK));
	DONE(madvise((void *)place, 2 * align, MADV_DOFORK));
	DONE(madvise((void *)place, 2 * align, MADV_DONTDUMP));
	DONE(madvise((void *)place, 0, MADV_DONTNEED));
	REFUSED(madvise((void *)place, 2 * align, MADV_REMOVE), ENODEV);
	REFUSED(madvise((void *)place, 2 * align, MADV_FREE), EINVAL);
	REFUSED(madvise((void *)place, 2 * align, MADV_WIPEONFORK), EINVAL);
	REFUSED(madvise((void *)place, 2 * align, 999), EINVAL);
	REFUSED(madvise((void *)(place + 1), align, MADV_DONTNEED), EINVAL);
	CHECK(posix_madvise((void *)place, align, POSIX_MADV_DONTNEED) == 0, "posix_madvise fails");
	CHECK(place[7] == 70, "a byte was lost by advice");

	REFUSED(msync((void *)place, align, MS_SYNC), EINVAL);
	DONE(msync((void *)place, align, MS_ASYNC));
	DONE(msync((void *)place, align, MS_INVALIDATE));
	REFUSED(msync((void *)place, align, MS_ASYNC | MS_SYNC), EINVAL);
	REFUSED(msync((void *)place, align, 8), EINVAL);
	REFUSED(msync((void *)(place + 1), align, MS_ASYNC), EINVAL);

	DONE(mlock((void *)place, align));
	DONE(munlock((void *)place, align));
	DONE(munmap((void *)place, 2 * align));
}

static void node(int fd)
{
	struct stat facts;
	unsigned char buffer[4096] = { 0 };
	struct iovec piece = { buffer, sizeof buffer };

	DONE(fstat(fd, &facts));
	CHECK(S_ISCHR(facts.st_mode) && facts.st_size == 0, "fstat: mode %o, size %lld", facts.st_mode, (long long)facts.st_size);
	REFUSED(read(fd, buffer, sizeof buffer), EINVAL);
	REFUSED(write(fd, buffer, sizeof buffer), EINVAL);
	REFUSED(pread(fd, buffer, sizeof buffer, 0), EINVAL);
	REFUSED(pwrite(fd, buffer, sizeof buffer, 0), EINVAL);
	REFUSED(readv(fd, &piece, 1), EINVAL);
	REFUSED(writev(fd, &piece, 1), EINVAL);
	CHECK(lseek(fd, 0, SEEK_END) == 0 && lseek(fd, 4096, SEEK_SET) == 0, "lseek finds a size");
	REFUSED(ftruncate(fd, 0), EINVAL);
	REFUSED(ftruncate(fd, 1 << 21), EINVAL);
	REFUSED(fallocate(fd, 0, 0, 4096), ENODEV);
	REFUSED(fsync(fd), EINVAL);
	REFUSED(fdatasync(fd), EINVAL);
	REFUSED(ioctl(fd, FIONREAD, buffer), ENOTTY);
}

int main(int count, char **words)
{
	CHECK(count == 3, "usage: api-rules DEVICE ALIGN-BYTES");
	path = words[1];
	align = strtoull(words[2], NULL, 0);
	catch_signals();

	int fd = open_device(path, O_RDWR);

	mapping(fd);
	access_modes();
	edges(fd);
	splitting(fd);
	advice(fd);
	node(fd);
	return 0;
}

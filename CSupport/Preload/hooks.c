/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.c - the functions about memory that a program calls, and syscall().
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"

#ifndef SYS_mseal /* 6.10 */
#define SYS_mseal 462
#endif

SD_EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return (void *)sd_result(sd_do_mmap((uintptr_t)address, length, protection, flags, fd, (uint64_t)offset));
}

SD_EXPORT void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	return (void *)sd_result(sd_do_mmap((uintptr_t)address, length, protection, flags, fd, (uint64_t)offset));
}

SD_EXPORT int munmap(void *address, size_t length)
{
	return (int)sd_result(sd_do_munmap((uintptr_t)address, length));
}

SD_EXPORT int mprotect(void *address, size_t length, int protection)
{
	return (int)sd_result(sd_do_mprotect((uintptr_t)address, length, protection, -2));
}

SD_EXPORT int pkey_mprotect(void *address, size_t length, int protection, int key)
{
	/* -1 is mprotect() in libc too, also on kernels without keys. */
	return (int)sd_result(sd_do_mprotect((uintptr_t)address, length, protection, key == -1 ? -2 : key));
}

SD_EXPORT int madvise(void *address, size_t length, int advice)
{
	return (int)sd_result(sd_do_madvise((uintptr_t)address, length, advice));
}

SD_EXPORT int posix_madvise(void *address, size_t length, int advice)
{
	if (advice == POSIX_MADV_DONTNEED) /* libc ignores it: the kernel's would lose data */
		return 0;
	return (int)-sd_do_madvise((uintptr_t)address, length, advice);
}

SD_EXPORT int msync(void *address, size_t length, int flags)
{
	return (int)sd_result(sd_do_msync((uintptr_t)address, length, flags));
}

SD_EXPORT void *mremap(void *address, size_t old_length, size_t new_length, int flags, ...)
{
	uintptr_t target = 0;

	if (flags & MREMAP_FIXED) {
		va_list list;

		va_start(list, flags);
		target = (uintptr_t)va_arg(list, void *);
		va_end(list);
	}
	return (void *)sd_result(sd_do_mremap((uintptr_t)address, old_length, new_length, flags, target));
}

SD_EXPORT int remap_file_pages(void *address, size_t length, int protection, size_t page, int flags)
{
	if (sd_near_windows((uintptr_t)address, length) &&
	    sd_any_window((uintptr_t)address, sd_range_end((uintptr_t)address, length)))
		return (int)sd_result(-EINVAL);
	return (int)sd_result(SD_RAW5(SYS_remap_file_pages, address, length, protection, page, flags));
}

SD_EXPORT int mlock(const void *address, size_t length)
{
	return (int)sd_result(sd_do_mlock((uintptr_t)address, length, 0));
}

SD_EXPORT int mlock2(const void *address, size_t length, unsigned flags)
{
	return (int)sd_result(sd_do_mlock((uintptr_t)address, length, (int)flags));
}

SD_EXPORT int mlockall(int flags)
{
	return (int)sd_result(sd_do_mlockall(flags));
}

SD_EXPORT int munlockall(void)
{
	return (int)sd_result(sd_do_munlockall());
}

SD_EXPORT ssize_t process_madvise(int process, const struct iovec *ranges, size_t count, int advice, unsigned flags)
{
	return sd_result(sd_do_process_madvise(process, ranges, count, advice, flags));
}

/* A sealed window could not be made what its file is: none can be sealed, as on a machine of 32 bits. */
static long do_mseal(uintptr_t address, size_t length, unsigned long flags)
{
	if (sd_near_windows(address, length) && sd_any_window(address, sd_range_end(address, length)))
		return -EPERM;
	return SD_RAW3(SYS_mseal, address, length, flags);
}

SD_EXPORT int mseal(void *address, size_t length, unsigned long flags)
{
	return (int)sd_result(do_mseal((uintptr_t)address, length, flags));
}

/* Whether a clone is a fork: memory of its own, and it goes on where the caller is. */
static bool copies_process(long number, const long *a)
{
	if (number == SYS_clone)
		return !(a[0] & (CLONE_VM | CLONE_FILES)) && a[1] == 0;
	if (number == SYS_clone3) {
		const struct clone_args *given = (const struct clone_args *)a[0];

		return given && (size_t)a[1] >= offsetof(struct clone_args, tls) && !(given->flags & (CLONE_VM | CLONE_FILES)) &&
		       given->stack == 0;
	}
	return true;
}

/* The same calls by number.  The others go to the kernel as they are; what changes the stack pointer (clone with a stack)
 * cannot be made through syscall() in libc either. */
SD_EXPORT long syscall(long number, ...)
{
	long a[6];
	va_list list;
	long result;

	va_start(list, number);
	for (int index = 0; index < 6; index++)
		a[index] = va_arg(list, long);
	va_end(list);
	switch (number) {
	case SYS_mmap:
		result = sd_do_mmap((uintptr_t)a[0], (size_t)a[1], (int)a[2], (int)a[3], (int)a[4], (uint64_t)a[5]);
		break;
	case SYS_munmap:
		result = sd_do_munmap((uintptr_t)a[0], (size_t)a[1]);
		break;
	case SYS_mprotect:
		result = sd_do_mprotect((uintptr_t)a[0], (size_t)a[1], (int)a[2], -2);
		break;
	case SYS_madvise:
		result = sd_do_madvise((uintptr_t)a[0], (size_t)a[1], (int)a[2]);
		break;
	case 440: /* SYS_process_madvise, 5.10 */
		result = sd_do_process_madvise((int)a[0], (const struct iovec *)a[1], (size_t)a[2], (int)a[3], (unsigned)a[4]);
		break;
	case SYS_mlock:
		result = sd_do_mlock((uintptr_t)a[0], (size_t)a[1], 0);
		break;
	case SYS_mlock2:
		result = sd_do_mlock((uintptr_t)a[0], (size_t)a[1], (int)a[2]);
		break;
	case SYS_mlockall:
		result = sd_do_mlockall((int)a[0]);
		break;
	case SYS_munlockall:
		result = sd_do_munlockall();
		break;
	case SYS_msync:
		result = sd_do_msync((uintptr_t)a[0], (size_t)a[1], (int)a[2]);
		break;
	case SYS_mremap:
		result = sd_do_mremap((uintptr_t)a[0], (size_t)a[1], (size_t)a[2], (int)a[3], (uintptr_t)a[4]);
		break;
	case SYS_mseal:
		result = do_mseal((uintptr_t)a[0], (size_t)a[1], (unsigned long)a[2]);
		break;
	case SYS_rt_sigaction:
		if (a[0] == SIGBUS && sd_directory())
			result = sd_do_sigaction((const struct sd_kernel_action *)a[1], (struct sd_kernel_action *)a[2], (size_t)a[3]);
		else
			result = SD_RAW4(SYS_rt_sigaction, a[0], a[1], a[2], a[3]);
		break;
	case SYS_ioctl:
		return ioctl((int)a[0], (unsigned long)a[1], a[2]);
	/* With a path: the hooks of the same name, which speak of errors as libc does. */
	case SYS_openat:
		return openat((int)a[0], (const char *)a[1], (int)a[2], (mode_t)a[3]);
	case SYS_newfstatat:
		return fstatat((int)a[0], (const char *)a[1], (struct stat *)a[2], (int)a[3]);
	case SYS_fstat:
		return fstat((int)a[0], (struct stat *)a[1]);
	case SYS_statx:
		return statx((int)a[0], (const char *)a[1], (int)a[2], (unsigned)a[3], (struct statx *)a[4]);
	case SYS_readlinkat:
		return readlinkat((int)a[0], (const char *)a[1], (char *)a[2], (size_t)a[3]);
	case SYS_faccessat:
		return faccessat((int)a[0], (const char *)a[1], (int)a[2], 0);
#ifdef SYS_faccessat2
	case SYS_faccessat2:
		return faccessat((int)a[0], (const char *)a[1], (int)a[2], (int)a[3]);
#endif
#ifdef SYS_open /* not on aarch64 */
	case SYS_open:
		return open((const char *)a[0], (int)a[1], (mode_t)a[2]);
	case SYS_stat:
		return stat((const char *)a[0], (struct stat *)a[1]);
	case SYS_lstat:
		return lstat((const char *)a[0], (struct stat *)a[1]);
	case SYS_readlink:
		return readlink((const char *)a[0], (char *)a[1], (size_t)a[2]);
	case SYS_access:
		return access((const char *)a[0], (int)a[1]);
#endif
#ifdef SYS_fork
	case SYS_fork:
#endif
	case SYS_clone:
	case SYS_clone3:
		if (!copies_process(number, a)) {
			result = sd_raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
			break;
		}
		sd_fork_prepare();
		result = sd_raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (result == 0)
			sd_fork_child();
		else
			sd_fork_parent();
		break;
	default:
		result = sd_raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	return sd_result(result);
}

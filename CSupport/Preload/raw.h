/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw.h - system calls without libc: no errno, no cancellation point, no hook in between.
 *
 * Everything returns what the kernel returns: >= 0 or -errno.
 */
#ifndef SOFTDAX_RAW_H
#define SOFTDAX_RAW_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long sd_raw(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
#else
#error "raw.h knows x86-64 and aarch64"
#endif
}

#define SD_RAW0(n) sd_raw(n, 0, 0, 0, 0, 0, 0)
#define SD_RAW1(n, a) sd_raw(n, (long)(a), 0, 0, 0, 0, 0)
#define SD_RAW2(n, a, b) sd_raw(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define SD_RAW3(n, a, b, c) sd_raw(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SD_RAW4(n, a, b, c, d) sd_raw(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SD_RAW5(n, a, b, c, d, e) sd_raw(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define SD_RAW6(n, a, b, c, d, e, f) sd_raw(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline bool sd_failed(long result)
{
	return (unsigned long)result > -4096ul;
}

/* The end of a hook: what libc returns for a result of the kernel. */
static inline long sd_result(long result)
{
	if (__builtin_expect(sd_failed(result), 0)) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

static inline long sd_raw_mmap(uintptr_t address, size_t length, int protection, int flags, int fd, uint64_t offset)
{
	return SD_RAW6(SYS_mmap, address, length, protection, flags, fd, offset);
}

static inline long sd_raw_munmap(uintptr_t address, size_t length)
{
	return SD_RAW2(SYS_munmap, address, length);
}

static inline void sd_raw_close(int fd)
{
	if (fd >= 0)
		SD_RAW1(SYS_close, fd);
}

static inline void sd_raw_sleep(long nanoseconds)
{
	long time[2] = { 0, nanoseconds };

	SD_RAW2(SYS_nanosleep, time, 0);
}

/* Starts `function` on a stack of its own, whose top is 16-aligned; it must not return.  The new thread has the caller's
 * thread-local storage and must not use it.  Returns the thread's id. */
static inline long sd_raw_thread(unsigned long flags, uintptr_t stack_top, void (*function)(void), uint32_t *tid)
{
	uintptr_t *stack = (uintptr_t *)stack_top;
#if defined(__x86_64__)
	long result;
	register long r10 __asm__("r10") = (long)tid;
	register long r8 __asm__("r8") = 0;

	*--stack = (uintptr_t)function;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pop %%rax\n\t"
			 "call *%%rax\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(result)
			 : "a"(SYS_clone), "D"(flags), "S"(stack), "d"(tid), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
#else
	register long x8 __asm__("x8") = SYS_clone;
	register long x0 __asm__("x0") = (long)flags;
	register long x1 __asm__("x1") = (long)stack;
	register long x2 __asm__("x2") = (long)tid;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = (long)tid;
	register long x5 __asm__("x5") = (long)function;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "blr x5\n\t"
			 "brk 0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc", "x30");
	return x0;
#endif
}

#endif

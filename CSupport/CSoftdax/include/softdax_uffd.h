/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userfaultfd(2), in a form Swift can call.
 *
 * Why C: ioctl() is variadic and UFFDIO_* are _IOWR() macros; Swift imports neither.  Convention for every
 * function of CSoftdax: >= 0 is success, < 0 is -errno; errno itself is never left for the caller to read.
 */
#ifndef SOFTDAX_UFFD_H
#define SOFTDAX_UFFD_H

#include <stdint.h>

/* Opens a userfaultfd with O_CLOEXEC, blocking.  Tries userfaultfd(2), then /dev/userfaultfd (6.1).
 * user_mode_only: UFFD_USER_MODE_ONLY (5.11), which needs no privilege and does not see faults taken in the kernel.
 * -EPERM: not permitted; -ENOSYS: this kernel has none. */
int sd_uffd_open(int user_mode_only);

/* UFFDIO_API: asks for `features`, returns in *features what this kernel offers.  -EINVAL: one was refused (then
 * the descriptor is spent). */
int sd_uffd_handshake(int fd, uint64_t *features);

#define SD_UFFD_MISSING 1u
#define SD_UFFD_WRITE_PROTECT 2u
#define SD_UFFD_MINOR 4u
/* UFFDIO_REGISTER of [start, start + length); the descriptor may belong to another process's memory. */
int sd_uffd_register(int fd, uint64_t start, uint64_t length, uint32_t modes);
int sd_uffd_unregister(int fd, uint64_t start, uint64_t length);

#define SD_EVENT_FAULT 1u
#define SD_EVENT_OTHER 2u /* remap and kin: reading it was all the kernel waits for */
#define SD_FAULT_WRITE 1u
#define SD_FAULT_MINOR 2u /* the medium holds the page */
#define SD_FAULT_PROTECTED 4u /* a store to a write-protected page */

struct sd_event {
	uint64_t address; /* byte address of the fault, page-aligned unless EXACT_ADDRESS was asked for */
	uint32_t kind;
	uint32_t flags;
	uint32_t thread; /* whose touch it was, as its own pid namespace numbers it */
	uint32_t reserved;
};
/* Reads up to `capacity` (at most 16) events; blocks if the descriptor does.  Returns how many.
 * -EINTR: a signal; -EAGAIN: none, non-blocking. */
int sd_uffd_read(int fd, struct sd_event *events, int capacity);

/* Waits for an event or a signal; for a descriptor with O_NONBLOCK (poll() says POLLERR at once of one without). */
void sd_uffd_wait(int fd);

/* Installs page-cache pages present at [start, start + length) and wakes who waits there.  *mapped: bytes done,
 * also on failure.  -EEXIST: the first page not done is mapped already; -EFAULT: the medium has no page there;
 * -EAGAIN: the address space is in mremap or fork; -ENOENT, -ESRCH: range or process gone.  is_protected: the next store to
 * each page is an event (6.4). */
int sd_uffd_continue(int fd, uint64_t start, uint64_t length, int is_protected, int64_t *mapped);
/* Puts a page of zeroes into anonymous memory, write-protected or not, and wakes who waits there.  -EEXIST: a page is there. */
int sd_uffd_zero(int fd, uint64_t address, int is_protected);
/* UFFDIO_WRITEPROTECT: `is_protected` 0 also wakes who waits in the range. */
int sd_uffd_protect(int fd, uint64_t start, uint64_t length, int is_protected);
/* Where a protected page has been, the page table still says so; not any more then.  Wakes nobody. */
int sd_uffd_forget_protection(int fd, uint64_t start, uint64_t length);
int sd_uffd_wake(int fd, uint64_t start, uint64_t length);
/* UFFDIO_POISON (6.6): the next touch is SIGBUS. */
int sd_uffd_poison(int fd, uint64_t start, uint64_t length);

/* UFFD_FEATURE_* by name, for those the headers lack. */
#define SD_FEATURE_EVENT_REMAP (1ull << 2)
#define SD_FEATURE_MISSING_HUGETLBFS (1ull << 4)
#define SD_FEATURE_MISSING_SHMEM (1ull << 5)
#define SD_FEATURE_THREAD_ID (1ull << 8)
#define SD_FEATURE_MINOR_HUGETLBFS (1ull << 9)
#define SD_FEATURE_MINOR_SHMEM (1ull << 10)
#define SD_FEATURE_POISON (1ull << 14)
#define SD_FEATURE_PAGEFAULT_FLAG_WP (1ull << 0)
#define SD_FEATURE_WP_HUGETLBFS_SHMEM (1ull << 12)
#define SD_FEATURE_WP_UNPOPULATED (1ull << 13) /* 6.4, as sd_uffd_continue() needs it */

#endif

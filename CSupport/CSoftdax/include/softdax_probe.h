/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host can do, found out by doing it: for `softdax check`.
 *
 * Why C: userfaultfd's ioctls are macros, memfd_create and MADV_HWPOISON hide behind feature macros, and a probe must
 * leave nothing behind.  >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_PROBE_H
#define SOFTDAX_PROBE_H

#include <stdint.h>

#define SD_PROBE_SYSTEM_CALL 1	/* userfaultfd(2), faults inside system calls included */
#define SD_PROBE_USER_MODE 2	/* userfaultfd(2) with UFFD_USER_MODE_ONLY (Linux 5.11) */
#define SD_PROBE_DEVICE 3	/* /dev/userfaultfd (Linux 6.1) */

struct sd_probe_userfaultfd {
	int32_t error; /* 0 or -errno */
	uint32_t reserved;
	uint64_t features; /* UFFD_FEATURE_* that this kernel offers */
};
struct sd_probe_userfaultfd sd_probe_userfaultfd(int way);

/* Creates a memfd, registers a mapping of it for minor faults, installs a page and reads it.
 * huge_shift 0, 21 or 30; -ENOMEM for a hugetlb size of which no page is free. */
int sd_probe_insertion(int huge_shift);
int sd_probe_memfd(int huge_shift);

/* 1: this kernel has CONFIG_MEMORY_FAILURE.  Asks for the poisoning of no bytes at all. */
int sd_probe_memory_failure(void);

/* 1: `program` started under LD_PRELOAD=library, and by a shell under it, has it mapped; 0: not once or not twice.  `program` is a dynamic
 * one that prints its /proc/self/maps when it is called with "check --maps": a host's cat and sh can be static ones, which the loader never
 * sees. */
int sd_probe_preload(const char *library, const char *program);

#endif

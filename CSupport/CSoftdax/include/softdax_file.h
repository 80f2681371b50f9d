/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and memory that back a device.  Why C: memfd_create, flock and F_ADD_SEALS hide behind feature macros that
 * Swift's module cache does not always see; fcntl() is variadic.  >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_FILE_H
#define SOFTDAX_FILE_H

#include <stdint.h>

/* A memfd; huge_shift 0 (4K pages), 21 (2M hugetlb) or 30 (1G hugetlb).  Close-on-exec, sealable. */
int sd_memfd(const char *name, int huge_shift);
/* F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL: nobody who gets the descriptor can change the size under the others, or keep them
 * from writing. */
int sd_seal_size(int fd);

int sd_open(const char *path, int flags, uint32_t mode);
int sd_truncate(int fd, uint64_t size);
/* Gives [offset, offset + length) real blocks or pages, bytes unchanged, size unchanged. */
int sd_allocate(int fd, uint64_t offset, uint64_t length);
/* flock(LOCK_EX | LOCK_NB).  -EWOULDBLOCK: somebody else has it. */
int sd_lock_exclusive(int fd);
/* Sets or clears O_NONBLOCK. */
int sd_set_nonblocking(int fd, int on);

struct sd_file_facts {
	uint64_t size;
	uint64_t allocated; /* bytes */
	uint64_t device;
	uint64_t inode;
	uint64_t available; /* bytes free on its filesystem */
	uint32_t mode;	    /* st_mode */
	uint32_t on_shmem;  /* 1: tmpfs, shmem; 2: hugetlbfs */
	uint64_t page_size; /* block size of a hugetlbfs, else 4096 */
};
int sd_file_facts(int fd, struct sd_file_facts *facts);

/* 1 if the program at `path` has file capabilities, else 0. */
int sd_has_capabilities(const char *path);

/* Anonymous memory, MAP_NORESERVE, zero, page-aligned; NULL when there is none. */
void *sd_memory_reserve(uint64_t length);
void sd_memory_release(void *start, uint64_t length);
/* Bytes of [start, start + length) that are resident. */
uint64_t sd_memory_resident(void *start, uint64_t length);

#endif

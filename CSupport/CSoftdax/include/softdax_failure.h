/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to pages that fail, and to those who map them.  Why C: splice, fallocate's flags, siginfo_t and pidfds are
 * macros, unions or behind feature macros.  >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_FAILURE_H
#define SOFTDAX_FAILURE_H

#include <stdint.h>

/* A pipe that holds up to a MiB of pages; returns how many bytes it really holds. */
int sd_page_pipe(int ends[2]);

/* Takes every page of [offset, offset + length) of a shmem file out of every page table, and leaves the bytes as they are, stores
 * until the unmapping included.  4 KiB pages that are no part of larger folios; offset and length in whole pages.  `space`:
 * `capacity` bytes, what the pipe holds.  Meanwhile the file has a hole there: nobody may fill it. */
int sd_unmap_pages(int file, uint64_t offset, uint64_t length, const int ends[2], void *space, uint64_t capacity);

/* Writes zeroes; where the file has a hole, they are there already. */
int sd_write_zeroes(int file, uint64_t offset, uint64_t length);

/* Queues a SIGBUS for one thread: a siginfo of SI_QUEUE that says the code, the address and its lsb in the words that the
 * preloaded library knows by `nonce`. */
int sd_queue_bus_error(int process, int thread, int32_t nonce, int code, int shift, uint64_t address);
int sd_kill(int process, int number);

/* A file of `length` zero bytes, mapped shared; its descriptor is not kept.  NULL: *error says why. */
void *sd_memory_share(const char *path, uint32_t mode, uint64_t length, int *error);
/* The descriptor's first `length` bytes, mapped shared. */
void *sd_memory_map(int file, uint64_t length, int *error);

int sd_process_open(int process);
/* How a process that a pidfd stands for has ended: its wait status; -ENOTSUP where the kernel does not say (before 6.15),
 * -EAGAIN while it runs. */
int sd_process_status(int process_fd, int *status);
/* Waits for its end, `milliseconds` at most: 1 when it has ended. */
int sd_process_wait(int process_fd, int milliseconds);

#endif

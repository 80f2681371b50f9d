/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a mounted filesystem needs of the kernel: its device's bytes in this process's memory, mount points, a namespace of
 * its own.  Why C: unshare(), umount2() and SEEK_DATA hide behind feature macros; a store that others may see in one step only
 * is an atomic one.  >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_VOLUME_H
#define SOFTDAX_VOLUME_H

#include <stdint.h>

/* Maps [0, length) of a file, shared, for reading and writing; NULL and -errno in *error. */
void *sd_file_map(int fd, uint64_t length, int *error);
void sd_file_unmap(void *start, uint64_t length);
/* Stores eight bytes in one step, after all that was stored before. */
void sd_store_word(void *place, uint64_t word);
/* Returns when what was written, or stored in a mapping, is as durable as the file is; 0 for files that are memory. */
int sd_sync_file(int fd);
/* The first place at or behind `from` that may hold something else than zeroes, and the first hole behind it; -ENXIO: there is
 * none. A file that does not know says that all of it may. */
int sd_find_data(int fd, uint64_t from, uint64_t size, uint64_t *start, uint64_t *end);

/* 1 if nobody serves the FUSE mount at `path` any more (its server died), else 0. */
int sd_mount_is_dead(const char *path);
/* Detaches what is mounted at `path`, whoever uses it. */
int sd_detach_mount(const char *path);
/* This process, which must have one thread, gets mounts of its own in a user namespace in which its user is who it was. */
int sd_enter_private_mounts(void);

/* CLOCK_REALTIME_COARSE */
void sd_wall_clock(int64_t *seconds, uint32_t *nanoseconds);

#define SD_FILE_PIN_LONGTERM 1u
#define SD_FILE_PIN_RELEASE 2u
/* Pins pages of a file on a mount of softdax, or gives them back. */
int sd_file_pin(int fd, uint64_t offset, uint64_t length, uint32_t flags);

#endif

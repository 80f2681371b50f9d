/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preload.h - what the files of the shim share.
 *
 * Rules for every file here: no policy (the server decides), no malloc, no stdio and no lock of libc in a hook but where
 * the function that it stands for uses them itself (opendir, fts_open, realpath, getcwd ...), errno untouched unless the hook
 * fails; a hook that is not about a device costs a few compares and then does what libc does.
 */
#ifndef SOFTDAX_PRELOAD_H
#define SOFTDAX_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "softdax_wire.h"

#define SD_EXPORT __attribute__((visibility("default")))

/* ------------------------------------------------------------------ table.c: the session, read once */

/* The session directory, absolute, no slash at the end; NULL: this process has no machine and every hook is libc's. */
const char *sd_directory(void);

/* The device that a descriptor shows, by (st_dev, st_ino); NULL if none. Keeps errno. Cost: one fstat. */
const struct sd_table_entry *sd_entry_of_descriptor(int descriptor);

/* The device with this absolute, normalised path; NULL if none. */
const struct sd_table_entry *sd_entry_of_path(const char *path);

/* The device of that index, SD_NODE_DAX; NULL if none. */
const struct sd_table_entry *sd_entry_of_device(uint32_t device);

/* ------------------------------------------------------------------ share.c: what the kernel does not pass on to a mount */

/* FICLONE, FICLONERANGE or FS_IOC_FIEMAP that the kernel refused with errno: asks the mount, if the file is on one. */
int sd_share(int descriptor, unsigned long request, void *argument);

/* ------------------------------------------------------------------ windows.c: what the I/O hooks need of mappings */

/* Before a system call that lets the kernel read or write [address, length): with a userfaultfd that sees faults of user
 * mode only (an ordinary user's), has the server insert what the range shows of a window. Keeps errno; otherwise free. */
void sd_prepare_buffer(const void *address, size_t length);

/* Whether sd_prepare_buffer() may have anything to do: false in almost every process. */
bool sd_buffers_matter(void);

#endif

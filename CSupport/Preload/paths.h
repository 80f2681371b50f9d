/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths.h - what the files about paths share.
 *
 * A *shown* path is what the program sees ("/dev/dax0.0", "/sys/bus/dax"); the *place* is where the kernel finds it.
 */
#ifndef SOFTDAX_PATHS_H
#define SOFTDAX_PATHS_H

#include "preload.h"

/* ------------------------------------------------------------------ table.c, beyond preload.h */

struct sd_identity {
	uint64_t device; /* st_dev */
	uint64_t inode;
};

struct sd_host { /* identities of the directories that something is added to */
	struct sd_identity root;
	struct sd_identity dev;
	struct sd_identity sys;
	struct sd_identity tree; /* of the session's sys */
};

/* Valid once sd_directory() is not NULL. */
const struct sd_host *sd_host(void);

/* All devices. */
const struct sd_table_entry *sd_entries(uint32_t *count);

/* The device with that st_dev and st_ino; NULL if none. */
const struct sd_table_entry *sd_entry_of_identity(uint64_t device, uint64_t inode);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the machine under the scenario can do: find physical pages, make them fail, say what became of them.
 *
 * Everything else in a scenario is plain system calls, the same on a kernel with persistent memory and under softdax's shim.
 */
#ifndef SOFTDAX_WORKER_BACKEND_H
#define SOFTDAX_WORKER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A page of the calling process. */
struct page_state {
	bool present, swapped;
	bool file_or_shared, exclusive;
	uint64_t frame;
};

/* A page frame; flags and count are ~0 when the machine does not tell (ZONE_DEVICE frames of a kernel). */
struct frame_state {
	uint64_t flags, count;
};

/* Functions that return int return 0 or an errno.  Physical addresses are bytes. */
struct backend {
	/* The version in rows, as uname -r has it. */
	void (*release)(char *text, size_t size);

	/* Called by an actor, of its own memory. */
	struct page_state (*page)(uintptr_t address);
	/* memory_failure() of the page at `address`, which is present, the caller being current. */
	int (*fail_own)(uintptr_t address, uint64_t physical);

	/* Called by the coordinator.  memory_failure() of a page, by a process that does not map it. */
	int (*fail)(uint64_t physical);
	struct frame_state (*frame)(uint64_t physical);
	int (*unpoison)(uint64_t physical);
	int (*soft_offline)(uint64_t physical);
	/* A machine check; `consumed`: the processor was loading the data (action required), else the scrubber found it.  Returns when
	 * it has been handled. */
	int (*machine_check)(uint64_t physical, bool consumed);
	int (*locate_file)(const char *path, uint64_t offset, uint64_t *physical);
	/* Where a block device's data begins; NULL: sysfs says so. */
	int (*locate_device)(const char *name, uint64_t *physical);
	/* Whether mmap of the file is DAX: 0, 1 or -errno; NULL: statx says so. */
	int (*is_dax)(const char *path);
	/* Adds lines "FILE: FIRST COUNT ..." of bad blocks that sysfs does not list; NULL: it lists all. */
	void (*bad_blocks)(char *text, size_t size);
	/* A descriptor from which later messages of the machine are read, one a read, or -1. */
	int (*open_log)(void);

	/* Does what a `#=` line says, in the place of the shell line after it; NULL: the shell line is carried out. */
	int (*administer)(const char *operation);
	/* Why the machine has stopped, NULL as long as it runs; NULL: a machine that stops takes the worker along. */
	const char *(*stopped)(void);
};

extern const struct backend kernel_backend;
/* Over the socket in $SOFTDAX_DIR, the worker being under the shim; `kernel` is the version in rows. */
const struct backend *softdax_backend(const char *kernel);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the machine under the scenario can do: find physical pages, make them fail, say what became of them.
 *
 * Everything else in a scenario is plain system calls, the same on a kernel with persistent memory and under softdax's shim.
 * A second backend, over softdax's socket, has to fill this struct and nothing more.
 */
#ifndef SOFTDAX_WORKER_BACKEND_H
#define SOFTDAX_WORKER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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

enum device_kind { BLOCK_DEVICE, DAX_DEVICE };

/* Functions that return int return 0 or an errno.  Physical addresses are bytes. */
struct backend {
	const char *name;

	/* The version in rows, as uname -r has it. */
	void (*release)(char *text, size_t size);

	/* Called by an actor, of its own memory. */
	struct page_state (*page)(uintptr_t address);
	/* memory_failure() of the page, the caller being current. */
	int (*fail)(uint64_t physical);
	/* A child of the coordinator that shares nothing with the caller: 0 in the child, its id in the caller, or -errno. */
	pid_t (*fork_sibling)(void);

	/* Called by the coordinator. */
	struct frame_state (*frame)(uint64_t physical);
	int (*unpoison)(uint64_t physical);
	int (*soft_offline)(uint64_t physical);
	/* A machine check; `consumed`: the processor was loading the data (action required), else the scrubber found it. */
	int (*machine_check)(uint64_t physical, bool consumed);
	int (*locate_file)(const char *path, uint64_t offset, uint64_t *physical);
	int (*locate_device)(enum device_kind kind, const char *name, uint64_t *physical);
	/* "FILE: FIRST COUNT" a line, sectors of 512 bytes. */
	void (*bad_blocks)(char *text, size_t size);
	/* A descriptor from which later messages of the machine are read, one a read, or -1. */
	int (*open_log)(void);
};

extern const struct backend kernel_backend;

#endif

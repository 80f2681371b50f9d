/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of actors on address spaces: map, unmap, advice, protection, moving. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static const size_t alignment = 2 << 20;

static int map_flags(const char *kind)
{
	if (!strcmp(kind, "private"))
		return MAP_PRIVATE;
	if (!strcmp(kind, "sync"))
		return MAP_SHARED_VALIDATE | MAP_SYNC;
	if (!strcmp(kind, "populate"))
		return MAP_SHARED | MAP_POPULATE;
	return MAP_SHARED;
}

/* map NAME PATH OFFSET LENGTH KIND [ro|rw [SHIFT]]: at a 2 MiB aligned address, the same in the model, plus SHIFT. */
static void map(struct call *call)
{
	bool read_only = call->count > 6 && !strcmp(call->words[6], "ro");
	int file = open(real_path(call->words[2]), read_only ? O_RDONLY : O_RDWR);
	size_t length = (size_t)number(call->words[4]), room = length + 2 * alignment;
	char *reserved, *start, *mapped;
	int error;

	if (file < 0) {
		answer(call, "\"err\":\"open: %s\"", error_name(errno));
		return;
	}
	reserved = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	start = (char *)(((uintptr_t)reserved + alignment - 1) & ~(alignment - 1));
	if (call->count > 7)
		start += number(call->words[7]);
	mapped = mmap(start, length, read_only ? PROT_READ : PROT_READ | PROT_WRITE,
		      map_flags(call->words[5]) | MAP_FIXED, file, number(call->words[3]));
	error = errno;
	close(file);
	if (mapped == MAP_FAILED) {
		munmap(reserved, room);
		answer_error(call, error);
		return;
	}
	window_note(windows, call->words[1], (uintptr_t)mapped, length);
	answer(call, "\"ok\":true,\"_base\":%lu,\"_len\":%zu", (unsigned long)mapped, length);
}

/* Address and length of "NAME OFFSET LENGTH"; false after answering that there is no such mapping. */
static bool range(struct call *call, void **address, size_t *length)
{
	struct window *window = window_asked(call, call->words[1]);

	if (!window)
		return false;
	*address = (void *)(window->base + (uintptr_t)number(call->words[2]));
	*length = (size_t)number(call->words[3]);
	return true;
}

static void unmap(struct call *call)
{
	struct window *window = window_asked(call, call->words[1]);

	if (!window)
		return;
	if (call->count > 3) {
		void *part = (void *)(window->base + (uintptr_t)number(call->words[2]));

		if (munmap(part, (size_t)number(call->words[3])))
			answer_error(call, errno);
		else
			answer_ok(call);
		return;
	}
	if (munmap((void *)window->base, window->length)) {
		answer_error(call, errno);
		return;
	}
	window->used = false;
	answer_ok(call);
}

static void advise(struct call *call)
{
	static const struct {
		const char *name;
		int advice;
	} advice[] = {
		{"hwpoison", 100}, /* MADV_HWPOISON */
		{"softoff", 101}, /* MADV_SOFT_OFFLINE */
		{"dontneed", MADV_DONTNEED},
		{"popread", MADV_POPULATE_READ},
		{"popwrite", MADV_POPULATE_WRITE},
		{"hugepage", MADV_HUGEPAGE},
		{"remove", MADV_REMOVE},
		{"dontfork", MADV_DONTFORK},
	};
	void *address;
	size_t length;
	int which = -1;

	if (!range(call, &address, &length))
		return;
	for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
		if (!strcmp(call->words[4], advice[i].name))
			which = advice[i].advice;
	if (madvise(address, length, which))
		answer_error(call, errno);
	else
		answer_ok(call);
}

static void synchronize(struct call *call)
{
	void *address;
	size_t length;

	if (!range(call, &address, &length))
		return;
	if (msync(address, length, MS_SYNC))
		answer_error(call, errno);
	else
		answer_ok(call);
}

static void protect(struct call *call)
{
	void *address;
	size_t length;

	if (!range(call, &address, &length))
		return;
	if (mprotect(address, length, PROT_READ))
		answer_error(call, errno);
	else
		answer_ok(call);
}

static void move(struct call *call)
{
	struct window *window = window_asked(call, call->words[1]);
	void *moved;

	if (!window)
		return;
	moved = mremap((void *)window->base, window->length, (size_t)number(call->words[2]), MREMAP_MAYMOVE);
	if (moved == MAP_FAILED) {
		answer_error(call, errno);
		return;
	}
	window->base = (uintptr_t)moved;
	window->length = (size_t)number(call->words[2]);
	answer(call, "\"ok\":true,\"_base\":%lu,\"_len\":%zu", (unsigned long)moved, window->length);
}

const struct operation memory_operations[] = {
	{"map", 6, map},           {"unmap", 2, unmap},      {"madv", 5, advise}, {"msync", 4, synchronize},
	{"mprotect", 4, protect},  {"mremap", 3, move},      {NULL, 0, NULL},
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poison.c - which pages the media cannot give, and madvise(MADV_HWPOISON).
 *
 * The server keeps a bit for each page in a file of the session that the agent maps, so that a signal handler can tell
 * a memory error from other errors without asking.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "core.h"
#include "paths.h"

static const struct sd_poison_header *header; /* stays mapped, in children too */
static uint64_t first_byte[SD_MAX_DEVICES];   /* of each device's bits */
static uint64_t pages[SD_MAX_DEVICES];

void sd_map_poison(void)
{
	char path[SD_LONGEST_DIRECTORY + sizeof "/" SD_POISON_NAME];
	const char *directory = sd_directory();
	uint64_t end = SD_POISON_BITS;
	size_t length = 0;

	if (header || !directory)
		return;
	for (uint32_t device = 0; device < SD_MAX_DEVICES; device++) {
		const struct sd_table_entry *entry = sd_entry_of_device(device);

		if (!entry)
			continue;
		first_byte[device] = end;
		pages[device] = entry->size / 4096;
		end += (pages[device] + 4096 * 8 - 1) / (4096 * 8) * 4096;
	}
	for (; directory[length]; length++)
		path[length] = directory[length];
	for (size_t index = 0; index < sizeof "/" SD_POISON_NAME; index++)
		path[length + index] = ("/" SD_POISON_NAME)[index];

	long file = SD_RAW4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

	if (file < 0)
		return;

	long place = sd_raw_mmap(sd_own_place(end), end, PROT_READ, MAP_SHARED, (int)file, 0);

	sd_raw_close((int)file);
	if (!sd_failed(place))
		__atomic_store_n(&header, (const struct sd_poison_header *)place, __ATOMIC_RELEASE);
}

bool sd_is_poisoned(uint32_t device, uint64_t offset)
{
	const struct sd_poison_header *now = __atomic_load_n(&header, __ATOMIC_ACQUIRE);
	uint64_t page = offset >> 12;

	if (!now || device >= SD_MAX_DEVICES || page >= pages[device])
		return false;

	const uint8_t *byte = (const uint8_t *)now + first_byte[device] + (page >> 3);

	return __atomic_load_n(byte, __ATOMIC_ACQUIRE) >> (page & 7) & 1;
}

uint64_t sd_poison_generation(void)
{
	const struct sd_poison_header *now = __atomic_load_n(&header, __ATOMIC_ACQUIRE);

	return now ? __atomic_load_n(&now->generation, __ATOMIC_ACQUIRE) : 0;
}

/* Whether the program could load the byte. */
static bool is_readable(uintptr_t at)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)at, 1 };

	return SD_RAW6(SYS_process_vm_readv, SD_RAW0(SYS_getpid), &here, 1, &there, 1, 0) != -EFAULT;
}

/* As the kernel goes (madvise_inject_error): folio by folio, each faulted in and then failed; the first error ends it.  A
 * program is privileged on its emulated machine; memory that is no device's is the host's, where it is not.  What cannot be
 * faulted in is EFAULT everywhere. */
long sd_poison(uintptr_t start, uintptr_t end, int advice, struct sd_quiet *quiet)
{
	struct sd_window_entry window;
	struct sd_poisoned first = { .flags = 0 };
	long result = 0;

	for (uintptr_t at = start; at < end;) {
		struct sd_poisoned answer;
		struct sd_request request;
		struct sd_poison question = {
			.header = sd_header_of(SD_POISON),
			.token = sd_token(),
			.address = at,
			.thread = (uint32_t)SD_RAW0(SYS_gettid),
			.advice = (uint32_t)advice,
		};

		if (question.token == 0 || !sd_window_at(at, &window)) {
			result = is_readable(at) ? -EPERM : -EFAULT;
			break;
		}
		result = sd_request_ask(&request, &question, sizeof question, SD_POISONED, &answer, sizeof answer, NULL);
		if (sd_failed(result))
			break;
		sd_request_close(&request);
		result = answer.error;
		if (sd_failed(result) || answer.step == 0)
			break;
		/* A second SIGBUS would find the first one waiting, and be dropped. */
		if (answer.flags & SD_POISONED_SIGNAL && !(first.flags & SD_POISONED_SIGNAL))
			first = answer;
		if (__builtin_add_overflow(at, answer.step, &at))
			break;
	}
	if (first.flags & SD_POISONED_SIGNAL)
		sd_force_bus_error(first.address, first.shift, quiet);
	return result;
}

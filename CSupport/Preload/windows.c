/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windows.c - which address ranges of this process show a device.
 *
 * A sorted array in memory of its own.  Calls about other memory pay two compares with [sd_lowest, sd_highest) and no
 * lock; who looks up one address, as the handler of SIGBUS does, goes by a sequence number and takes the lock only if the
 * array changes meanwhile.  The server has the truth about rules and pages; this is what the shim must know without asking: whether a
 * call concerns the server at all, what a forked child inherits, what to revoke when the server goes.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "core.h"

uintptr_t sd_lowest = UINTPTR_MAX, sd_highest;

static struct sd_window_entry first_entries[16];
static struct sd_window_entry *entries = first_entries;
static size_t count, capacity = 16;
static uint64_t entered; /* entries so far */
static uint32_t sequence; /* odd: the array is being changed */
static bool revoked;

/* ------------------------------------------------------------------ the array, with the lock held */

static void set_bounds(void)
{
	__atomic_store_n(&sd_lowest, count ? entries[0].start : UINTPTR_MAX, __ATOMIC_RELAXED);
	__atomic_store_n(&sd_highest, count ? entries[count - 1].end : 0, __ATOMIC_RELAXED);
}

/* Quiet and locked; whoever looks without the lock looks again. */
static void change_begin(struct sd_quiet *quiet)
{
	sd_quiet_begin(quiet);
	sd_lock(&sd_process_lock);
	__atomic_store_n(&sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void change_end(const struct sd_quiet *quiet)
{
	__atomic_store_n(&sequence, sequence + 1, __ATOMIC_RELEASE);
	sd_unlock(&sd_process_lock);
	sd_quiet_end(quiet);
}

static size_t first_of(const struct sd_window_entry *array, size_t high, uintptr_t address)
{
	size_t low = 0;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (array[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Index of the first window that ends above `address`. */
static size_t first_above(uintptr_t address)
{
	return first_of(entries, count, address);
}

static bool has_room(void)
{
	if (count < capacity)
		return true;

	size_t bytes = capacity * sizeof *entries;
	size_t room = (2 * bytes + 4095) & ~4095ul;
	long place = sd_raw_mmap(sd_own_place(room), room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (sd_failed(place))
		return false;
	memcpy((void *)place, entries, bytes);
	/* The old ones, half as many, stay: somebody may be looking there. */
	__atomic_store_n(&entries, (struct sd_window_entry *)place, __ATOMIC_RELEASE);
	capacity *= 2;
	return true;
}

static bool insert_at(size_t index, struct sd_window_entry window)
{
	if (!has_room())
		return false;
	memmove(entries + index + 1, entries + index, (count - index) * sizeof *entries);
	entries[index] = window;
	entries[index].entered = ++entered;
	/* After the array that has room for it. */
	__atomic_store_n(&count, count + 1, __ATOMIC_RELEASE);
	return true;
}

static void delete_at(size_t index)
{
	count--;
	memmove(entries + index, entries + index + 1, (count - index) * sizeof *entries);
}

/* Makes two windows of one at `address`. */
static void split(uintptr_t address)
{
	size_t index = first_above(address);

	if (index == count || entries[index].start >= address)
		return;

	struct sd_window_entry right = entries[index];

	right.offset += address - right.start;
	right.start = address;
	entries[index].entered = ++entered;
	if (insert_at(index + 1, right))
		entries[index].end = address;
}

/* Joins what continues its neighbour, from just before `start` to just after `end`. */
static void join(uintptr_t start, uintptr_t end)
{
	size_t index = first_above(start ? start - 1 : 0);

	while (index + 1 < count && entries[index].start <= end) {
		const struct sd_window_entry *left = &entries[index], *right = left + 1;

		if (left->end == right->start && left->device == right->device && left->file == right->file && left->access == right->access &&
		    left->protection == right->protection && left->kind == right->kind && left->flags == right->flags &&
		    left->offset + (left->end - left->start) == right->offset) {
			entries[index].end = right->end;
			entries[index].entered = ++entered;
			delete_at(index + 1);
		} else {
			index++;
		}
	}
	set_bounds();
}

static void carve(uintptr_t start, uintptr_t end)
{
	if (start >= end)
		return;
	split(start);
	split(end);

	size_t index = first_above(start), stop = index;

	while (stop < count && entries[stop].start < end)
		stop++;
	memmove(entries + index, entries + stop, (count - stop) * sizeof *entries);
	count -= stop - index;
	set_bounds();
}

/* ------------------------------------------------------------------ for everybody */

bool sd_next_window(uintptr_t start, uintptr_t end, struct sd_window_entry *part)
{
	struct sd_quiet quiet;

	sd_quiet_begin(&quiet);
	sd_lock(&sd_process_lock);

	size_t index = first_above(start);
	bool found = index < count && entries[index].start < end;

	if (found) {
		*part = entries[index];
		if (part->start < start) {
			part->offset += start - part->start;
			part->start = start;
		}
		if (part->end > end)
			part->end = end;
	}
	sd_unlock(&sd_process_lock);
	sd_quiet_end(&quiet);
	return found;
}

bool sd_any_window(uintptr_t start, uintptr_t end)
{
	struct sd_window_entry ignored;

	return sd_next_window(start, end, &ignored);
}

/* Without the lock; false: the array is changing. */
static bool look(uintptr_t address, struct sd_window_entry *window, bool *found)
{
	uint32_t before = __atomic_load_n(&sequence, __ATOMIC_ACQUIRE);
	size_t number = __atomic_load_n(&count, __ATOMIC_ACQUIRE);
	const struct sd_window_entry *array = __atomic_load_n(&entries, __ATOMIC_ACQUIRE);
	size_t index = first_of(array, number, address);

	*found = index < number && array[index].start <= address;
	if (*found)
		*window = array[index];
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return !(before & 1) && __atomic_load_n(&sequence, __ATOMIC_RELAXED) == before;
}

bool sd_window_at(uintptr_t address, struct sd_window_entry *window)
{
	struct sd_quiet quiet;
	bool found;

	if (look(address, window, &found))
		return found;
	sd_quiet_begin(&quiet);
	sd_lock(&sd_process_lock);

	size_t index = first_above(address);

	found = index < count && entries[index].start <= address;
	if (found)
		*window = entries[index];
	sd_unlock(&sd_process_lock);
	sd_quiet_end(&quiet);
	return found;
}

long sd_add_window(const struct sd_window_entry *window)
{
	struct sd_quiet quiet;
	long result = -ENOMEM;

	change_begin(&quiet);
	if (revoked) {
		result = sd_map_nothing(window->start, window->end - window->start, window->protection);
	} else {
		carve(window->start, window->end);
		if (insert_at(first_above(window->start), *window))
			result = 0;
		join(window->start, window->end);
	}
	change_end(&quiet);
	return result;
}

void sd_remove_windows(uintptr_t start, uintptr_t end)
{
	struct sd_quiet quiet;

	change_begin(&quiet);
	carve(start, end);
	change_end(&quiet);
}

void sd_flag_windows(uintptr_t start, uintptr_t end, uint8_t flag, bool on)
{
	struct sd_quiet quiet;

	if (start >= end)
		return;
	change_begin(&quiet);
	split(start);
	split(end);
	for (size_t index = first_above(start); index < count && entries[index].start < end; index++)
		entries[index].flags = (uint8_t)(on ? entries[index].flags | flag : entries[index].flags & ~flag);
	join(start, end);
	change_end(&quiet);
}

void sd_protect_windows(uintptr_t start, uintptr_t end, int protection)
{
	struct sd_quiet quiet;

	if (start >= end)
		return;
	change_begin(&quiet);
	split(start);
	split(end);
	for (size_t index = first_above(start); index < count && entries[index].start < end; index++)
		entries[index].protection = (uint8_t)(protection & 7);
	join(start, end);
	change_end(&quiet);
}

void sd_move_windows(uintptr_t start, size_t old_length, uintptr_t target, size_t new_length)
{
	struct sd_quiet quiet;
	size_t kept = old_length < new_length ? old_length : new_length;

	change_begin(&quiet);
	carve(start + kept, start + old_length);
	split(start);
	split(start + kept);
	if (target != start) {
		carve(target, target + new_length);
		for (;;) {
			size_t index = first_above(start);

			if (index == count || entries[index].start >= start + kept)
				break;

			struct sd_window_entry window = entries[index];

			delete_at(index);
			window.start = window.start - start + target;
			window.end = window.end - start + target;
			insert_at(first_above(window.start), window);
		}
	}
	for (size_t index = first_above(target); index < count && entries[index].start < target + kept; index++) {
		entries[index].flags &= (uint8_t)~SD_LEAVING;
		if (entries[index].end == target + kept) {
			entries[index].end = target + new_length;
			break;
		}
	}
	join(start, start + old_length);
	join(target, target + new_length);
	if (revoked) {
		for (size_t index = first_above(target); index < count && entries[index].start < target + new_length; index++)
			sd_map_nothing(entries[index].start, entries[index].end - entries[index].start, entries[index].protection);
		carve(target, target + new_length);
	}
	change_end(&quiet);
}

long sd_for_file_windows(uintptr_t start, uintptr_t end, long (*part)(uintptr_t start, uintptr_t end, void *context), void *context)
{
	long done = 0;
	bool leaving;

	do {
		leaving = false;
		sd_lock(&sd_process_lock);
		for (size_t index = first_above(start); index < count && entries[index].start < end; index++)
			leaving |= entries[index].kind == SD_WINDOW_PIECES && entries[index].flags & SD_LEAVING;
		for (size_t index = first_above(start); !leaving && index < count && entries[index].start < end; index++) {
			uintptr_t from = entries[index].start > start ? entries[index].start : start;
			uintptr_t to = entries[index].end < end ? entries[index].end : end;
			long result;

			if (entries[index].kind != SD_WINDOW_PIECES)
				continue;
			result = part(from, to, context);
			if (sd_failed(result)) {
				done = result;
				break;
			}
			done += (long)(to - from);
		}
		sd_unlock(&sd_process_lock);
		if (leaving)
			sd_raw_sleep(20000);
	} while (leaving);
	return done;
}

/* ------------------------------------------------------------------ the end */

long sd_map_nothing(uintptr_t start, size_t length, int protection)
{
	/* A shared mapping of a file that has no pages; memory that nobody may touch if there is no descriptor for it. */
	int empty = (int)SD_RAW2(SYS_memfd_create, "softdax-nothing", MFD_CLOEXEC);
	long result;

	if (empty < 0)
		result = sd_raw_mmap(start, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	else
		result = sd_raw_mmap(start, length, protection, MAP_SHARED | MAP_FIXED, empty, 0);
	if (!sd_failed(result) && sd_locks_future())
		SD_RAW2(SYS_munlock, start, length);
	sd_raw_close(empty);
	return sd_failed(result) ? result : 0;
}

/* Runs in the agent: quiet already. */
void sd_revoke_windows(int userfaultfd)
{
	size_t left;

	do {
		struct sd_quiet quiet;

		change_begin(&quiet);
		revoked = true;
		left = 0;
		for (size_t index = 0; index < count; index++) {
			struct sd_window_entry window = entries[index];

			/* Another thread may be giving this range to something else just now: wait until it is done. */
			if (window.flags & SD_LEAVING) {
				entries[left++] = window;
				continue;
			}
			sd_map_nothing(window.start, window.end - window.start, window.protection);
		}
		count = left;
		set_bounds();
		change_end(&quiet);
		if (left) {
			sd_read_events(userfaultfd);
			sd_raw_sleep(200000);
		}
	} while (left);
}

void sd_windows_after_fork(void)
{
	revoked = false;
	for (size_t index = 0; index < count;) {
		const struct sd_window_entry *window = &entries[index];

		if (window->flags & (SD_DONTFORK | SD_LEAVING)) {
			/* What the agent has mapped there knows nothing of MADV_DONTFORK. */
			if (!(window->flags & SD_LEAVING) && window->kind != SD_WINDOW_FILE)
				sd_raw_munmap(window->start, window->end - window->start);
			delete_at(index);
		} else {
			index++;
		}
	}
	set_bounds();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - the session directory and its devices, read once.
 *
 * Read on first use, because libraries open files in their constructors, before those of the shim have run. Whoever comes
 * first reads; a thread that comes meanwhile waits the few microseconds, a signal handler inside the reader sees no machine.
 */
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"
#include "raw.h"

#define MAX_ENTRIES (2 * SD_MAX_DEVICES)

enum { UNREAD, READING, READ };

static char directory[SD_LONGEST_DIRECTORY + 1];
static struct sd_table_entry entries[MAX_ENTRIES];
static uint32_t entry_count;
static struct sd_host host;
static int state;
static long reader;

/* Fills `size` bytes; false if the file has fewer. */
static bool read_all(int file, void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		long count = SD_RAW3(SYS_read, file, (char *)bytes + done, size - done);
		if (count == -EINTR)
			continue;
		if (count <= 0)
			return false;
		done += (size_t)count;
	}
	return true;
}

static bool read_table(const char *name)
{
	struct sd_table_header header;
	char path[SD_LONGEST_DIRECTORY + sizeof "/" SD_TABLE_NAME];
	size_t length = strlen(name);

	while (length > 1 && name[length - 1] == '/')
		length--;
	if (name[0] != '/' || length > SD_LONGEST_DIRECTORY)
		return false;
	memcpy(path, name, length);
	memcpy(path + length, "/" SD_TABLE_NAME, sizeof "/" SD_TABLE_NAME);
	int file = (int)SD_RAW4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (file < 0)
		return false;
	bool good = read_all(file, &header, sizeof header) && header.magic == SD_WIRE_MAGIC &&
		    header.version == SD_WIRE_VERSION && header.count <= MAX_ENTRIES &&
		    read_all(file, entries, header.count * sizeof entries[0]);
	SD_RAW1(SYS_close, file);
	if (!good)
		return false;
	for (uint32_t i = 0; i < header.count; i++) {
		entries[i].path[sizeof entries[i].path - 1] = 0;
		entries[i].file[sizeof entries[i].file - 1] = 0;
	}
	memcpy(directory, name, length);
	directory[length] = 0;
	entry_count = header.count;
	return true;
}

static struct sd_identity identify(const char *path)
{
	struct stat facts;
	struct sd_identity nobody = { 0, 0 };

	if (SD_RAW4(SYS_newfstatat, AT_FDCWD, path, &facts, 0) != 0)
		return nobody;
	return (struct sd_identity){ facts.st_dev, facts.st_ino };
}

/* What tells a descriptor or the working directory apart from the millions that have nothing to do with devices. */
static void look_at_host(void)
{
	char path[SD_LONGEST_DIRECTORY + sizeof "/sys"];

	host.root = identify("/");
	host.dev = identify("/dev");
	host.sys = identify("/sys");
	memcpy(path, directory, sizeof directory);
	strcat(path, "/sys");
	host.tree = identify(path);
}

__attribute__((noinline)) static void load(void)
{
	long self = SD_RAW0(SYS_gettid);
	int seen = UNREAD;

	if (__atomic_compare_exchange_n(&state, &seen, READING, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&reader, self, __ATOMIC_RELEASE);
		const char *name = getenv(SD_ENVIRONMENT);
		if (name && read_table(name))
			look_at_host();
		__atomic_store_n(&state, READ, __ATOMIC_RELEASE);
	} else {
		while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != READ &&
		       __atomic_load_n(&reader, __ATOMIC_ACQUIRE) != self)
			SD_RAW0(SYS_sched_yield);
	}
}

const char *sd_directory(void)
{
	if (__builtin_expect(__atomic_load_n(&state, __ATOMIC_ACQUIRE) != READ, 0))
		load();
	return __atomic_load_n(&state, __ATOMIC_ACQUIRE) == READ && directory[0] ? directory : NULL;
}

const struct sd_host *sd_host(void)
{
	return &host;
}

const struct sd_table_entry *sd_entries(uint32_t *count)
{
	*count = sd_directory() ? entry_count : 0;
	return entries;
}

const struct sd_table_entry *sd_entry_of_identity(uint64_t device, uint64_t inode)
{
	if (!sd_directory())
		return NULL;
	for (uint32_t i = 0; i < entry_count; i++)
		if (entries[i].node_ino == inode && entries[i].node_dev == device)
			return &entries[i];
	return NULL;
}

const struct sd_table_entry *sd_entry_of_descriptor(int descriptor)
{
	struct stat facts;

	if (descriptor < 0 || !sd_directory())
		return NULL;
	long failed = SD_RAW2(SYS_fstat, descriptor, &facts);
	return failed ? NULL : sd_entry_of_identity(facts.st_dev, facts.st_ino);
}

const struct sd_table_entry *sd_entry_of_path(const char *path)
{
	if (!sd_directory())
		return NULL;
	for (uint32_t i = 0; i < entry_count; i++)
		if (strcmp(entries[i].path, path) == 0)
			return &entries[i];
	return NULL;
}

const struct sd_table_entry *sd_entry_of_device(uint32_t device)
{
	if (!sd_directory())
		return NULL;
	for (uint32_t i = 0; i < entry_count; i++)
		if (entries[i].node == SD_NODE_DAX && entries[i].device == device)
			return &entries[i];
	return NULL;
}

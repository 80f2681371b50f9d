/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory.c - listings show the host's names and the session's, each once.
 *
 * A directory that has both halves is read as two streams, one after the other. The program holds the first, a real DIR;
 * what belongs to it besides is kept in a table by its address.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"

_Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "one layout");

/* As many merged directories may be open at a time; further ones show the session's half alone. */
#define MAX_MERGED 256

struct merged {
	DIR *host;     /* the host's half of a directory of the tree; NULL: /dev, whose second half is the table */
	bool second;   /* the first half has been read */
	uint32_t node; /* next entry of the table */
	struct dirent64 entry;
};

static DIR *keys[MAX_MERGED];
static struct merged *values[MAX_MERGED];
static uint32_t used; /* slots that have ever been used */

static int slot_of(DIR *stream)
{
	uint32_t count = __atomic_load_n(&used, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++)
		if (__atomic_load_n(&keys[i], __ATOMIC_ACQUIRE) == stream)
			return (int)i;
	return -1;
}

static bool remember(DIR *stream, struct merged *merged)
{
	static DIR *const taken = (DIR *)1; /* not a stream's address */

	for (uint32_t i = 0; i < MAX_MERGED; i++) {
		DIR *seen = NULL;
		if (!__atomic_compare_exchange_n(&keys[i], &seen, taken, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		values[i] = merged;
		__atomic_store_n(&keys[i], stream, __ATOMIC_RELEASE);
		uint32_t count = __atomic_load_n(&used, __ATOMIC_ACQUIRE);
		while (count < i + 1 &&
		       !__atomic_compare_exchange_n(&used, &count, i + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			;
		return true;
	}
	return false;
}

/* Adds the second half to a stream that reads the directory of that shown path. */
static DIR *with_other_half(DIR *stream, const char *shown)
{
	bool is_dev = strcmp(shown, "/dev") == 0;
	DIR *host = NULL;
	int error = errno;

	if (!stream || (!is_dev && strncmp(shown, "/sys", 4) != 0))
		return stream;
	if (!is_dev) {
		struct stat ours, theirs;
		host = SD_NEXT(opendir)(shown);
		if (host && SD_NEXT(fstat)(dirfd(stream), &ours) == 0 && SD_NEXT(fstat)(dirfd(host), &theirs) == 0 &&
		    ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) {
			SD_NEXT(closedir)(host); /* the stream is the host's half: a program came by another way */
			host = NULL;
		}
	}
	errno = error;
	if (!is_dev && !host)
		return stream;
	struct merged *merged = calloc(1, sizeof *merged);
	if (merged) {
		merged->host = host;
		if (remember(stream, merged))
			return stream;
	}
	free(merged);
	if (host)
		SD_NEXT(closedir)(host);
	errno = error;
	return stream;
}

SD_EXPORT DIR *opendir(const char *path)
{
	struct sd_place place;

	if (!sd_concerns(AT_FDCWD, path))
		return SD_NEXT(opendir)(path);
	sd_find(&place, AT_FDCWD, path, true);
	DIR *stream = SD_NEXT(opendir)(place.path);
	if (!place.shown || (place.where == SD_ELSEWHERE && strcmp(place.shown, "/dev") != 0))
		return stream;
	return with_other_half(stream, place.shown);
}

SD_EXPORT DIR *fdopendir(int descriptor)
{
	char shown[SD_LONGEST_SHOWN];
	DIR *stream = SD_NEXT(fdopendir)(descriptor);

	if (!stream || !sd_shown_of_directory(descriptor, shown))
		return stream;
	return with_other_half(stream, shown);
}

/* Whether the session has `name` in the directory of `stream`. */
static bool is_ours(DIR *stream, const char *name)
{
	struct stat facts;

	return SD_NEXT(fstatat)(dirfd(stream), name, &facts, AT_SYMLINK_NOFOLLOW) == 0;
}

/* "dax0.0" in /dev */
static bool is_node(const char *name)
{
	uint32_t count;
	const struct sd_table_entry *entries = sd_entries(&count);

	for (uint32_t i = 0; i < count; i++)
		if (strcmp(entries[i].path + sizeof "/dev/" - 1, name) == 0)
			return true;
	return false;
}

/* Not while its device is disabled. */
static bool is_there(const struct sd_table_entry *entry)
{
	struct stat facts;
	int error = errno;
	bool there = lstat(entry->path, &facts) == 0;

	errno = error;
	return there;
}

static struct dirent64 *next_node(struct merged *merged)
{
	uint32_t count;
	const struct sd_table_entry *entries = sd_entries(&count);

	while (merged->node < count && !is_there(&entries[merged->node]))
		merged->node++;
	if (merged->node >= count)
		return NULL;
	const struct sd_table_entry *entry = &entries[merged->node++];
	const char *name = entry->path + sizeof "/dev/" - 1;
	merged->entry.d_ino = entry->node_ino;
	merged->entry.d_off = (off_t)(0x7fffffff00000000 + merged->node);
	merged->entry.d_reclen = sizeof merged->entry;
	merged->entry.d_type = DT_CHR;
	strcpy(merged->entry.d_name, name);
	return &merged->entry;
}

SD_EXPORT struct dirent64 *readdir64(DIR *stream)
{
	int slot = slot_of(stream);
	struct dirent64 *entry;

	if (slot < 0)
		return SD_NEXT(readdir64)(stream);
	struct merged *merged = values[slot];
	int error = errno;
	if (!merged->second) {
		do
			entry = SD_NEXT(readdir64)(stream);
		while (entry && !merged->host && is_node(entry->d_name));
		if (entry || errno != error)
			return entry;
		merged->second = true;
	}
	if (!merged->host)
		return next_node(merged);
	do
		entry = SD_NEXT(readdir64)(merged->host);
	while (entry && is_ours(stream, entry->d_name)); /* "." and ".." too */
	if (entry)
		errno = error;
	else if (errno == ENOENT)
		errno = error; /* is_ours() of the last name */
	return entry;
}

SD_EXPORT struct dirent *readdir(DIR *stream)
{
	return (struct dirent *)readdir64(stream);
}

static int read_into(DIR *stream, struct dirent64 *entry, struct dirent64 **result)
{
	int before = errno;

	errno = 0;
	struct dirent64 *next = readdir64(stream);
	int error = errno;
	errno = before;
	*result = NULL;
	if (!next)
		return error;
	size_t size = offsetof(struct dirent64, d_name) + strlen(next->d_name) + 1;
	memcpy(entry, next, size);
	*result = entry;
	return 0;
}

SD_EXPORT int readdir64_r(DIR *restrict stream, struct dirent64 *restrict entry, struct dirent64 **restrict result)
{
	return read_into(stream, entry, result);
}

SD_EXPORT int readdir_r(DIR *restrict stream, struct dirent *restrict entry, struct dirent **restrict result)
{
	return read_into(stream, (struct dirent64 *)entry, (struct dirent64 **)result);
}

static void go_back(DIR *stream)
{
	int slot = slot_of(stream);

	if (slot < 0)
		return;
	values[slot]->second = false;
	values[slot]->node = 0;
	if (values[slot]->host)
		SD_NEXT(rewinddir)(values[slot]->host);
}

SD_EXPORT void rewinddir(DIR *stream)
{
	go_back(stream);
	SD_NEXT(rewinddir)(stream);
}

/* Positions are of the first half: the second begins anew after it. */
SD_EXPORT void seekdir(DIR *stream, long position)
{
	go_back(stream);
	SD_NEXT(seekdir)(stream, position);
}

SD_EXPORT int closedir(DIR *stream)
{
	int slot = slot_of(stream);

	if (slot >= 0) {
		struct merged *merged = values[slot];
		__atomic_store_n(&keys[slot], NULL, __ATOMIC_RELEASE);
		if (merged->host)
			SD_NEXT(closedir)(merged->host);
		free(merged);
	}
	return SD_NEXT(closedir)(stream);
}

/* ------------------------------------------------------------------ scandir */

typedef int filter_function(const struct dirent64 *);
typedef int order_function(const struct dirent64 **, const struct dirent64 **);

/* libc's opens directories behind the hooks. */
static int scan(DIR *stream, struct dirent64 ***names, filter_function *filter, order_function *order)
{
	struct dirent64 **list = NULL, *entry;
	size_t count = 0, room = 0;
	int before = errno, error = 0;

	if (!stream)
		return -1;
	for (errno = 0; (entry = readdir64(stream)); errno = 0) {
		if (filter && !filter(entry))
			continue;
		if (count == room) {
			struct dirent64 **longer = realloc(list, (room = room ? 2 * room : 16) * sizeof *list);
			if (!longer) {
				error = ENOMEM;
				break;
			}
			list = longer;
		}
		size_t size = offsetof(struct dirent64, d_name) + strlen(entry->d_name) + 1;
		if (!(list[count] = malloc(size))) {
			error = ENOMEM;
			break;
		}
		memcpy(list[count++], entry, size);
	}
	if (!error)
		error = errno;
	closedir(stream);
	if (error) {
		while (count)
			free(list[--count]);
		free(list);
		errno = error;
		return -1;
	}
	errno = before;
	if (count && order)
		qsort(list, count, sizeof *list, (int (*)(const void *, const void *))(void *)order);
	if (!list && !(list = malloc(sizeof *list)))
		return -1;
	*names = list;
	return (int)count;
}

SD_EXPORT int scandir64(const char *restrict path, struct dirent64 ***restrict names, filter_function *filter,
			order_function *order)
{
	return scan(opendir(path), names, filter, order);
}

SD_EXPORT int scandirat64(int at, const char *restrict path, struct dirent64 ***restrict names, filter_function *filter,
			  order_function *order)
{
	int directory = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	DIR *stream = directory < 0 ? NULL : fdopendir(directory);

	if (directory >= 0 && !stream)
		close(directory);
	return scan(stream, names, filter, order);
}

SD_EXPORT int scandir(const char *restrict path, struct dirent ***restrict names, int (*filter)(const struct dirent *),
		      int (*order)(const struct dirent **, const struct dirent **))
{
	return scandir64(path, (struct dirent64 ***)names, (filter_function *)(void *)filter,
			 (order_function *)(void *)order);
}

SD_EXPORT int scandirat(int at, const char *restrict path, struct dirent ***restrict names,
			int (*filter)(const struct dirent *), int (*order)(const struct dirent **, const struct dirent **))
{
	return scandirat64(at, path, (struct dirent64 ***)names, (filter_function *)(void *)filter,
			   (order_function *)(void *)order);
}

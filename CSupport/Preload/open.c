/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.c - every way to get a descriptor or a stream from a path.
 *
 * A node's file is opened as the character device would be: created and truncated never, O_DIRECT refused because the driver
 * has none. An attribute of the session's /sys is opened if its mode allows it, but what is written goes to the server
 * (attribute.c). What the host has in /sys/bus/dax and /sys/bus/nd beside it is for reading: what is meant for emulated
 * devices must not reach its drivers.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "paths.h"
#include "raw.h"

bool sd_descriptors_shown;

static bool is_attribute(int descriptor)
{
	struct stat facts;

	return SD_RAW2(SYS_fstat, descriptor, &facts) == 0 && sd_is_attribute(descriptor, &facts);
}

/* A process that exec made, or that was given descriptors: are there nodes among those it starts with? Those that
 * are usually there are tried; a program that gets one by another way is found when it opens or receives. */
void sd_note_descriptors(void)
{
	if (sd_descriptors_shown || !sd_directory())
		return;
	for (int descriptor = 0; descriptor < 64 && !sd_descriptors_shown; descriptor++)
		if (sd_entry_of_descriptor(descriptor) || is_attribute(descriptor))
			sd_descriptors_shown = true;
}

/* Whether `place` is a file of the host that tells its drivers what to do with devices: bind, new_id and the like. */
static bool is_host_driver(const struct sd_place *place)
{
	return place->shown && (strncmp(place->shown, "/sys/bus/dax/", 13) == 0 || strncmp(place->shown, "/sys/bus/nd/", 12) == 0);
}

/* The server says so by the sticky bit of the node's file. */
static bool is_without_driver(const struct sd_place *place)
{
	struct stat facts;

	return SD_RAW4(SYS_newfstatat, place->at, place->path, &facts, 0) == 0 && (facts.st_mode & S_ISVTX);
}

/* Changes `flags` to what the file behind `place` is opened with; -1 and errno if the device or kernfs refuses. */
static int allow(const struct sd_place *place, int *flags)
{
	switch (place->where) {
	case SD_ELSEWHERE:
		if (is_host_driver(place) && (*flags & O_ACCMODE) != O_RDONLY) {
			errno = EACCES;
			return -1;
		}
		return 0;
	case SD_AT_NODE:
		sd_descriptors_shown = true;
		if ((*flags & O_CREAT) && (*flags & O_EXCL)) {
			errno = EEXIST;
			return -1;
		}
		if ((*flags & O_DIRECT) && !(*flags & O_PATH)) {
			errno = EINVAL;
			return -1;
		}
		if (!(*flags & O_PATH) && is_without_driver(place)) {
			errno = ENXIO;
			return -1;
		}
		if ((*flags & O_TMPFILE) != O_TMPFILE)
			*flags &= ~(O_CREAT | O_EXCL | O_TRUNC);
		return 0;
	case SD_IN_TREE:
		if (*flags & O_PATH)
			return 0;
		if ((*flags & O_CREAT) && (*flags & O_EXCL)) {
			errno = EEXIST;
			return -1;
		}
		if ((*flags & O_TMPFILE) == O_TMPFILE)
			return 0;
		int changed = sd_attribute_flags(place, *flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_DIRECT));
		if (changed < 0) {
			errno = -changed;
			return -1;
		}
		*flags = changed;
		return 0;
	}
	return 0;
}

static bool needs_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

/* libc's, all in one: the others differ in how they are called. A cancellation point as it has to be. */
static int open_place(int at, const char *path, int flags, mode_t mode)
{
	struct sd_place place;

	if (!sd_concerns(at, path)) {
		bool follows = !(flags & (O_NOFOLLOW | O_EXCL));
		bool shown = (flags & O_CREAT) && follows && sd_leads_to(&place, at, path);
		if (!shown) {
			int result = SD_NEXT(openat)(at, path, flags, mode);
			if (result >= 0 || errno != ENOENT || !follows || !sd_leads_to(&place, at, path))
				return result;
		}
		return allow(&place, &flags) == 0 ? SD_NEXT(openat)(place.at, place.path, flags, mode) : -1;
	}
	bool excluding = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	sd_find(&place, at, path, !(flags & O_NOFOLLOW) && !excluding);
	if (allow(&place, &flags) != 0)
		return -1;
	return SD_NEXT(openat)(place.at, place.path, flags, mode);
}

#define MODE(flags)                                         \
	({                                                  \
		mode_t mode_ = 0;                           \
		if (needs_mode(flags)) {                    \
			va_list arguments_;                 \
			va_start(arguments_, flags);        \
			mode_ = va_arg(arguments_, mode_t); \
			va_end(arguments_);                 \
		}                                           \
		mode_;                                      \
	})

SD_EXPORT int open(const char *path, int flags, ...)
{
	return open_place(AT_FDCWD, path, flags, MODE(flags));
}

SD_EXPORT int open64(const char *path, int flags, ...)
{
	return open_place(AT_FDCWD, path, flags, MODE(flags));
}

SD_EXPORT int openat(int at, const char *path, int flags, ...)
{
	return open_place(at, path, flags, MODE(flags));
}

SD_EXPORT int openat64(int at, const char *path, int flags, ...)
{
	return open_place(at, path, flags, MODE(flags));
}

SD_EXPORT int creat(const char *path, mode_t mode)
{
	return open_place(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

SD_EXPORT int creat64(const char *path, mode_t mode)
{
	return creat(path, mode);
}

/* The fortified forms: a file that is created has a mode. */

SD_EXPORT int __openat_2(int at, const char *path, int flags)
{
	if (needs_mode(flags))
		__chk_fail();
	return open_place(at, path, flags, 0);
}

SD_EXPORT int __openat64_2(int at, const char *path, int flags)
{
	return __openat_2(at, path, flags);
}

SD_EXPORT int __open_2(const char *path, int flags)
{
	return __openat_2(AT_FDCWD, path, flags);
}

SD_EXPORT int __open64_2(const char *path, int flags)
{
	return __openat_2(AT_FDCWD, path, flags);
}

/* ------------------------------------------------------------------ streams */

static bool writes(const char *mode)
{
	return mode[0] != 'r' || strchr(mode, '+');
}

/* The mode to open `place` with, in `text`; NULL and errno if refused. What a stream writes goes past every hook, so a
 * stream on a node is for reading whatever was asked; writing fails with EBADF. */
static const char *stream_mode(const struct sd_place *place, const char *mode, char text[8])
{
	if (place->where == SD_ELSEWHERE && !(writes(mode) && is_host_driver(place)))
		return mode;
	if (place->where == SD_ELSEWHERE || (place->where == SD_IN_TREE && writes(mode))) {
		errno = EACCES;
		return NULL;
	}
	if (mode[0] == 'w' && strchr(mode, 'x')) {
		errno = EEXIST;
		return NULL;
	}
	sd_descriptors_shown |= place->where == SD_AT_NODE;
	strcpy(text, strchr(mode, 'e') ? "re" : "r");
	return text;
}

/* A stream on an attribute that is to be written. */
static FILE *write_stream(const struct sd_place *place, const char *mode)
{
	int flags = (strchr(mode, '+') ? O_RDWR : O_WRONLY) | (strchr(mode, 'e') ? O_CLOEXEC : 0) |
		    (mode[0] == 'w' && strchr(mode, 'x') ? O_CREAT | O_EXCL : 0);
	int descriptor = allow(place, &flags) == 0 ? SD_NEXT(openat)(place->at, place->path, flags) : -1;
	FILE *stream = descriptor >= 0 ? sd_attribute_stream(descriptor, mode) : NULL;

	if (!stream && descriptor >= 0)
		SD_NEXT(close)(descriptor);
	return stream;
}

SD_EXPORT FILE *fopen(const char *restrict path, const char *restrict mode)
{
	struct sd_place place;
	char text[8];

	if (!sd_concerns(AT_FDCWD, path)) {
		bool shown = mode[0] != 'r' && sd_leads_to(&place, AT_FDCWD, path);
		FILE *stream = shown ? NULL : SD_NEXT(fopen)(path, mode);
		if (!shown && (stream || errno != ENOENT || !sd_leads_to(&place, AT_FDCWD, path)))
			return stream;
	} else {
		sd_find(&place, AT_FDCWD, path, true);
	}
	if (place.where == SD_IN_TREE && writes(mode))
		return write_stream(&place, mode);
	return (mode = stream_mode(&place, mode, text)) ? SD_NEXT(fopen)(place.path, mode) : NULL;
}

SD_EXPORT FILE *fopen64(const char *restrict path, const char *restrict mode)
{
	return fopen(path, mode);
}

SD_EXPORT FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict stream)
{
	struct sd_place place;
	char text[8];

	if (!sd_concerns(AT_FDCWD, path))
		return SD_NEXT(freopen)(path, mode, stream);
	sd_find(&place, AT_FDCWD, path, true);
	if (!(mode = stream_mode(&place, mode, text))) {
		int error = errno;
		fclose(stream); /* as freopen() does when it fails */
		errno = error;
		return NULL;
	}
	return SD_NEXT(freopen)(place.path, mode, stream);
}

SD_EXPORT FILE *freopen64(const char *restrict path, const char *restrict mode, FILE *restrict stream)
{
	return freopen(path, mode, stream);
}

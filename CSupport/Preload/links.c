/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links.c - names that the kernel or libc gives back: link texts, resolved paths, the working directory.
 *
 * None may show the session directory: "/sys/bus/dax" is what programs compare with.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "paths.h"

/* ------------------------------------------------------------------ link texts */

/* By way of a buffer of our own: what lies behind the text in the caller's stays as it was. */
SD_EXPORT ssize_t readlinkat(int at, const char *restrict path, char *restrict buffer, size_t size)
{
	struct sd_place place;
	char text[PATH_MAX];

	if (!sd_directory() || (ssize_t)size <= 0)
		return SD_NEXT(readlinkat)(at, path, buffer, size);
	sd_look(&place, at, path, false);
	ssize_t length = SD_NEXT(readlinkat)(place.at, place.path, text, sizeof text - 1);
	if (length < 0)
		return length;
	text[length] = 0;
	const char *shown = sd_without_directory(text); /* /proc/self/fd/7, /proc/self/cwd */
	if (shown)
		length = (ssize_t)strlen(shown);
	if ((size_t)length > size)
		length = (ssize_t)size;
	memcpy(buffer, shown ? shown : text, (size_t)length);
	return length;
}

SD_EXPORT ssize_t readlink(const char *restrict path, char *restrict buffer, size_t size)
{
	return readlinkat(AT_FDCWD, path, buffer, size);
}

ssize_t __readlinkat_chk(int, const char *, char *, size_t, size_t);
ssize_t __readlink_chk(const char *, char *, size_t, size_t);

SD_EXPORT ssize_t __readlinkat_chk(int at, const char *path, char *buffer, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return readlinkat(at, path, buffer, size);
}

SD_EXPORT ssize_t __readlink_chk(const char *path, char *buffer, size_t size, size_t room)
{
	return __readlinkat_chk(AT_FDCWD, path, buffer, size, room);
}

/* ------------------------------------------------------------------ resolved paths */

/* `path` as the caller wants it: in his buffer, or allocated as libc allocates it. */
static char *give(const char *path, char *resolved)
{
	if (!resolved)
		return strdup(path);
	return strcpy(resolved, path);
}

SD_EXPORT char *realpath(const char *restrict path, char *restrict resolved)
{
	struct sd_place place;
	struct stat facts;

	if (sd_look(&place, AT_FDCWD, path, true)->where != SD_ELSEWHERE)
		return SD_NEXT(fstatat)(AT_FDCWD, place.path, &facts, 0) == 0 ? give(place.shown, resolved) : NULL;
	char *result = SD_NEXT(realpath)(place.path, resolved);
	if (!result && errno == ENOENT && sd_leads_to(&place, AT_FDCWD, path))
		return give(place.shown, resolved);
	const char *shown = result ? sd_without_directory(result) : NULL;
	if (shown)
		memmove(result, shown, strlen(shown) + 1);
	return result;
}

char *__realpath_chk(const char *, char *, size_t);

SD_EXPORT char *__realpath_chk(const char *path, char *resolved, size_t room)
{
	if (room < PATH_MAX)
		__chk_fail();
	return realpath(path, resolved);
}

SD_EXPORT char *canonicalize_file_name(const char *path)
{
	return realpath(path, NULL);
}

/* ------------------------------------------------------------------ the working directory */

SD_EXPORT int chdir(const char *path)
{
	struct sd_place place;
	int result = SD_NEXT(chdir)(sd_look(&place, AT_FDCWD, path, true)->path);

	if (result == 0)
		sd_note_working_directory();
	return result;
}

SD_EXPORT int fchdir(int descriptor)
{
	int result = SD_NEXT(fchdir)(descriptor);

	if (result == 0)
		sd_note_working_directory();
	return result;
}

/* The working directory's shown path in `text`, of PATH_MAX; false if it is not the session's. */
static bool session_directory(char *text)
{
	if (!sd_working_directory_shown || !sd_shown_of_directory(AT_FDCWD, text))
		return false;
	if (!text[0])
		strcpy(text, "/");
	return true;
}

SD_EXPORT char *getcwd(char *buffer, size_t size)
{
	char text[SD_LONGEST_SHOWN];

	if (!session_directory(text))
		return SD_NEXT(getcwd)(buffer, size);
	size_t needed = strlen(text) + 1;
	if (buffer ? size == 0 : false) {
		errno = EINVAL;
		return NULL;
	}
	if (size && size < needed) {
		errno = ERANGE;
		return NULL;
	}
	if (!buffer && !(buffer = malloc(size ? size : needed)))
		return NULL;
	return memcpy(buffer, text, needed);
}

char *__getcwd_chk(char *, size_t, size_t);

SD_EXPORT char *__getcwd_chk(char *buffer, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return getcwd(buffer, size);
}

SD_EXPORT char *get_current_dir_name(void)
{
	char text[SD_LONGEST_SHOWN];
	const char *variable = getenv("PWD");
	struct stat here, there;

	if (!session_directory(text))
		return SD_NEXT(get_current_dir_name)();
	if (variable && variable[0] == '/' && stat(variable, &there) == 0 && stat(".", &here) == 0 &&
	    here.st_dev == there.st_dev && here.st_ino == there.st_ino)
		return strdup(variable);
	return strdup(text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* glob.c - libc's glob(), told to read directories through the hooks. */
#include <dirent.h>
#include <glob.h>
#include <sys/stat.h>

#include "paths.h"

static void *open_directory(const char *path)
{
	return opendir(path);
}

static struct dirent *read_directory(void *stream)
{
	return readdir(stream);
}

static void close_directory(void *stream)
{
	closedir(stream);
}

SD_EXPORT int glob(const char *restrict pattern, int flags, int (*failed)(const char *, int), glob_t *restrict found)
{
	if ((flags & GLOB_ALTDIRFUNC) || !sd_directory())
		return SD_NEXT(glob)(pattern, flags, failed, found);
	found->gl_opendir = open_directory;
	found->gl_readdir = read_directory;
	found->gl_closedir = close_directory;
	found->gl_stat = stat;
	found->gl_lstat = lstat;
	int result = SD_NEXT(glob)(pattern, flags | GLOB_ALTDIRFUNC, failed, found);
	found->gl_flags &= ~GLOB_ALTDIRFUNC;
	return result;
}

_Static_assert(sizeof(glob_t) == sizeof(glob64_t), "one layout");

SD_EXPORT int glob64(const char *restrict pattern, int flags, int (*failed)(const char *, int), glob64_t *restrict found)
{
	return glob(pattern, flags, failed, (glob_t *)found);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* access.c - may this process, and does this path exist. */
#include <errno.h>
#include <unistd.h>

#include "paths.h"

SD_EXPORT int faccessat(int at, const char *path, int mode, int flags)
{
	struct sd_place place;

	sd_look(&place, at, path, !(flags & AT_SYMLINK_NOFOLLOW));
	int result = SD_NEXT(faccessat)(place.at, place.path, mode, flags);
	if (result != 0 && errno == ENOENT && !(flags & AT_SYMLINK_NOFOLLOW) && sd_leads_to(&place, at, path))
		result = SD_NEXT(faccessat)(place.at, place.path, mode, flags);
	return result;
}

SD_EXPORT int access(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, 0);
}

SD_EXPORT int eaccess(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS);
}

SD_EXPORT int euidaccess(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS);
}

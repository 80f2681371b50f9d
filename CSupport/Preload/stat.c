/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat.c - a device node is a character device.
 *
 * What a node's file says of itself is replaced wherever it is seen, by path or by descriptor: it is known by its identity.
 */
#include <errno.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "paths.h"

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "one layout");

static int shown(int result, struct stat *facts)
{
	const struct sd_table_entry *entry;

	if (result != 0 || !S_ISREG(facts->st_mode))
		return result;
	if ((entry = sd_entry_of_identity(facts->st_dev, facts->st_ino))) {
		facts->st_mode = S_IFCHR | (facts->st_mode & 06777);
		facts->st_rdev = makedev(entry->major, entry->minor);
		facts->st_size = 0;
		facts->st_blocks = 0;
		facts->st_blksize = 4096;
	}
	return result;
}

SD_EXPORT int fstatat(int at, const char *restrict path, struct stat *restrict facts, int flags)
{
	struct sd_place place;

	sd_look(&place, at, path, !(flags & AT_SYMLINK_NOFOLLOW));
	int result = SD_NEXT(fstatat)(place.at, place.path, facts, flags);
	if (result != 0 && errno == ENOENT && !(flags & AT_SYMLINK_NOFOLLOW) && sd_leads_to(&place, at, path))
		result = SD_NEXT(fstatat)(place.at, place.path, facts, flags);
	return shown(result, facts);
}

SD_EXPORT int stat(const char *restrict path, struct stat *restrict facts)
{
	return fstatat(AT_FDCWD, path, facts, 0);
}

SD_EXPORT int lstat(const char *restrict path, struct stat *restrict facts)
{
	return fstatat(AT_FDCWD, path, facts, AT_SYMLINK_NOFOLLOW);
}

SD_EXPORT int fstat(int descriptor, struct stat *facts)
{
	return shown(SD_NEXT(fstat)(descriptor, facts), facts);
}

SD_EXPORT int fstatat64(int at, const char *restrict path, struct stat64 *restrict facts, int flags)
{
	return fstatat(at, path, (struct stat *)facts, flags);
}

SD_EXPORT int stat64(const char *restrict path, struct stat64 *restrict facts)
{
	return fstatat(AT_FDCWD, path, (struct stat *)facts, 0);
}

SD_EXPORT int lstat64(const char *restrict path, struct stat64 *restrict facts)
{
	return fstatat(AT_FDCWD, path, (struct stat *)facts, AT_SYMLINK_NOFOLLOW);
}

SD_EXPORT int fstat64(int descriptor, struct stat64 *facts)
{
	return fstat(descriptor, (struct stat *)facts);
}

/* Programs built before glibc 2.33 have these in place of the above; the version is that of struct stat: one. */

SD_EXPORT int __xstat(int version, const char *path, struct stat *facts)
{
	(void)version;
	return fstatat(AT_FDCWD, path, facts, 0);
}

SD_EXPORT int __lxstat(int version, const char *path, struct stat *facts)
{
	(void)version;
	return fstatat(AT_FDCWD, path, facts, AT_SYMLINK_NOFOLLOW);
}

SD_EXPORT int __fxstat(int version, int descriptor, struct stat *facts)
{
	(void)version;
	return fstat(descriptor, facts);
}

SD_EXPORT int __fxstatat(int version, int at, const char *path, struct stat *facts, int flags)
{
	(void)version;
	return fstatat(at, path, facts, flags);
}

SD_EXPORT int __xstat64(int version, const char *path, struct stat64 *facts)
{
	return __xstat(version, path, (struct stat *)facts);
}

SD_EXPORT int __lxstat64(int version, const char *path, struct stat64 *facts)
{
	return __lxstat(version, path, (struct stat *)facts);
}

SD_EXPORT int __fxstat64(int version, int descriptor, struct stat64 *facts)
{
	return __fxstat(version, descriptor, (struct stat *)facts);
}

SD_EXPORT int __fxstatat64(int version, int at, const char *path, struct stat64 *facts, int flags)
{
	return __fxstatat(version, at, path, (struct stat *)facts, flags);
}

SD_EXPORT int statx(int at, const char *restrict path, int flags, unsigned mask, struct statx *restrict facts)
{
	const struct sd_table_entry *entry;
	struct sd_place place;

	sd_look(&place, at, path, !(flags & AT_SYMLINK_NOFOLLOW));
	int result = SD_NEXT(statx)(place.at, place.path, flags, mask, facts);
	if (result != 0 && errno == ENOENT && !(flags & AT_SYMLINK_NOFOLLOW) && sd_leads_to(&place, at, path))
		result = SD_NEXT(statx)(place.at, place.path, flags, mask, facts);
	if (result != 0)
		return result;
	if ((entry = sd_entry_of_identity(makedev(facts->stx_dev_major, facts->stx_dev_minor), facts->stx_ino))) {
		facts->stx_mode = (uint16_t)(S_IFCHR | (facts->stx_mode & 06777));
		facts->stx_rdev_major = entry->major;
		facts->stx_rdev_minor = entry->minor;
		facts->stx_size = 0;
		facts->stx_blocks = 0;
		facts->stx_blksize = 4096;
	}
	return result;
}

/* ------------------------------------------------------------------ the file system: what is really mounted there */

static const char *mount_of(const struct sd_place *place)
{
	return place->where == SD_IN_TREE ? "/sys" : place->where == SD_AT_NODE ? "/dev" : place->path;
}

SD_EXPORT int statfs(const char *path, struct statfs *facts)
{
	struct sd_place place;

	sd_look(&place, AT_FDCWD, path, true);
	return SD_NEXT(statfs)(mount_of(&place), facts);
}

SD_EXPORT int statvfs(const char *restrict path, struct statvfs *restrict facts)
{
	struct sd_place place;

	sd_look(&place, AT_FDCWD, path, true);
	return SD_NEXT(statvfs)(mount_of(&place), facts);
}

SD_EXPORT int statfs64(const char *path, struct statfs64 *facts)
{
	return statfs(path, (struct statfs *)facts);
}

SD_EXPORT int statvfs64(const char *restrict path, struct statvfs64 *restrict facts)
{
	return statvfs(path, (struct statvfs *)facts);
}

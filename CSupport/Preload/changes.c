/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes.c - calls by path that change or ask what the other files do not.
 *
 * A node may be given another mode, owner or time, as in a devtmpfs: its file gets them. It cannot be removed or renamed, and
 * nothing in the session's /sys can be changed: the kernel's sysfs says EPERM.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include "paths.h"

static int fail(int error)
{
	errno = error;
	return -1;
}

/* ------------------------------------------------------------------ names */

/* Whether a name may be made, removed or moved at `path`. */
static bool is_fixed(int at, const char *path)
{
	struct sd_place place;

	return sd_concerns(at, path) && (sd_find(&place, at, path, false), place.where != SD_ELSEWHERE);
}

SD_EXPORT int unlinkat(int at, const char *path, int flags)
{
	return is_fixed(at, path) ? fail(EPERM) : SD_NEXT(unlinkat)(at, path, flags);
}

SD_EXPORT int unlink(const char *path)
{
	return is_fixed(AT_FDCWD, path) ? fail(EPERM) : SD_NEXT(unlink)(path);
}

SD_EXPORT int rmdir(const char *path)
{
	return is_fixed(AT_FDCWD, path) ? fail(EPERM) : SD_NEXT(rmdir)(path);
}

SD_EXPORT int remove(const char *path)
{
	return is_fixed(AT_FDCWD, path) ? fail(EPERM) : SD_NEXT(remove)(path);
}

SD_EXPORT int renameat2(int at, const char *path, int new_at, const char *new_path, unsigned flags)
{
	if (is_fixed(at, path) || is_fixed(new_at, new_path))
		return fail(EPERM);
	return SD_NEXT(renameat2)(at, path, new_at, new_path, flags);
}

SD_EXPORT int renameat(int at, const char *path, int new_at, const char *new_path)
{
	if (is_fixed(at, path) || is_fixed(new_at, new_path))
		return fail(EPERM);
	return SD_NEXT(renameat)(at, path, new_at, new_path);
}

SD_EXPORT int rename(const char *path, const char *new_path)
{
	if (is_fixed(AT_FDCWD, path) || is_fixed(AT_FDCWD, new_path))
		return fail(EPERM);
	return SD_NEXT(rename)(path, new_path);
}

SD_EXPORT int linkat(int at, const char *path, int new_at, const char *new_path, int flags)
{
	if (is_fixed(new_at, new_path))
		return fail(EEXIST);
	return is_fixed(at, path) ? fail(EPERM) : SD_NEXT(linkat)(at, path, new_at, new_path, flags);
}

SD_EXPORT int link(const char *path, const char *new_path)
{
	return linkat(AT_FDCWD, path, AT_FDCWD, new_path, 0);
}

SD_EXPORT int symlinkat(const char *target, int at, const char *path)
{
	return is_fixed(at, path) ? fail(EEXIST) : SD_NEXT(symlinkat)(target, at, path);
}

SD_EXPORT int symlink(const char *target, const char *path)
{
	return symlinkat(target, AT_FDCWD, path);
}

SD_EXPORT int mkdirat(int at, const char *path, mode_t mode)
{
	return is_fixed(at, path) ? fail(EEXIST) : SD_NEXT(mkdirat)(at, path, mode);
}

SD_EXPORT int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

SD_EXPORT int mknodat(int at, const char *path, mode_t mode, dev_t device)
{
	return is_fixed(at, path) ? fail(EEXIST) : SD_NEXT(mknodat)(at, path, mode, device);
}

SD_EXPORT int mknod(const char *path, mode_t mode, dev_t device)
{
	return mknodat(AT_FDCWD, path, mode, device);
}

SD_EXPORT int truncate(const char *path, off_t length)
{
	struct sd_place place;

	sd_look(&place, AT_FDCWD, path, true);
	switch (place.where) {
	case SD_AT_NODE:
		return fail(EINVAL);
	case SD_IN_TREE:;
		int flags = sd_attribute_flags(&place, O_WRONLY);
		return flags < 0 ? fail(-flags) : 0;
	case SD_ELSEWHERE:
		break;
	}
	return SD_NEXT(truncate)(place.path, length);
}

SD_EXPORT int truncate64(const char *path, off64_t length)
{
	return truncate(path, length);
}

/* ------------------------------------------------------------------ mode, owner, times */

#define REFUSE_IN_TREE(place)                      \
	do {                                       \
		if ((place)->where == SD_IN_TREE)  \
			return fail(EPERM);        \
	} while (0)

SD_EXPORT int fchmodat(int at, const char *path, mode_t mode, int flags)
{
	struct sd_place place;

	REFUSE_IN_TREE(sd_look(&place, at, path, !(flags & AT_SYMLINK_NOFOLLOW)));
	return SD_NEXT(fchmodat)(place.at, place.path, mode, flags);
}

SD_EXPORT int chmod(const char *path, mode_t mode)
{
	struct sd_place place;

	REFUSE_IN_TREE(sd_look(&place, AT_FDCWD, path, true));
	return SD_NEXT(chmod)(place.path, mode);
}

SD_EXPORT int fchownat(int at, const char *path, uid_t user, gid_t group, int flags)
{
	struct sd_place place;

	REFUSE_IN_TREE(sd_look(&place, at, path, !(flags & AT_SYMLINK_NOFOLLOW)));
	return SD_NEXT(fchownat)(place.at, place.path, user, group, flags);
}

SD_EXPORT int chown(const char *path, uid_t user, gid_t group)
{
	return fchownat(AT_FDCWD, path, user, group, 0);
}

SD_EXPORT int lchown(const char *path, uid_t user, gid_t group)
{
	return fchownat(AT_FDCWD, path, user, group, AT_SYMLINK_NOFOLLOW);
}

SD_EXPORT int utimensat(int at, const char *path, const struct timespec times[2], int flags)
{
	struct sd_place place;

	REFUSE_IN_TREE(sd_look(&place, at, path, !(flags & AT_SYMLINK_NOFOLLOW)));
	return SD_NEXT(utimensat)(place.at, place.path, times, flags);
}

SD_EXPORT int utimes(const char *path, const struct timeval times[2])
{
	struct sd_place place;

	REFUSE_IN_TREE(sd_look(&place, AT_FDCWD, path, true));
	return SD_NEXT(utimes)(place.path, times);
}

SD_EXPORT int utime(const char *path, const struct utimbuf *times)
{
	struct sd_place place;

	REFUSE_IN_TREE(sd_look(&place, AT_FDCWD, path, true));
	return SD_NEXT(utime)(place.path, times);
}

/* ------------------------------------------------------------------ extended attributes: ls asks for them */

SD_EXPORT ssize_t getxattr(const char *path, const char *name, void *value, size_t size)
{
	struct sd_place place;

	return SD_NEXT(getxattr)(sd_look(&place, AT_FDCWD, path, true)->path, name, value, size);
}

SD_EXPORT ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size)
{
	struct sd_place place;

	return SD_NEXT(lgetxattr)(sd_look(&place, AT_FDCWD, path, false)->path, name, value, size);
}

SD_EXPORT ssize_t listxattr(const char *path, char *list, size_t size)
{
	struct sd_place place;

	return SD_NEXT(listxattr)(sd_look(&place, AT_FDCWD, path, true)->path, list, size);
}

SD_EXPORT ssize_t llistxattr(const char *path, char *list, size_t size)
{
	struct sd_place place;

	return SD_NEXT(llistxattr)(sd_look(&place, AT_FDCWD, path, false)->path, list, size);
}

/* ------------------------------------------------------------------ watches, limits */

SD_EXPORT int inotify_add_watch(int descriptor, const char *path, uint32_t mask)
{
	struct sd_place place;

	return SD_NEXT(inotify_add_watch)(descriptor, sd_look(&place, AT_FDCWD, path, true)->path, mask);
}

SD_EXPORT long pathconf(const char *path, int name)
{
	struct sd_place place;

	return SD_NEXT(pathconf)(sd_look(&place, AT_FDCWD, path, true)->path, name);
}

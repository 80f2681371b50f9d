/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fts.c - fts(3) over shown directories, and ftw(3) on top of it.
 *
 * libc's opens and reads directories behind the hooks. A walk with a root in /dev or /sys is done here, any other by libc.
 * This one never changes the working directory, as fts(3) allows: each entry has a path of its own, good from where
 * fts_open() was called.
 */
#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "paths.h"

_Static_assert(sizeof(FTS) == sizeof(FTS64) && sizeof(FTSENT) == sizeof(FTSENT64), "one layout");

#define OURS 0x40000000 /* in fts_options; libc uses the low bits */

/* What fts_set() may have asked for. */
enum { AGAIN = FTS_AGAIN, FOLLOW = FTS_FOLLOW, NOTHING = FTS_NOINSTR, SKIP = FTS_SKIP };

struct entry { /* one allocation, with its path and name */
	struct stat facts;
	FTSENT shown; /* ends in fts_name: last */
};

static FTSENT *make(const char *path, size_t path_length, const char *name, FTSENT *parent)
{
	size_t name_length = strlen(name);
	struct entry *entry = calloc(1, sizeof *entry + name_length + 1 + path_length + 1);

	if (!entry)
		return NULL;
	FTSENT *shown = &entry->shown;
	strcpy(shown->fts_name, name);
	shown->fts_namelen = (unsigned short)name_length;
	shown->fts_path = shown->fts_accpath = shown->fts_name + name_length + 1;
	memcpy(shown->fts_path, path, path_length);
	shown->fts_pathlen = (unsigned short)path_length;
	shown->fts_statp = &entry->facts;
	shown->fts_parent = parent;
	shown->fts_level = (short)(parent->fts_level + 1);
	shown->fts_instr = NOTHING;
	shown->fts_symfd = -1;
	return shown;
}

static void drop(FTSENT *shown)
{
	free((char *)shown - offsetof(struct entry, shown));
}

static void drop_list(FTSENT *shown)
{
	while (shown) {
		FTSENT *next = shown->fts_link;
		drop(shown);
		shown = next;
	}
}

/* Fills in the facts; returns fts_info. */
static unsigned short classify(const FTS *walk, FTSENT *entry, bool follow)
{
	struct stat *facts = entry->fts_statp;
	int error = errno;

	if ((follow ? stat : lstat)(entry->fts_path, facts) != 0) {
		int failure = errno;
		if (follow && lstat(entry->fts_path, facts) == 0) {
			errno = error;
			return FTS_SLNONE;
		}
		errno = error;
		memset(facts, 0, sizeof *facts);
		entry->fts_errno = failure;
		return FTS_NS;
	}
	entry->fts_dev = facts->st_dev;
	entry->fts_ino = facts->st_ino;
	entry->fts_nlink = facts->st_nlink;
	if (S_ISDIR(facts->st_mode)) {
		if (entry->fts_level > 0 && (strcmp(entry->fts_name, ".") == 0 || strcmp(entry->fts_name, "..") == 0))
			return FTS_DOT;
		for (FTSENT *above = entry->fts_parent; above && above->fts_level >= 0; above = above->fts_parent)
			if (above->fts_ino == entry->fts_ino && above->fts_dev == entry->fts_dev) {
				entry->fts_cycle = above;
				return FTS_DC;
			}
		return FTS_D;
	}
	if ((walk->fts_options & FTS_NOSTAT) && entry->fts_level > 0)
		return FTS_NSOK;
	if (S_ISLNK(facts->st_mode))
		return FTS_SL;
	return S_ISREG(facts->st_mode) ? FTS_F : FTS_DEFAULT;
}

typedef int order_function(const FTSENT **, const FTSENT **);

/* Links `count` entries in the order that the caller wants; returns the first. */
static FTSENT *in_order(FTSENT **list, size_t count, order_function *order)
{
	if (order && count > 1)
		qsort(list, count, sizeof *list, (int (*)(const void *, const void *))(void *)order);
	for (size_t i = 0; i < count; i++)
		list[i]->fts_link = i + 1 < count ? list[i + 1] : NULL;
	return count ? list[0] : NULL;
}

struct list {
	FTSENT **entries;
	size_t count, room;
};

static bool append(struct list *list, FTSENT *entry)
{
	if (!entry)
		return false;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		FTSENT **longer = realloc(list->entries, room * sizeof *longer);
		if (!longer) {
			drop(entry);
			return false;
		}
		list->entries = longer;
		list->room = room;
	}
	list->entries[list->count++] = entry;
	return true;
}

/* The entries of a directory; NULL with errno 0 if it is empty. */
static FTSENT *build(FTS *walk, FTSENT *directory)
{
	struct list list = { 0 };
	struct dirent *next;
	size_t length = directory->fts_pathlen;
	DIR *stream = opendir(directory->fts_path);
	bool good = true;

	if (!stream)
		return NULL;
	if (length && directory->fts_path[length - 1] == '/')
		length--;
	for (errno = 0; good && (next = readdir(stream)); errno = 0) {
		const char *name = next->d_name;
		if (!(walk->fts_options & FTS_SEEDOT) && (strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
			continue;
		size_t name_length = strlen(name);
		char *path = malloc(length + 1 + name_length + 1);
		if (!path) {
			good = false;
			break;
		}
		memcpy(path, directory->fts_path, length);
		path[length] = '/';
		strcpy(path + length + 1, name);
		FTSENT *entry = make(path, length + 1 + name_length, name, directory);
		free(path);
		if ((good = append(&list, entry)))
			entry->fts_info = classify(walk, entry, walk->fts_options & FTS_LOGICAL);
	}
	int error = good ? errno : ENOMEM;
	closedir(stream);
	FTSENT *first = in_order(list.entries, list.count, (order_function *)(void *)walk->fts_compar);
	free(list.entries);
	if (error) {
		drop_list(first);
		first = NULL;
	}
	errno = error;
	return first;
}

static bool is_shown(char *const *roots)
{
	for (; *roots; roots++)
		if (sd_concerns(AT_FDCWD, *roots) || strcmp(*roots, "/") == 0)
			return true;
	return false;
}

SD_EXPORT FTS *fts_open(char *const *roots, int options, order_function *order)
{
	struct list list = { 0 };

	if (!sd_directory() || (options & ~FTS_OPTIONMASK) || !is_shown(roots))
		return SD_NEXT(fts_open)(roots, options, order);
	FTS *walk = calloc(1, sizeof *walk);
	FTSENT nobody = { .fts_level = FTS_ROOTPARENTLEVEL };
	FTSENT *parent = walk ? make("", 0, "", &nobody) : NULL;
	if (!parent) {
		free(walk);
		return NULL;
	}
	parent->fts_parent = NULL;
	parent->fts_level = FTS_ROOTPARENTLEVEL;
	walk->fts_options = options | FTS_NOCHDIR | OURS;
	walk->fts_compar = (int (*)(const void *, const void *))(void *)order;
	walk->fts_rfd = -1;
	bool good = true;
	for (; good && *roots; roots++) {
		const char *slash = strrchr(*roots, '/');
		const char *name = slash && (slash != *roots || slash[1]) ? slash + 1 : *roots;
		FTSENT *entry = make(*roots, strlen(*roots), name, parent);
		if (!(good = append(&list, entry)))
			break;
		entry->fts_info = classify(walk, entry, options & (FTS_LOGICAL | FTS_COMFOLLOW));
		if (entry->fts_info == FTS_DOT)
			entry->fts_info = FTS_D;
	}
	FTSENT *first = in_order(list.entries, list.count, order);
	free(list.entries);
	if (!good) {
		drop_list(first);
		drop(parent);
		free(walk);
		errno = ENOMEM;
		return NULL;
	}
	/* before the first fts_read() the current entry is the parent, and the roots are what it will go to */
	walk->fts_cur = parent;
	walk->fts_child = first;
	return walk;
}

/* Goes to `entry`, doing what was asked for it meanwhile. */
static FTSENT *arrive(FTS *walk, FTSENT *entry)
{
	if (entry->fts_instr == FOLLOW) {
		entry->fts_info = classify(walk, entry, true);
		entry->fts_instr = NOTHING;
	}
	if (entry->fts_level == 0)
		walk->fts_dev = entry->fts_dev;
	return walk->fts_cur = entry;
}

SD_EXPORT FTSENT *fts_read(FTS *walk)
{
	if (!(walk->fts_options & OURS))
		return SD_NEXT(fts_read)(walk);
	FTSENT *entry = walk->fts_cur;
	if (!entry || (walk->fts_options & FTS_STOP))
		return NULL;
	int instruction = entry->fts_instr;
	entry->fts_instr = NOTHING;
	if (entry->fts_level == FTS_ROOTPARENTLEVEL) {
		FTSENT *first = walk->fts_child;
		walk->fts_child = NULL;
		if (!first) {
			drop(entry);
			walk->fts_cur = NULL;
			errno = 0;
			return NULL;
		}
		return arrive(walk, first);
	}
	if (instruction == AGAIN) {
		entry->fts_info = classify(walk, entry, walk->fts_options & FTS_LOGICAL);
		return entry;
	}
	if (instruction == FOLLOW && (entry->fts_info == FTS_SL || entry->fts_info == FTS_SLNONE)) {
		entry->fts_info = classify(walk, entry, true);
		return entry;
	}
	if (entry->fts_info == FTS_D) {
		FTSENT *child = walk->fts_child;
		walk->fts_child = NULL;
		if (instruction == SKIP ||
		    ((walk->fts_options & FTS_XDEV) && entry->fts_dev != walk->fts_dev)) {
			drop_list(child);
			entry->fts_info = FTS_DP;
			return entry;
		}
		if (!child) {
			int before = errno;
			child = build(walk, entry);
			if (!child && errno) {
				entry->fts_errno = errno;
				entry->fts_info = FTS_DNR;
				return entry;
			}
			errno = before;
		}
		if (!child) {
			entry->fts_info = FTS_DP;
			return entry;
		}
		return arrive(walk, child);
	}
	for (;;) {
		FTSENT *next = entry->fts_link, *parent = entry->fts_parent;
		drop(entry);
		if (next && next->fts_instr == SKIP) {
			entry = next;
			continue;
		}
		if (next)
			return arrive(walk, next);
		walk->fts_cur = parent;
		if (parent->fts_level == FTS_ROOTPARENTLEVEL) {
			drop(parent);
			walk->fts_cur = NULL;
			errno = 0;
			return NULL;
		}
		parent->fts_info = parent->fts_errno ? FTS_ERR : FTS_DP;
		return parent;
	}
}

SD_EXPORT FTSENT *fts_children(FTS *walk, int instruction)
{
	if (!(walk->fts_options & OURS))
		return SD_NEXT(fts_children)(walk, instruction);
	FTSENT *entry = walk->fts_cur;
	if (instruction && instruction != FTS_NAMEONLY) {
		errno = EINVAL;
		return NULL;
	}
	errno = 0;
	if (!entry || (walk->fts_options & FTS_STOP))
		return NULL;
	if (entry->fts_level == FTS_ROOTPARENTLEVEL)
		return walk->fts_child;
	if (entry->fts_info != FTS_D)
		return NULL;
	drop_list(walk->fts_child);
	return walk->fts_child = build(walk, entry);
}

SD_EXPORT int fts_close(FTS *walk)
{
	if (!(walk->fts_options & OURS))
		return SD_NEXT(fts_close)(walk);
	drop_list(walk->fts_child);
	for (FTSENT *entry = walk->fts_cur; entry;) {
		FTSENT *parent = entry->fts_parent;
		drop_list(entry); /* and those that it was to go to next */
		entry = parent;
	}
	free(walk);
	return 0;
}

SD_EXPORT FTS64 *fts64_open(char *const *roots, int options, int (*order)(const FTSENT64 **, const FTSENT64 **))
{
	return (FTS64 *)fts_open(roots, options, (order_function *)(void *)order);
}

SD_EXPORT FTSENT64 *fts64_read(FTS64 *walk)
{
	return (FTSENT64 *)fts_read((FTS *)walk);
}

SD_EXPORT FTSENT64 *fts64_children(FTS64 *walk, int instruction)
{
	return (FTSENT64 *)fts_children((FTS *)walk, instruction);
}

SD_EXPORT int fts64_close(FTS64 *walk)
{
	return fts_close((FTS *)walk);
}

/* ------------------------------------------------------------------ ftw */

typedef int ftw_function(const char *, const struct stat *, int);
typedef int nftw_function(const char *, const struct stat *, int, struct FTW *);

/* The kind that nftw() tells for a visit; -1: it does not tell of this one. */
static int kind_of(const FTSENT *entry, bool depth)
{
	switch (entry->fts_info) {
	case FTS_D:
		return depth ? -1 : FTW_D;
	case FTS_DP:
		return depth ? FTW_DP : -1;
	case FTS_DNR:
		return FTW_DNR;
	case FTS_SL:
		return FTW_SL;
	case FTS_SLNONE:
		return FTW_SLN;
	case FTS_NS:
		return FTW_NS;
	case FTS_F:
	case FTS_DEFAULT:
		return FTW_F;
	default:
		return -1;
	}
}

static int walk_tree(const char *path, ftw_function *simple, nftw_function *full, int flags)
{
	char *roots[] = { (char *)path, NULL };
	int options = (flags & FTW_PHYS ? FTS_PHYSICAL : FTS_LOGICAL) | FTS_NOCHDIR | (flags & FTW_MOUNT ? FTS_XDEV : 0);
	FTS *walk = fts_open(roots, options, NULL);
	FTSENT *entry;
	int result = 0;

	if (!walk)
		return -1;
	while (result == 0 && (entry = fts_read(walk))) {
		if (entry->fts_level == 0 && entry->fts_info == FTS_NS) {
			int error = entry->fts_errno;
			fts_close(walk);
			errno = error;
			return -1;
		}
		int kind = kind_of(entry, flags & FTW_DEPTH);
		if (kind < 0 || ((flags & FTW_MOUNT) && entry->fts_dev != walk->fts_dev))
			continue;
		struct FTW where = { .base = entry->fts_pathlen - entry->fts_namelen, .level = entry->fts_level };
		if (simple) {
			result = simple(entry->fts_path, entry->fts_statp, kind == FTW_SLN ? FTW_NS : kind);
			continue;
		}
		result = full(entry->fts_path, entry->fts_statp, kind, &where);
		if (!(flags & FTW_ACTIONRETVAL))
			continue;
		if (result == FTW_SKIP_SUBTREE) {
			fts_set(walk, entry, FTS_SKIP);
			result = 0;
		} else if (result == FTW_SKIP_SIBLINGS) {
			for (FTSENT *next = entry->fts_link; next; next = next->fts_link)
				fts_set(walk, next, FTS_SKIP);
			if (entry->fts_info == FTS_D)
				fts_set(walk, entry, FTS_SKIP);
			result = 0;
		}
	}
	int error = errno;
	fts_close(walk);
	errno = error;
	return result;
}

SD_EXPORT int nftw(const char *path, nftw_function *function, int descriptors, int flags)
{
	if (!sd_concerns(AT_FDCWD, path) || (flags & FTW_CHDIR))
		return SD_NEXT(nftw)(path, function, descriptors, flags);
	return walk_tree(path, NULL, function, flags);
}

SD_EXPORT int ftw(const char *path, ftw_function *function, int descriptors)
{
	if (!sd_concerns(AT_FDCWD, path))
		return SD_NEXT(ftw)(path, function, descriptors);
	return walk_tree(path, function, NULL, 0);
}

SD_EXPORT int nftw64(const char *path, int (*function)(const char *, const struct stat64 *, int, struct FTW *),
		     int descriptors, int flags)
{
	return nftw(path, (nftw_function *)(void *)function, descriptors, flags);
}

SD_EXPORT int ftw64(const char *path, int (*function)(const char *, const struct stat64 *, int), int descriptors)
{
	return ftw(path, (ftw_function *)(void *)function, descriptors);
}

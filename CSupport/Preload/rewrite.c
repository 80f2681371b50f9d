/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rewrite.c - from the path that a program uses to the place where the kernel finds it.
 *
 * /sys is the union of the host's and the session's: a name that the session has is the session's, any other the host's.
 * So a path is walked component by component, links followed here, and only the outcome is given to the kernel. That
 * gets "..", links that lead from one half to the other and relative paths right by construction. Only paths that begin
 * with /dev or /sys, or at a directory of those, are walked, and only until they leave the session's half.
 */
#include <string.h>
#include <sys/stat.h>

#include "paths.h"
#include "raw.h"

#define MAX_LINKS 40 /* as the kernel */

bool sd_working_directory_shown;

const char *sd_without_directory(const char *path)
{
	const char *directory = sd_directory();
	size_t length = directory ? strlen(directory) : 0;

	if (!directory || strncmp(path, directory, length) != 0 || path[length] != '/')
		return NULL;
	return path + length;
}

/* Whether `path` is `directory` or below it. */
static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static bool same(struct sd_identity known, const struct stat *facts)
{
	return known.inode == facts->st_ino && known.device == facts->st_dev;
}

/* "/proc/self/fd/7" */
static void name_descriptor(char name[32], int descriptor)
{
	char digits[12];
	size_t count = 0;

	strcpy(name, "/proc/self/fd/");
	name += strlen(name);
	for (unsigned rest = (unsigned)descriptor; count == 0 || rest; rest /= 10)
		digits[count++] = (char)('0' + rest % 10);
	while (count)
		*name++ = digits[--count];
	*name = 0;
}

/* The path of an open file or directory, without the session directory if it is in that; false: none, or too long. */
static bool name_of(int descriptor, char *name)
{
	char link[32] = "/proc/self/cwd", text[SD_LONGEST_DIRECTORY + SD_LONGEST_SHOWN];

	if (descriptor != AT_FDCWD)
		name_descriptor(link, descriptor);
	long length = SD_RAW4(SYS_readlinkat, AT_FDCWD, link, text, sizeof text - 1);
	if (length <= 0)
		return false;
	text[length] = 0;
	const char *shown = sd_without_directory(text);
	if (!shown)
		shown = text;
	if (strlen(shown) >= SD_LONGEST_SHOWN)
		return false;
	strcpy(name, shown);
	return true;
}

static bool shown_of_directory(int descriptor, char *shown)
{
	const struct sd_host *host = sd_host();
	struct stat facts;

	if (SD_RAW4(SYS_newfstatat, descriptor, descriptor == AT_FDCWD ? "." : "", &facts,
		    descriptor == AT_FDCWD ? 0 : AT_EMPTY_PATH) != 0 || !S_ISDIR(facts.st_mode))
		return false;
	if (same(host->root, &facts) || same(host->dev, &facts)) {
		strcpy(shown, same(host->root, &facts) ? "" : "/dev");
		return true;
	}
	if (facts.st_dev != host->sys.device && facts.st_dev != host->tree.device)
		return false;
	if (!name_of(descriptor, shown))
		return false;
	return is_below(shown, "/sys") || strcmp(shown, "/dev") == 0;
}

bool sd_shown_of_directory(int descriptor, char *shown)
{
	bool found = sd_directory() && shown_of_directory(descriptor, shown);

	return found;
}

void sd_note_working_directory(void)
{
	char shown[SD_LONGEST_SHOWN];

	if (!sd_working_directory_shown && sd_shown_of_directory(AT_FDCWD, shown))
		sd_working_directory_shown = true;
}

/* Whether one of the components is "..". */
static bool has_parent(const char *path)
{
	for (const char *at = path; (at = strstr(at, "..")); at += 2)
		if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == 0))
			return true;
	return false;
}

struct walk {
	char *done; /* canonical so far, "" for the root */
	size_t length;
	char rest[SD_LONGEST_SHOWN];
	const char *next; /* in rest */
	int links;
	bool moved; /* the path as asked is not good for the kernel any more */
};

/* done/target in place of done's last component; false: too long or too many. */
static bool follow_link(struct walk *walk, const char *link, size_t parent)
{
	char target[SD_LONGEST_SHOWN];
	long length = SD_RAW4(SYS_readlinkat, AT_FDCWD, link, target, sizeof target);
	size_t more = strlen(walk->next) + 1;

	if (length <= 0 || (size_t)length + more + 1 >= sizeof walk->rest || ++walk->links > MAX_LINKS)
		return false;
	memmove(walk->rest + length, walk->next, more); /* begins with a slash or is empty */
	memcpy(walk->rest, target, (size_t)length);
	walk->next = walk->rest;
	walk->length = target[0] == '/' ? 0 : parent;
	walk->done[walk->length] = 0;
	walk->moved = true;
	return true;
}

/* Appends what is left: the kernel goes on. False: too long. */
static bool append_rest(struct walk *walk)
{
	size_t more = strlen(walk->next);

	if (walk->length + more >= SD_LONGEST_SHOWN)
		return false;
	memcpy(walk->done + walk->length, walk->next, more + 1);
	return true;
}

/* The host's half from here: as asked where that is still right. */
static void leave(struct sd_place *place, struct walk *walk)
{
	if (!append_rest(walk))
		return;
	place->shown = walk->done;
	if (walk->moved) {
		place->at = AT_FDCWD;
		place->path = walk->done[0] ? walk->done : "/";
	}
}

/* The session's half. */
static void arrive(struct sd_place *place, struct walk *walk, enum sd_where where)
{
	if (!append_rest(walk))
		return;
	place->where = where;
	place->shown = walk->done;
	place->at = AT_FDCWD;
	place->path = place->buffer;
}

static void find(struct sd_place *place, int at, const char *path, bool follow)
{
	struct walk walk = { .done = place->buffer + strlen(sd_directory()) };
	struct stat facts;
	size_t size = strlen(path) + 1;
	bool in_tree = false;

	if (size > sizeof walk.rest)
		return;
	strcpy(place->buffer, sd_directory());
	if (path[0] != '/') {
		if (!sd_shown_of_directory(at, walk.done))
			return;
		walk.length = strlen(walk.done);
		in_tree = walk.moved = is_below(walk.done, "/sys");
	}
	memcpy(walk.rest, path, size);
	walk.next = walk.rest;
	for (;;) {
		const char *name = walk.next;
		while (*name == '/')
			name++;
		size_t length = strcspn(name, "/"), parent = walk.length;
		if (length == 0)
			break;
		walk.next = name + length;
		if (length == 1 && name[0] == '.')
			continue;
		if (length == 2 && name[0] == '.' && name[1] == '.') {
			while (walk.length && walk.done[--walk.length] != '/')
				;
			walk.done[walk.length] = 0;
			walk.moved = true;
			in_tree = is_below(walk.done, "/sys");
			continue;
		}
		if (walk.length + 1 + length >= SD_LONGEST_SHOWN)
			return;
		walk.done[walk.length] = '/';
		memcpy(walk.done + walk.length + 1, name, length);
		walk.length += 1 + length;
		walk.done[walk.length] = 0;

		if ((place->entry = sd_entry_of_path(walk.done)))
			return arrive(place, &walk, SD_AT_NODE);
		if (strcmp(walk.done, "/dev") == 0)
			continue;
		in_tree = is_below(walk.done, "/sys") &&
			  SD_RAW4(SYS_newfstatat, AT_FDCWD, place->buffer, &facts, AT_SYMLINK_NOFOLLOW) == 0;
		if (!in_tree) {
			if (!has_parent(walk.next))
				return leave(place, &walk);
			if (SD_RAW4(SYS_newfstatat, AT_FDCWD, walk.done, &facts, AT_SYMLINK_NOFOLLOW) != 0)
				return leave(place, &walk);
			if (S_ISLNK(facts.st_mode) && !follow_link(&walk, walk.done, parent))
				return;
		} else if (S_ISLNK(facts.st_mode)) {
			if (*walk.next == 0 && !follow)
				return arrive(place, &walk, SD_IN_TREE);
			if (!follow_link(&walk, place->buffer, parent))
				return;
		}
	}
	/* a slash after a file's name stays, for the kernel to refuse; after a directory's it goes, for names to be canonical */
	bool ours = in_tree &&
		    SD_RAW4(SYS_newfstatat, AT_FDCWD, place->buffer, &facts, AT_SYMLINK_NOFOLLOW) == 0;
	if (!ours || S_ISDIR(facts.st_mode))
		walk.next = "";
	if (ours)
		arrive(place, &walk, SD_IN_TREE);
	else
		leave(place, &walk);
}

void sd_find(struct sd_place *place, int at, const char *path, bool follow)
{

	place->where = SD_ELSEWHERE;
	place->at = at;
	place->path = path;
	place->entry = NULL;
	place->shown = NULL;
	find(place, at, path, follow);
}

bool sd_leads_to(struct sd_place *place, int at, const char *path)
{
	char target[SD_LONGEST_SHOWN];

	if (!sd_directory() || !path)
		return false;
	for (int links = 0; links < MAX_LINKS; links++) {
		long length = SD_RAW4(SYS_readlinkat, at, path, target, sizeof target - 1);
		if (length <= 0)
			return false;
		target[length] = 0;
		if (target[0] != '/')
			return false;
		if (sd_concerns(AT_FDCWD, target)) {
			sd_find(place, AT_FDCWD, target, true);
			return place->where != SD_ELSEWHERE;
		}
		at = AT_FDCWD;
		path = target;
	}
	return false;
}

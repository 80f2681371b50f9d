/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths.h - what the files about paths share.
 *
 * A *shown* path is what the program sees ("/dev/dax0.0", "/sys/bus/dax"); the *place* is where the kernel finds it.
 */
#ifndef SOFTDAX_PATHS_H
#define SOFTDAX_PATHS_H

#include "preload.h"

#include <fcntl.h>
#include <stdio.h>

struct iovec;
struct stat;

/* ------------------------------------------------------------------ table.c, beyond preload.h */

struct sd_identity {
	uint64_t device; /* st_dev */
	uint64_t inode;
};

struct sd_host { /* identities of the directories that something is added to */
	struct sd_identity root;
	struct sd_identity dev;
	struct sd_identity sys;
	struct sd_identity tree; /* of the session's sys */
};

/* Valid once sd_directory() is not NULL. */
const struct sd_host *sd_host(void);

/* All devices. */
const struct sd_table_entry *sd_entries(uint32_t *count);

/* The device with that st_dev and st_ino; NULL if none. */
const struct sd_table_entry *sd_entry_of_identity(uint64_t device, uint64_t inode);

/* ------------------------------------------------------------------ next.c: the functions that a hook stands before */

struct sd_next {
	const char *name;
	void *function;
};

void *sd_resolve(struct sd_next *next);

/* The next definition of a function, libc's unless another library interposes too. All are looked up when the shim is
 * loaded (dlsym takes a lock), one that is wanted earlier at once. */
#define SD_NEXT(name)                                                                                       \
	({                                                                                                  \
		static struct sd_next next_ __attribute__((section("sd_next"), used)) = { #name, NULL };    \
		void *function_ = __atomic_load_n(&next_.function, __ATOMIC_RELAXED);                       \
		(__typeof__(&name))(function_ ? function_ : sd_resolve(&next_));                            \
	})

/* ------------------------------------------------------------------ rewrite.c: from shown path to place */

#define SD_LONGEST_DIRECTORY 200
#define SD_LONGEST_SHOWN 1024 /* longer paths are libc's */

enum sd_where {
	SD_ELSEWHERE, /* the host's; `path` may still differ from what was asked */
	SD_IN_TREE,   /* a file or directory of the session's sys */
	SD_AT_NODE,   /* a device node */
};

struct sd_place {
	enum sd_where where;
	int at; /* what to give to an ...at() call */
	const char *path;
	const struct sd_table_entry *entry; /* SD_AT_NODE */
	char *shown; /* absolute and without links, in `buffer`; "" for the root, NULL when nobody had to know */
	char buffer[SD_LONGEST_DIRECTORY + SD_LONGEST_SHOWN];
};

/* Set when the working directory has once been one that something is added to; never cleared, a wrong true costs a stat. */
extern bool sd_working_directory_shown;

/* To be called when the working directory changed. */
void sd_note_working_directory(void);

/* Whether `path` can be other than libc's: some compares. */
static inline bool sd_concerns(int at, const char *path)
{
	if (!path || !sd_directory())
		return false;
	if (path[0] == '/')
		switch (path[1]) {
		case 'd':
			return path[2] == 'e' && path[3] == 'v' && (path[4] == '/' || path[4] == 0);
		case 's':
			return path[2] == 'y' && path[3] == 's' && (path[4] == '/' || path[4] == 0);
		case '/':
		case '.':
			return true;
		default:
			return false;
		}
	if (path[0] == 0)
		return false;
	return at == AT_FDCWD ? sd_working_directory_shown : at >= 0;
}

/* Finds the place of `path`; `follow`: the last component too if it is a link. Keeps errno. */
void sd_find(struct sd_place *place, int at, const char *path, bool follow);

/* The place of any `path`, which stays as it is where nothing is shown. */
static inline struct sd_place *sd_look(struct sd_place *place, int at, const char *path, bool follow)
{
	if (sd_concerns(at, path)) {
		sd_find(place, at, path, follow);
	} else {
		place->where = SD_ELSEWHERE;
		place->at = at;
		place->path = path;
		place->entry = NULL;
		place->shown = NULL;
	}
	return place;
}

/* Whether `path` is a link from elsewhere to something shown, which the host's kernel cannot follow; then `place` is what it
 * leads to. To be asked when a call failed with ENOENT, or might create a file of the host's. Keeps errno. */
bool sd_leads_to(struct sd_place *place, int at, const char *path);

/* The shown path of an open directory ("" for the root) if something is added to it or it is the session's; else false.
 * AT_FDCWD: the working directory. `shown` has SD_LONGEST_SHOWN bytes. Keeps errno. */
bool sd_shown_of_directory(int descriptor, char *shown);

/* What follows the session directory in `path`, if that is what it begins with; else NULL. */
const char *sd_without_directory(const char *path);

/* ------------------------------------------------------------------ open.c */

/* Set once this process may have a descriptor of a device; never cleared. While false, I/O is libc's without a question. */
extern bool sd_descriptors_shown;

/* sd_entry_of_descriptor() for the hooks that do I/O: only a compare in a process without devices. */
static inline const struct sd_table_entry *sd_entry_of_io(int descriptor)
{
	return __builtin_expect(sd_descriptors_shown, 0) ? sd_entry_of_descriptor(descriptor) : NULL;
}

/* To be called when this process may have inherited or received descriptors. */
void sd_note_descriptors(void);

/* ------------------------------------------------------------------ attribute.c */

/* The flags to open a file of the session's /sys with, or -errno if kernfs would refuse. */
int sd_attribute_flags(const struct sd_place *place, int flags);

/* Whether a descriptor, with its facts, is that of an attribute opened for writing. */
bool sd_is_attribute(int descriptor, const struct stat *facts);
bool sd_is_written_attribute(int descriptor);

/* Writes to the attribute with these facts: how many bytes, or -errno. */
long sd_write_attribute(const struct stat *facts, const struct iovec *vector, size_t count);

/* ------------------------------------------------------------------ control.c */

/* ioctl() of a control device: its result or -errno. */
long sd_control(int descriptor, unsigned long request, uintptr_t argument);

/* ------------------------------------------------------------------ descriptors.c */

/* Reads the caller's memory as the kernel does: false where that would fail with EFAULT. */
bool sd_peek(void *copy, const void *from, size_t size);

/* ------------------------------------------------------------------ stream.c */

/* A stream that owns the descriptor of an attribute opened for writing; NULL and errno. */
FILE *sd_attribute_stream(int descriptor, const char *mode);

/* To be called before and after another file has become standard output; the second also when the shim is loaded. */
void sd_stdout_flush(void);
void sd_stdout_follow(void);
/* To be called when this is a new process. */
void sd_stdout_after_fork(void);

/* ------------------------------------------------------------------ standard.c */

/* To be called when the shim is loaded. */
void sd_guard_standard_streams(void);

/* ------------------------------------------------------------------ hooks that others call; they exist in no header */

void __chk_fail(void) __attribute__((noreturn));

#endif

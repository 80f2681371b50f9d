/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths DEVICE - what a program sees of a device-dax node and of its sysfs files, call by call.
 *
 * Exit status 0 if all is as on a machine that has the device; else 1, with a line for each thing that is not.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

static int failures, checks;
static const char *device, *name; /* "/dev/dax0.0", "dax0.0" */
static struct stat node;
static char by_number[64]; /* "/sys/dev/char/252:0" */
static char by_bus[64];    /* "/sys/bus/dax/devices/dax0.0" */

#define CHECK(condition)                                                                                  \
	do {                                                                                              \
		checks++;                                                                                 \
		errno = 0;                                                                                \
		if (!(condition)) {                                                                       \
			failures++;                                                                       \
			printf("paths: %d: not so: %s (%s)\n", __LINE__, #condition, strerror(errno));    \
		}                                                                                         \
	} while (0)

/* That `call` fails with `error`. */
#define FAILS(call, error)                                                                                \
	do {                                                                                              \
		checks++;                                                                                 \
		errno = 0;                                                                                \
		long result_ = (long)(call);                                                              \
		if (result_ != -1 || errno != (error)) {                                                  \
			failures++;                                                                       \
			printf("paths: %d: %s is %ld (%s), must fail with %s\n", __LINE__, #call, result_, \
			       strerror(errno), strerror(error));                                         \
		}                                                                                         \
	} while (0)

static bool is_node(const struct stat *facts)
{
	return S_ISCHR(facts->st_mode) && facts->st_rdev == node.st_rdev && facts->st_size == 0;
}

/* The number of times that `wanted` is in a directory. */
static int listed(const char *directory, const char *wanted)
{
	DIR *stream = opendir(directory);
	int count = 0;

	if (!stream)
		return -1;
	for (struct dirent *entry; (entry = readdir(stream));)
		count += strcmp(entry->d_name, wanted) == 0;
	closedir(stream);
	return count;
}

static bool twice(const char *directory)
{
	char *names[4096];
	int count = 0;
	bool found = false;
	DIR *stream = opendir(directory);

	for (struct dirent *entry; stream && (entry = readdir(stream)) && count < 4096;)
		names[count++] = strdup(entry->d_name);
	if (stream)
		closedir(stream);
	for (int i = 0; i < count; i++)
		for (int j = i + 1; j < count; j++)
			if (strcmp(names[i], names[j]) == 0) {
				printf("paths: %s is twice in %s\n", names[i], directory);
				found = true;
			}
	while (count)
		free(names[--count]);
	return found;
}

static void nodes(void)
{
	struct stat facts;
	struct statx extended;
	struct statfs system;

	CHECK(stat(device, &facts) == 0 && is_node(&facts));
	CHECK(lstat(device, &facts) == 0 && is_node(&facts));
	CHECK((facts.st_mode & 0777) == 0600 && facts.st_blocks == 0);
	CHECK(fstatat(AT_FDCWD, device, &facts, AT_SYMLINK_NOFOLLOW) == 0 && is_node(&facts));
	CHECK(statx(AT_FDCWD, device, 0, STATX_ALL, &extended) == 0 && S_ISCHR(extended.stx_mode) &&
	      makedev(extended.stx_rdev_major, extended.stx_rdev_minor) == node.st_rdev && extended.stx_size == 0);
	CHECK(access(device, R_OK | W_OK) == 0 && access(device, X_OK) == -1 && errno == EACCES);
	CHECK(eaccess(device, F_OK) == 0 && faccessat(AT_FDCWD, device, F_OK, AT_EACCESS) == 0);
	CHECK(statfs(device, &system) == 0 && system.f_type != SYSFS_MAGIC);
	CHECK(stat("/dev/./../dev//dax-none", &facts) == -1 && errno == ENOENT);
	int directory = open("/dev", O_RDONLY | O_DIRECTORY);
	CHECK(directory >= 0 && fstatat(directory, name, &facts, 0) == 0 && is_node(&facts));
	CHECK(fstatat(directory, "null", &facts, 0) == 0 && facts.st_rdev == makedev(1, 3));
	int relative = openat(directory, name, O_RDWR);
	CHECK(fstat(relative, &facts) == 0 && is_node(&facts));
	close(relative);
	close(directory);
	char path[PATH_MAX], real[PATH_MAX];
	snprintf(path, sizeof path, "/dev/../dev//./%s", name);
	CHECK(stat(path, &facts) == 0 && is_node(&facts));
	snprintf(path, sizeof path, "%s/x", device);
	FAILS(stat(path, &facts), ENOTDIR);
	snprintf(path, sizeof path, "/sys/bus/../../dev/%s", name);
	CHECK(stat(path, &facts) == 0 && is_node(&facts));
	CHECK(realpath(path, real) && strcmp(real, device) == 0);
	FAILS(readlink(device, path, sizeof path), EINVAL);
	FAILS(unlink(device), EPERM);
	FAILS(rename(device, "/dev/dax-none"), EPERM);
	FAILS(truncate(device, 0), EINVAL);
	FAILS(mkdir(device, 0700), EEXIST);
}

static void open_flags(void)
{
	struct stat facts;
	char path[64], text[PATH_MAX] = "";
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };

	for (int i = 0; i < 3; i++) {
		int file = open(device, modes[i] | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
		CHECK(file >= 0 && (fcntl(file, F_GETFL) & O_ACCMODE) == modes[i]);
		CHECK(fstat(file, &facts) == 0 && is_node(&facts));
		CHECK(fcntl(file, F_GETFD) == FD_CLOEXEC);
		close(file);
	}
	FAILS(open(device, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	FAILS(open(device, O_RDWR | O_DIRECT), EINVAL);
	FAILS(open(device, O_RDONLY | O_DIRECTORY), ENOTDIR);
	FAILS(open(device, O_RDWR | O_TMPFILE, 0600), ENOTDIR);
	FAILS(open("/dev/dax-none", O_RDWR), ENOENT);
	int file = open(device, O_RDWR | O_NOFOLLOW);
	CHECK(file >= 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	CHECK(readlink(path, text, sizeof text - 1) == (ssize_t)strlen(device) && strcmp(text, device) == 0);
	CHECK(readlink(path, text, 4) == 4 && memcmp(text, device, 4) == 0);
	int second = open(path, O_RDWR);
	CHECK(fstat(second, &facts) == 0 && is_node(&facts));
	CHECK(flock(file, LOCK_EX | LOCK_NB) == 0);
	FAILS(flock(second, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	int third = dup(file);
	CHECK(fstat(third, &facts) == 0 && is_node(&facts));
	CHECK(flock(third, LOCK_EX | LOCK_NB) == 0);
	close(third);
	close(second);
	close(file);
	FILE *stream = fopen(device, "r+");
	CHECK(stream && fstat(fileno(stream), &facts) == 0 && is_node(&facts));
	if (stream)
		fclose(stream);
}

/* A link from elsewhere, as people make for pools. */
static void outer_links(void)
{
	char folder[] = "/tmp/paths.XXXXXX", link[64], second[64], real[PATH_MAX];
	struct stat facts;

	CHECK(mkdtemp(folder));
	snprintf(link, sizeof link, "%s/pool", folder);
	snprintf(second, sizeof second, "%s/again", folder);
	CHECK(symlink(device, link) == 0 && symlink(link, second) == 0);
	CHECK(lstat(link, &facts) == 0 && S_ISLNK(facts.st_mode));
	CHECK(stat(link, &facts) == 0 && is_node(&facts));
	CHECK(stat(second, &facts) == 0 && is_node(&facts));
	CHECK(access(link, R_OK) == 0 && realpath(second, real) && strcmp(real, device) == 0);
	int file = open(link, O_RDWR | O_CREAT, 0600);
	CHECK(file >= 0 && fstat(file, &facts) == 0 && is_node(&facts));
	close(file);
	FAILS(open(link, O_RDWR | O_NOFOLLOW), ELOOP);
	FAILS(open(link, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK(unlink(link) == 0 && unlink(second) == 0 && rmdir(folder) == 0);
}

static void transfers(void)
{
	char bytes[64] = "unchanged";
	struct iovec vector = { bytes, sizeof bytes };
	int file = open(device, O_RDWR), pair[2], other = open("/dev/zero", O_RDWR);

	CHECK(file >= 0 && other >= 0 && pipe(pair) == 0);
	FAILS(read(file, bytes, sizeof bytes), EINVAL);
	FAILS(pread(file, bytes, sizeof bytes, 0), EINVAL);
	FAILS(readv(file, &vector, 1), EINVAL);
	FAILS(preadv(file, &vector, 1, 0), EINVAL);
	FAILS(preadv2(file, &vector, 1, 0, 0), EINVAL);
	FAILS(write(file, bytes, sizeof bytes), EINVAL);
	FAILS(pwrite(file, bytes, sizeof bytes, 4096), EINVAL);
	FAILS(writev(file, &vector, 1), EINVAL);
	FAILS(pwritev(file, &vector, 1, 0), EINVAL);
	FAILS(pwritev2(file, &vector, 1, 0, 0), EINVAL);
	CHECK(strcmp(bytes, "unchanged") == 0);
	FAILS(sendfile(pair[1], file, NULL, 4096), EINVAL);
	FAILS(splice(file, NULL, pair[1], NULL, 4096, 0), EINVAL);
	CHECK(write(pair[1], "x", 1) == 1);
	FAILS(splice(pair[0], NULL, file, NULL, 1, 0), EINVAL);
	FAILS(copy_file_range(file, NULL, other, NULL, 4096, 0), EINVAL);
	CHECK(lseek(file, 4096, SEEK_SET) == 0 && lseek(file, 0, SEEK_END) == 0 && lseek(file, 1, SEEK_CUR) == 0);
	FAILS(ftruncate(file, 0), EINVAL);
	FAILS(fallocate(file, 0, 0, 4096), ENODEV);
	CHECK(posix_fallocate(file, 0, 4096) == ENODEV);
	FAILS(fsync(file), EINVAL);
	FAILS(fdatasync(file), EINVAL);
	int value;
	FAILS(ioctl(file, FIONREAD, &value), ENOTTY);
	CHECK(ioctl(file, FIOCLEX) == 0);
	close(file);
	file = open(device, O_RDONLY);
	FAILS(write(file, bytes, 1), EBADF);
	close(file);
	file = open(device, O_WRONLY);
	FAILS(read(file, bytes, 1), EBADF);
	close(file);
	CHECK(read(other, bytes, 2) == 2 && bytes[0] == 0);
	close(other);
	close(pair[0]);
	close(pair[1]);
}

static bool reads(int file, const char *wanted)
{
	char text[256] = "";

	return file >= 0 && read(file, text, sizeof text - 1) > 0 && strcmp(text, wanted) == 0;
}

/* What an attribute says, without the line's end; "" if it cannot be read. */
static const char *attribute(const char *directory, const char *attribute_name)
{
	static char text[256];
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", directory, attribute_name);
	FILE *stream = fopen(path, "re");
	if (!stream || !fgets(text, sizeof text, stream))
		text[0] = 0;
	if (stream)
		fclose(stream);
	text[strcspn(text, "\n")] = 0;
	return text;
}

static void attributes(void)
{
	char path[PATH_MAX], real[PATH_MAX], number[32], line[40];
	struct stat facts;
	struct statfs system;

	snprintf(number, sizeof number, "%u:%u", major(node.st_rdev), minor(node.st_rdev));
	CHECK(strcmp(attribute(by_bus, "dev"), number) == 0);
	CHECK(strcmp(attribute(by_number, "dev"), number) == 0);
	CHECK(strtoull(attribute(by_number, "size"), NULL, 0) > 0);
	snprintf(path, sizeof path, "%s/subsystem", by_number);
	CHECK(realpath(path, real) && strcmp(real, "/sys/bus/dax") == 0);
	ssize_t length = readlink(path, real, sizeof real - 1);
	CHECK(length > 8 && memcmp(real + length - 8, "/bus/dax", 8) == 0);
	CHECK(lstat(path, &facts) == 0 && S_ISLNK(facts.st_mode));
	CHECK(stat(path, &facts) == 0 && S_ISDIR(facts.st_mode));
	CHECK(realpath(by_bus, real) && strncmp(real, "/sys/devices/", 13) == 0);
	char *allocated = canonicalize_file_name(by_number);
	CHECK(allocated && strcmp(allocated, real) == 0);
	free(allocated);
	CHECK(statfs(by_bus, &system) == 0 && system.f_type == SYSFS_MAGIC);
	snprintf(path, sizeof path, "%s/driver/../../../nd/devices", by_bus);
	CHECK(realpath(path, real) && strcmp(real, "/sys/bus/nd/devices") == 0);
	snprintf(path, sizeof path, "%s/size/x", by_bus);
	CHECK(stat(path, &facts) == -1 && (errno == ENOTDIR || errno == ENOENT));

	snprintf(path, sizeof path, "%s/size", by_bus);
	snprintf(line, sizeof line, "%s\n", attribute(by_bus, "size"));
	FAILS(open(path, O_WRONLY), EACCES);
	FAILS(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), EACCES);
	CHECK(!fopen(path, "w") && errno == EACCES);
	int file = open(path, O_RDONLY);
	CHECK(reads(file, line));
	FAILS(write(file, "1\n", 2), EBADF);
	close(file);
	FAILS(open(path, O_RDWR), EACCES);
	CHECK(!fopen(path, "r+") && errno == EACCES);
	FAILS(truncate(path, 0), EACCES);
	FAILS(unlink(path), EPERM);
	snprintf(path, sizeof path, "%s/none", by_bus);
	CHECK(open(path, O_WRONLY | O_CREAT, 0644) == -1);
	CHECK(strncmp(attribute(by_bus, "size"), line, strlen(line) - 1) == 0);
}

static void listings(void)
{
	char *roots[] = { "/sys/bus/dax/devices", NULL };
	char pattern[PATH_MAX], path[PATH_MAX];
	struct dirent **names;
	glob_t found;

	CHECK(listed("/dev", name) == 1 && listed("/dev", "null") == 1 && listed("/dev", ".") == 1);
	CHECK(listed("/dev/", name) == 1);
	CHECK(listed("/sys/bus", "dax") == 1 && listed("/sys/bus", "nd") == 1 && listed("/sys/bus", "cpu") == 1);
	CHECK(listed("/sys/bus", "..") == 1 && listed("/sys/bus/dax/devices", name) == 1);
	CHECK(listed("/sys", "kernel") == 1 && listed("/sys", "bus") == 1);
	CHECK(listed("/sys/dev/char", by_number + strlen("/sys/dev/char/")) == 1 && listed("/sys/dev/char", "1:3") == 1);
	CHECK(!twice("/dev") && !twice("/sys") && !twice("/sys/bus") && !twice("/sys/bus/nd/devices") &&
	      !twice("/sys/dev/char"));
	int directory = open("/sys/bus", O_RDONLY | O_DIRECTORY);
	DIR *stream = fdopendir(directory);
	int first = 0, second = 0;
	CHECK(stream);
	while (stream && readdir(stream))
		first++;
	if (stream)
		rewinddir(stream);
	while (stream && readdir(stream))
		second++;
	CHECK(first == second && first > 4);
	if (stream)
		closedir(stream);
	int count = scandir("/sys/bus", &names, NULL, alphasort);
	CHECK(count == first);
	for (int i = 0; i < count; i++)
		free(names[i]);
	if (count >= 0)
		free(names);

	snprintf(pattern, sizeof pattern, "/sys/bus/d?x/devices/%.4s*", name);
	CHECK(glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc >= 1);
	globfree(&found);
	snprintf(pattern, sizeof pattern, "/d[e]v/%.*s?", (int)strlen(name) - 1, name);
	CHECK(glob(pattern, 0, NULL, &found) == 0 && strcmp(found.gl_pathv[0], device) <= 0);
	globfree(&found);

	FTS *walk = fts_open(roots, FTS_PHYSICAL, NULL);
	FTSENT *entry;
	int links = 0, directories = 0;
	CHECK(walk);
	while (walk && (entry = fts_read(walk))) {
		snprintf(path, sizeof path, "%s/%s", roots[0], name);
		directories += entry->fts_info == FTS_D && entry->fts_level == 0;
		links += entry->fts_info == FTS_SL && entry->fts_level == 1 && strcmp(entry->fts_path, path) == 0 &&
			 strcmp(entry->fts_name, name) == 0 && lstat(entry->fts_accpath, &node) == 0;
	}
	CHECK(links == 1 && directories == 1);
	CHECK(walk && fts_close(walk) == 0);
	stat(device, &node);
	roots[0] = by_bus;
	walk = fts_open(roots, FTS_LOGICAL | FTS_NOSTAT, NULL);
	int sizes = 0;
	while (walk && (entry = fts_read(walk))) {
		if (entry->fts_info == FTS_D && entry->fts_level > 0)
			fts_set(walk, entry, FTS_SKIP);
		sizes += entry->fts_level == 1 && strcmp(entry->fts_name, "size") == 0;
	}
	CHECK(sizes == 1 && walk && fts_close(walk) == 0);
}

static int visited;

static int visit(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
	(void)facts;
	visited += kind == FTW_SL && strcmp(path + where->base, name) == 0;
	return 0;
}

static void walks(void)
{
	struct stat facts;

	CHECK(nftw("/sys/bus/dax", visit, 8, FTW_PHYS) == 0 && visited >= 1);
	CHECK(nftw("/sys/bus/dax-none", visit, 8, FTW_PHYS) == -1 && errno == ENOENT);

	char here[PATH_MAX], there[PATH_MAX], text[256];
	CHECK(getcwd(here, sizeof here));
	CHECK(chdir("/sys/bus/dax/devices") == 0);
	CHECK(getcwd(there, sizeof there) && strcmp(there, "/sys/bus/dax/devices") == 0);
	CHECK(!getcwd(there, 4) && errno == ERANGE);
	char *allocated = getcwd(NULL, 0);
	CHECK(allocated && strcmp(allocated, "/sys/bus/dax/devices") == 0);
	free(allocated);
	CHECK(readlink("/proc/self/cwd", there, sizeof there) == (ssize_t)strlen("/sys/bus/dax/devices"));
	CHECK(chdir(name) == 0 && getcwd(there, sizeof there) && strncmp(there, "/sys/devices/", 13) == 0);
	int file = open("size", O_RDONLY);
	CHECK(file >= 0 && read(file, text, sizeof text) > 0);
	close(file);
	CHECK(listed(".", "size") == 1 && access("subsystem/devices", F_OK) == 0);
	CHECK(chdir("subsystem") == 0 && getcwd(there, sizeof there) && strcmp(there, "/sys/bus/dax") == 0);
	CHECK(stat("../cpu", &facts) == 0 && listed("..", "cpu") == 1);
	CHECK(stat("../../../dev/null", &facts) == 0 && S_ISCHR(facts.st_mode));
	snprintf(there, sizeof there, "../../../dev/%s", name);
	CHECK(stat(there, &facts) == 0 && is_node(&facts));
	CHECK(chdir("/dev") == 0 && stat(name, &facts) == 0 && is_node(&facts));
	file = open("/sys/bus/dax", O_RDONLY | O_DIRECTORY);
	CHECK(fchdir(file) == 0 && access("devices", F_OK) == 0);
	CHECK(openat(file, "../cpu/devices", O_RDONLY | O_DIRECTORY) >= 0);
	close(file);
	CHECK(chdir("/") == 0 && stat(device + 1, &facts) == 0 && is_node(&facts));
	CHECK(access("sys/bus/dax", F_OK) == 0 && access("sys/bus/cpu", F_OK) == 0);
	CHECK(chdir(here) == 0);
}

int main(int count, char **arguments)
{
	if (count != 2 || strncmp(arguments[1], "/dev/", 5) != 0) {
		fprintf(stderr, "usage: paths /dev/daxN.M\n");
		return 2;
	}
	device = arguments[1];
	name = device + 5;
	if (stat(device, &node) != 0 || !S_ISCHR(node.st_mode)) {
		printf("paths: %s is not a character device\n", device);
		return 1;
	}
	snprintf(by_number, sizeof by_number, "/sys/dev/char/%u:%u", major(node.st_rdev), minor(node.st_rdev));
	snprintf(by_bus, sizeof by_bus, "/sys/bus/dax/devices/%s", name);
	nodes();
	open_flags();
	outer_links();
	transfers();
	attributes();
	listings();
	walks();
	if (!failures)
		printf("paths: %d checks\n", checks);
	return failures != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the coordinator does itself. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker.h"

static void put_result(struct text *row, int error)
{
	if (error)
		put(row, ",\"err\":\"%s\"", error_name(error));
	else
		put(row, ",\"ok\":true");
}

static void step_note(struct text *row, const char *arguments)
{
	(void)row;
	(void)arguments;
}

/* The physical address of a target, told in the row; false after telling that there is none. */
static bool aimed(struct text *row, const char *text, uint64_t *physical)
{
	int error = target(text, physical);

	if (error)
		put(row, ",\"err\":\"target: %s\"", error_name(error));
	else
		put(row, ",\"phys\":\"0x%llx\"", (unsigned long long)*physical);
	return !error;
}

static void step_save(struct text *row, const char *arguments)
{
	char name[64] = "", where[400] = "", value[32];
	uint64_t physical;
	int error;

	sscanf(arguments, "%63s %399s", name, where);
	error = target(where, &physical);
	if (error) {
		put(row, ",\"err\":\"%s\"", error_name(error));
		return;
	}
	snprintf(value, sizeof value, "0x%llx", (unsigned long long)physical);
	variable_set(name, value);
	put(row, ",\"phys\":\"%s\"", value);
}

static void step_fail(struct text *row, const char *arguments)
{
	uint64_t physical;

	if (aimed(row, arguments, &physical))
		put_result(row, machine->fail(physical));
}

static void step_unpoison(struct text *row, const char *arguments)
{
	uint64_t physical;

	if (aimed(row, arguments, &physical))
		put_result(row, machine->unpoison(physical));
}

static void step_soft_offline(struct text *row, const char *arguments)
{
	uint64_t physical;

	if (aimed(row, arguments, &physical))
		put_result(row, machine->soft_offline(physical));
}

static void machine_check(struct text *row, const char *arguments, bool consumed)
{
	uint64_t physical;
	int error;

	if (!aimed(row, arguments, &physical))
		return;
	error = machine->machine_check(physical, consumed);
	if (error)
		put(row, ",\"err\":\"machine check: %s\"", error_name(error));
	else
		put(row, ",\"ok\":true");
}

static void step_machine_check(struct text *row, const char *arguments)
{
	machine_check(row, arguments, false);
}

static void step_machine_check_consumed(struct text *row, const char *arguments)
{
	machine_check(row, arguments, true);
}

static void step_page(struct text *row, const char *arguments)
{
	struct frame_state frame;
	uint64_t physical;

	if (!aimed(row, arguments, &physical))
		return;
	frame = machine->frame(physical);
	put(row, ",\"kpageflags\":\"0x%llx\",\"hwpoison\":%d,\"kpagecount\":%lld", (unsigned long long)frame.flags,
	    frame.flags == ~0ull ? -1 : (int)(frame.flags >> 19 & 1), (long long)frame.count);
}

static void step_extents(struct text *row, const char *path)
{
	char text[3000];
	int error = extents_text(real_path(path), text, sizeof text);

	if (error) {
		put_result(row, error);
		return;
	}
	put(row, ",\"extents_in_4k\":");
	put_string(row, text);
}

static void step_is_dax(struct text *row, const char *path)
{
	struct statx status;

	if (machine->is_dax) {
		int answer = machine->is_dax(path);

		if (answer < 0)
			put_result(row, -answer);
		else
			put(row, ",\"dax\":%s", answer ? "true" : "false");
	} else if (statx(AT_FDCWD, real_path(path), 0, STATX_BASIC_STATS, &status))
		put_result(row, errno);
	else
		put(row, ",\"dax\":%s", status.stx_attributes & 0x00200000 ? "true" : "false"); /* STATX_ATTR_DAX */
}

static void step_reflink(struct text *row, const char *arguments)
{
	char from[200] = "", to[200] = "";
	int source, copy, error;

	sscanf(arguments, "%199s %199s", from, to);
	source = open(real_path(from), O_RDONLY);
	copy = open(real_path(to), O_RDWR | O_CREAT, 0600);
	error = ioctl(copy, FICLONE, source) ? errno : 0;
	if (copy >= 0) {
		fsync(copy);
		close(copy);
	}
	if (source >= 0)
		close(source);
	put_result(row, error);
}

static void step_make_file(struct text *row, const char *arguments)
{
	char path[200] = "", *bytes;
	long long length = 0;
	int value = 0, file, error;

	sscanf(arguments, "%199s %lli %i", path, &length, &value);
	bytes = malloc((size_t)length + 1);
	if (!bytes)
		abort();
	memset(bytes, value, (size_t)length);
	file = open(real_path(path), O_RDWR | O_CREAT | O_TRUNC, 0600);
	error = file < 0 || pwrite(file, bytes, (size_t)length, 0) != length ? errno : 0;
	if (file >= 0) {
		if (fsync(file))
			error = errno;
		close(file);
	}
	free(bytes);
	put_result(row, error);
}

static void step_bad_blocks(struct text *row, const char *arguments)
{
	char text[2000];

	(void)arguments;
	sysfs_bad_blocks(text, sizeof text);
	if (machine->bad_blocks)
		machine->bad_blocks(text, sizeof text);
	put(row, ",\"badblocks\":");
	put_string(row, text);
}

/* Whether a filesystem still takes new files and bytes. */
static void step_probe(struct text *row, const char *folder)
{
	int created, written = -1, synced = -1; /* errno; -1: not tried */
	char path[600];
	int file;

	snprintf(path, sizeof path, "%s/.probe", real_path(folder));
	file = open(path, O_RDWR | O_CREAT, 0600);
	created = file < 0 ? errno : 0;
	if (file >= 0) {
		written = write(file, "x", 1) == 1 ? 0 : errno;
		synced = fsync(file) ? errno : 0;
		close(file);
		unlink(path);
	}
	put(row, ",\"create\":\"%s\"", created ? error_name(created) : "ok");
	put(row, ",\"write\":\"%s\"", written < 0 ? "-" : written ? error_name(written) : "ok");
	put(row, ",\"fsync\":\"%s\"", synced < 0 ? "-" : synced ? error_name(synced) : "ok");
	put(row, ",\"shutdown\":%s", created == EIO || written == EIO || synced == EIO ? "true" : "false");
}

/* Waits until signals are taken, then asks every actor, so that its handler has run; says how each is. */
static void step_sync(struct text *row, const char *arguments)
{
	const char *comma = "";

	(void)arguments;
	peers_settle();
	put(row, ",\"actors\":{");
	for (int i = 0; i < ACTORS; i++) {
		char ignored[ANSWER];

		if (!records[i].process && !peers[i].is_thread)
			continue;
		if (peer_lives(i))
			peer_ask(i, "sync", ignored, sizeof ignored, 5000);
		put(row, "%s\"%c\":{\"state\":", comma, 'A' + i);
		put_string(row, peer_lives(i) ? "alive" : peer_end(i));
		put_signals(row, i);
		put(row, "}");
		comma = ",";
	}
	put(row, "}");
}

/* What a real machine is told with a shell, in the words of `#=` lines; false where it is told so. */
static bool administer(struct text *row, const char *operation, const char *arguments)
{
	char whole[2 * LINE];
	int error;

	if (!machine->administer)
		return false;
	snprintf(whole, sizeof whole, "%s %s", operation, arguments);
	error = machine->administer(whole);
	put(row, ",\"rc\":%d,\"output\":", error ? 1 : 0);
	put_string(row, error ? error_name(error) : "");
	return true;
}

void coordinator_step(struct text *row, const char *operation, const char *arguments)
{
	static const struct {
		const char *name;
		void (*run)(struct text *row, const char *arguments);
	} steps[] = {
		{"note", step_note},
		{"save", step_save},
		{"hwp", step_fail},
		{"unpoison", step_unpoison},
		{"softoff", step_soft_offline},
		{"mce", step_machine_check},
		{"mcear", step_machine_check_consumed},
		{"page", step_page},
		{"fiemap", step_extents},
		{"statxdax", step_is_dax},
		{"reflink", step_reflink},
		{"mkfile", step_make_file},
		{"badblocks", step_bad_blocks},
		{"fsprobe", step_probe},
		{"sync", step_sync},
	};

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (!strcmp(steps[i].name, operation)) {
			steps[i].run(row, arguments);
			return;
		}
	}
	if (!administer(row, operation, arguments))
		put(row, ",\"err\":\"unknown op\"");
}

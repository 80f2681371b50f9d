/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend of a machine of softdax: the worker is a workload under the shim, its mappings are the shim's, and what a kernel
 * would be asked for privately is asked at the server's socket.  Whether a page is present is asked of the host's kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../CFuse/include/softdax_fuse.h"
#include "softdax_wire.h"
#include "worker.h"

static const char *version;

static void release(char *text, size_t size)
{
	snprintf(text, size, "%s", version);
}

/* ------------------------------------------------------------------ the socket */

static struct sd_header header(enum sd_type type)
{
	return (struct sd_header){.magic = SD_WIRE_MAGIC, .version = SD_WIRE_VERSION, .type = (uint16_t)type};
}

/* A fresh connection, or -errno. */
static int reach(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *directory = getenv(SD_ENVIRONMENT);
	int file;

	if (!directory || snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", directory, SD_SOCKET_NAME) >=
				  (int)sizeof address.sun_path)
		return -ENXIO;
	file = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (file < 0)
		return -errno;
	if (connect(file, (struct sockaddr *)&address, sizeof address)) {
		int error = errno;

		close(file);
		return -error;
	}
	return file;
}

/* One question; the answer's type must be `type`, an SD_DONE in its place is an error.  0 or an errno. */
static int ask(const void *question, size_t asked, enum sd_type type, void *answer, size_t size)
{
	union {
		struct sd_header header;
		struct sd_done done;
		char bytes[1024];
	} reply;
	int file = reach(), error = 0;
	ssize_t count;

	if (file < 0)
		return -file;
	if (send(file, question, asked, MSG_NOSIGNAL) < 0 || (count = recv(file, &reply, sizeof reply, 0)) < 0)
		error = errno;
	else if (count == sizeof reply.done && reply.header.type == SD_DONE && (type == SD_DONE || reply.done.error))
		error = -reply.done.error;
	else if (count != (ssize_t)size || reply.header.type != type)
		error = EPROTO;
	else
		memcpy(answer, &reply, size);
	close(file);
	return error;
}

/* ------------------------------------------------------------------ pages */

/* Bits 63 and 62 of pagemap are there for everybody. */
static uint64_t host_entry(uintptr_t address)
{
	int file = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (file < 0 || pread(file, &entry, sizeof entry, (off_t)(address / 4096 * sizeof entry)) != sizeof entry)
		entry = 0;
	if (file >= 0)
		close(file);
	return entry;
}

static struct page_state page(uintptr_t address)
{
	struct sd_locate question = {.header = header(SD_LOCATE), .address = address};
	struct page_state state = {.present = host_entry(address) >> 63};
	struct sd_located place;

	if (!state.present || ask(&question, sizeof question, SD_LOCATED, &place, sizeof place))
		return state;
	state.file_or_shared = place.flags & SD_LOCATED_FILE_OR_SHARED;
	state.exclusive = place.flags & SD_LOCATED_EXCLUSIVE;
	state.frame = place.physical / 4096;
	return state;
}

/* /proc/kpageflags and kpagecount end before device memory. */
static struct frame_state frame(uint64_t physical)
{
	(void)physical;
	return (struct frame_state){.flags = ~0ull, .count = ~0ull};
}

/* The device that has the physical address. */
static int device_of(uint64_t physical, uint32_t *device, uint64_t *offset)
{
	struct sd_get_device question = {.header = header(SD_GET_DEVICE)};
	struct sd_device answer;
	int error;

	while (!(error = ask(&question, sizeof question, SD_DEVICE, &answer, sizeof answer))) {
		if (physical - answer.resource < answer.size) {
			*device = question.device;
			*offset = physical - answer.resource;
			return 0;
		}
		question.device++;
	}
	return error == ENODEV ? ENXIO : error;
}

static int inject(uint64_t physical, enum sd_error_kind kind, uint32_t flags)
{
	struct sd_inject question = {.header = header(SD_INJECT), .kind = kind, .count = 8, .flags = flags};
	uint64_t offset;
	int error = device_of(physical, &question.device, &offset);

	if (error)
		return error;
	question.first = offset / 4096 * 8;
	return ask(&question, sizeof question, SD_DONE, NULL, 0);
}

static int fail(uint64_t physical)
{
	return inject(physical, SD_ERROR_POISON, 0);
}

/* The page is present, so that madvise() has nothing to fault in. */
static int fail_own(uintptr_t address, uint64_t physical)
{
	(void)physical;
	return madvise((void *)(address & ~4095ul), 4096, 100 /* MADV_HWPOISON */) ? errno : 0;
}

/* mm/memory-failure.c: a page of a device is no online page. */
static int not_online(uint64_t physical)
{
	uint64_t offset;
	uint32_t device;
	int error = device_of(physical, &device, &offset);

	return error ? error : EIO;
}

/* An emulator's monitor leaves the data as it is, and so does this. */
static int machine_check(uint64_t physical, bool consumed)
{
	return consumed ? EOPNOTSUPP : inject(physical, SD_ERROR_MACHINE_CHECK, SD_INJECT_DATA_STAYS);
}

/* The one device that a filesystem is mounted from. */
static int mounted(uint32_t *device, uint64_t *physical)
{
	struct sd_get_device question = {.header = header(SD_GET_DEVICE)};
	struct sd_device answer;
	int error;

	while (!(error = ask(&question, sizeof question, SD_DEVICE, &answer, sizeof answer))) {
		if (answer.mountpoint[0]) {
			*device = question.device;
			*physical = answer.resource;
			return 0;
		}
		question.device++;
	}
	return error;
}

static int locate_device(const char *name, uint64_t *physical)
{
	uint32_t device;

	(void)name;
	return mounted(&device, physical);
}

static int locate_file(const char *path, uint64_t offset, uint64_t *physical)
{
	uint64_t start, byte;
	uint32_t device;
	int error = mounted(&device, &start);

	if (!error)
		error = extents_find(real_path(path), offset, &byte);
	if (!error)
		*physical = start + byte;
	return error;
}

/* FUSE has no word for it in statx; the mount names only files that can be mapped so. */
static int is_dax(const char *path)
{
	int file = open(real_path(path), O_RDONLY | O_CLOEXEC), answer;
	uint64_t window;

	if (file < 0)
		return -errno;
	answer = !ioctl(file, SD_FUSE_IOC_WINDOW, &window);
	close(file);
	return answer;
}

/* As the block device's file lists them, which the bus has not in /sys/block; the region's is where it belongs. */
static void bad_blocks(char *text, size_t size)
{
	struct sd_get_errors question = {.header = header(SD_GET_ERRORS), .list = SD_ERRORS_KNOWN};
	struct {
		struct sd_errors head;
		struct sd_range ranges[SD_RANGES_PER_MESSAGE];
	} *answer = calloc(1, sizeof *answer);
	char line[600] = "";
	size_t used = 0, written = strlen(text);
	uint64_t physical;
	int file = reach();

	if (answer && file >= 0 && !mounted(&question.device, &physical) &&
	    send(file, &question, sizeof question, MSG_NOSIGNAL) > 0 && recv(file, answer, sizeof *answer, 0) > 0 &&
	    answer->head.header.type == SD_ERRORS)
		for (uint32_t i = 0; i < answer->head.count && used < sizeof line; i++)
			used += (size_t)snprintf(line + used, sizeof line - used, " %llu %llu",
						 (unsigned long long)answer->ranges[i].first,
						 (unsigned long long)answer->ranges[i].count);
	if (used)
		snprintf(text + written, size - written, "%sblock/badblocks:%s", written ? "\n" : "", line);
	if (file >= 0)
		close(file);
	free(answer);
}

static int open_log(void)
{
	return -1;
}

/* ------------------------------------------------------------------ the machine */

static int set(const char *name, int value)
{
	struct sd_set question = {.header = header(SD_SET), .value = (uint32_t)value};

	if (!strcmp(name, "memory_failure_early_kill"))
		question.setting = SD_SETTING_EARLY_KILL;
	else if (!strcmp(name, "memory_failure_recovery"))
		question.setting = SD_SETTING_RECOVERY;
	else
		return ENOENT;
	return ask(&question, sizeof question, SD_DONE, NULL, 0);
}

/* As ndctl does it: the holder loses its driver, then the namespace its holder. */
static int disable(int number)
{
	char name[32], path[96];
	int error;

	snprintf(name, sizeof name, "dax%d.1", number);
	error = sysfs_write("/sys/bus/nd/drivers/dax_pmem/unbind", name);
	if (error)
		return error;
	snprintf(path, sizeof path, "/sys/bus/nd/devices/%s/namespace", name);
	return sysfs_write(path, "\n");
}

/* The driver of the namespace leaves it to the dax device that it finds in it, and says ENXIO. */
static int enable(int number)
{
	char name[32];
	int error;

	snprintf(name, sizeof name, "namespace%d.0", number);
	error = sysfs_write("/sys/bus/nd/drivers/nd_pmem/bind", name);
	return error == ENXIO ? 0 : error;
}

/* The device that the filesystem is mounted from. */
static int unbind(void)
{
	struct sd_get_device question = {.header = header(SD_UNBIND)};
	uint64_t physical;
	int error = mounted(&question.device, &physical);

	return error ? error : ask(&question, sizeof question, SD_DONE, NULL, 0);
}

static int administer(const char *operation)
{
	char name[64];
	int value;

	if (sscanf(operation, "sysctl %63s %i", name, &value) == 2)
		return set(name, value);
	if (sscanf(operation, "disable-namespace %d.0", &value) == 1)
		return disable(value);
	if (sscanf(operation, "enable-namespace %d.0", &value) == 1)
		return enable(value);
	if (!strncmp(operation, "unbind ", 7))
		return unbind();
	if (!strcmp(operation, "umount"))
		return umount2(real_path("/mnt"), 0) ? errno : 0;
	return strcmp(operation, "nothing") ? file_work(operation) : 0;
}

static const char *stopped(void)
{
	struct sd_header question = header(SD_GET_SERVER);
	struct sd_server answer;

	if (ask(&question, sizeof question, SD_SERVER, &answer, sizeof answer))
		return "the server does not answer";
	return answer.flags & SD_SERVER_PANICKED ? "Memory failure: vm.memory_failure_recovery is 0, and a page failed" : NULL;
}

const struct backend *softdax_backend(const char *kernel)
{
	static const struct backend backend = {
		.release = release,
		.page = page,
		.fail_own = fail_own,
		.fail = fail,
		.frame = frame,
		.unpoison = not_online,
		.soft_offline = not_online,
		.machine_check = machine_check,
		.locate_file = locate_file,
		.locate_device = locate_device,
		.is_dax = is_dax,
		.bad_blocks = bad_blocks,
		.open_log = open_log,
		.administer = administer,
		.stopped = stopped,
	};

	version = kernel;
	return &backend;
}

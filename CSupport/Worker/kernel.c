/* SPDX-License-Identifier: Apache-2.0 */
/* The backend of a real kernel that may be harmed: a guest.  Root, debugfs mounted, the monitor's port for machine checks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "worker.h"

static void release(char *text, size_t size)
{
	struct utsname names;

	uname(&names);
	snprintf(text, size, "%s", names.release);
}

/* A word of 8 bytes at an index; false at the end of the file. */
static bool word_at(const char *path, uint64_t index, uint64_t *word)
{
	int file = open(path, O_RDONLY);
	bool all;

	if (file < 0)
		return false;
	all = pread(file, word, 8, (off_t)(index * 8)) == 8;
	close(file);
	return all;
}

static int write_number(const char *path, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof text, "0x%llx", (unsigned long long)value);
	return sysfs_write(path, text);
}

/* Documentation/admin-guide/mm/pagemap.rst */
static struct page_state page(uintptr_t address)
{
	uint64_t entry = 0;

	if (!word_at("/proc/self/pagemap", address / 4096, &entry))
		entry = 0;
	return (struct page_state){
		.present = entry >> 63,
		.swapped = entry >> 62 & 1,
		.file_or_shared = entry >> 61 & 1,
		.exclusive = entry >> 56 & 1,
		.frame = entry & ((1ull << 55) - 1),
	};
}

static struct frame_state frame(uint64_t physical)
{
	struct frame_state state;

	if (!word_at("/proc/kpageflags", physical / 4096, &state.flags))
		state.flags = ~0ull;
	if (!word_at("/proc/kpagecount", physical / 4096, &state.count))
		state.count = ~0ull;
	return state;
}

/* mm/hwpoison-inject.c */
static int fail(uint64_t physical)
{
	return write_number("/sys/kernel/debug/hwpoison/corrupt-pfn", physical / 4096);
}

static int fail_own(uintptr_t address, uint64_t physical)
{
	(void)address;
	return fail(physical);
}

static int unpoison(uint64_t physical)
{
	return write_number("/sys/kernel/debug/hwpoison/unpoison-pfn", physical / 4096);
}

static int soft_offline(uint64_t physical)
{
	return write_number("/sys/devices/system/memory/soft_offline_page", physical);
}

/*
 * Through QEMU's monitor: `mce CPU BANK STATUS MCGSTATUS ADDR MISC` (Intel SDM volume 3B, chapter 16).  Not consumed: VAL, UC, EN,
 * MISCV, ADDRV, S with the code of a memory scrub.  Consumed: AR too, with the code of a data load, and MCG_STATUS.EIPV.
 */
static int machine_check(uint64_t physical, bool consumed)
{
	char command[128];
	int error;

	snprintf(command, sizeof command, "mce 0 9 0x%s 0x%d 0x%llx 0x8c\n",
		 consumed ? "bd80000000000134" : "bd000000000000c0", consumed ? 7 : 5, (unsigned long long)physical);
	error = sysfs_write("/dev/virtio-ports/hmp", command);
	usleep(600000); /* the monitor, the check, the work that the kernel puts off */
	return error;
}

static int locate_file(const char *path, uint64_t offset, uint64_t *physical)
{
	uint64_t base = 0, on_device = 0;
	struct stat status;
	char resource[128];
	int error;

	if (stat(path, &status))
		return errno;
	snprintf(resource, sizeof resource, "/sys/dev/block/%u:%u/device/resource", major(status.st_dev),
		 minor(status.st_dev));
	error = extents_find(path, offset, &on_device);
	if (!error)
		error = sysfs_number(resource, &base);
	*physical = base + on_device;
	return error;
}

static int open_log(void)
{
	int file = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (file >= 0)
		lseek(file, 0, SEEK_END);
	return file;
}

const struct backend kernel_backend = {
	.release = release,
	.page = page,
	.fail_own = fail_own,
	.fail = fail,
	.frame = frame,
	.unpoison = unpoison,
	.soft_offline = soft_offline,
	.machine_check = machine_check,
	.locate_file = locate_file,
	.open_log = open_log,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* What /sys says of devices, on every machine. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

int sysfs_number(const char *path, uint64_t *value)
{
	char text[64] = "";
	int file = open(path, O_RDONLY);
	ssize_t count;

	if (file < 0)
		return errno;
	count = read(file, text, sizeof text - 1);
	close(file);
	if (count <= 0)
		return EIO;
	*value = strtoull(text, NULL, 0);
	return 0;
}

int sysfs_write(const char *path, const char *text)
{
	int file = open(path, O_WRONLY), error = 0;

	if (file < 0)
		return errno;
	if (write(file, text, strlen(text)) < 0)
		error = errno;
	close(file);
	return error;
}

int sysfs_device(enum device_kind kind, const char *name, uint64_t *physical)
{
	char path[640];

	snprintf(path, sizeof path, kind == BLOCK_DEVICE ? "/sys/block/%s/device/resource" : "/sys/bus/dax/devices/%s/resource",
		 name);
	return sysfs_number(path, physical);
}

void sysfs_bad_blocks(char *text, size_t size)
{
	shell("cd /sys; for f in bus/nd/devices/region*/badblocks block/pmem*/badblocks bus/nd/devices/dax*/badblocks; do "
	      "[ -s $f ] && c=$(cat $f) && [ -n \"$c\" ] && echo $f: $c; done; true",
	      text, size);
}

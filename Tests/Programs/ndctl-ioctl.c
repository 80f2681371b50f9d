/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ndctl-ioctl CONTROL - ioctl() of a control device, by hand: structs at the edge of what is mapped, descriptors that may not.
 *
 * Exit status 0 if all is as with the kernel's driver; else 1, with a line for each thing that is not.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/ndctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int failures;

static void expect(int line, const char *what, int result, int wanted, int error)
{
	if (result == wanted && (wanted >= 0 || errno == error))
		return;
	failures++;
	printf("ndctl-ioctl: %d: %s is %d (%s)\n", line, what, result, strerror(errno));
}

#define IS(call, wanted) (errno = 0, expect(__LINE__, #call, call, wanted, 0))
#define FAILS(call, error) (errno = 0, expect(__LINE__, #call, call, -1, error))
#define TRUE(condition) (errno = 0, expect(__LINE__, #condition, (condition) ? 1 : 0, 1, 0))

static uint64_t resource(void)
{
	char text[64] = "";
	FILE *file = fopen("/sys/bus/nd/devices/region0/resource", "r");

	if (!file || !fgets(text, sizeof text, file))
		exit(1);
	fclose(file);
	return strtoull(text, NULL, 0);
}

int main(int count, char **words)
{
	if (count != 2)
		return 2;

	int control = open(words[1], O_RDWR), reader = open(words[1], O_RDONLY);
	uint64_t base = resource();
	/* two pages, then nothing */
	char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(pages + 2 * 4096, 4096);

	struct nd_cmd_ars_cap *cap = (void *)(pages + 2 * 4096 - sizeof *cap);
	*cap = (struct nd_cmd_ars_cap){ .address = base, .length = 4096, .status = 77 };
	IS(ioctl(control, ND_IOCTL_ARS_CAP, cap), 0);
	TRUE(cap->status == ND_ARS_PERSISTENT << 16 && cap->clear_err_unit == 256 && cap->max_ars_out == 4096);
	TRUE(cap->address == base && cap->length == 4096);
	IS(ioctl(reader, ND_IOCTL_ARS_CAP, cap), 0);
	FAILS(ioctl(control, ND_IOCTL_ARS_CAP, (char *)cap + 1), EFAULT);
	FAILS(ioctl(control, ND_IOCTL_ARS_CAP, NULL), EFAULT);
	FAILS(ioctl(control, ND_IOCTL_ARS_CAP, pages + 2 * 4096), EFAULT);
	FAILS(ioctl(control, ND_IOCTL_ARS_CAP, (void *)-16l), EFAULT);

	mprotect(pages, 2 * 4096, PROT_READ);
	FAILS(ioctl(control, ND_IOCTL_ARS_CAP, cap), EFAULT);
	mprotect(pages, 2 * 4096, PROT_READ | PROT_WRITE);

	/* across the two pages */
	struct nd_cmd_clear_error *clear = (void *)(pages + 4096 - 12);
	*clear = (struct nd_cmd_clear_error){ .address = base, .length = 512, .cleared = 99 };
	IS(ioctl(control, ND_IOCTL_CLEAR_ERROR, clear), 0);
	TRUE(clear->status == 0 && clear->cleared == 512);
	clear->address = base + 1;
	IS(ioctl(control, ND_IOCTL_CLEAR_ERROR, clear), 0);
	TRUE(clear->status == 2 && clear->cleared == 0);
	FAILS(ioctl(reader, ND_IOCTL_CLEAR_ERROR, clear), EPERM);

	struct nd_cmd_ars_status *status = (void *)pages;
	memset(pages, 0x55, 2 * 4096);
	status->out_length = 4096;
	IS(ioctl(control, ND_IOCTL_ARS_STATUS, status), 4096 - 48);
	TRUE(status->out_length == 48 && status->num_records == 0);
	TRUE(pages[48] == 0x55 && pages[4096] == 0x55);
	status->out_length = UINT32_MAX;
	FAILS(ioctl(control, ND_IOCTL_ARS_STATUS, status), EINVAL);

	FAILS(ioctl(control, _IOWR('N', ND_CMD_IMPLEMENTED, int), pages), ENOTTY);
	FAILS(ioctl(control, _IOWR('N', ND_CMD_VENDOR, int), pages), ENOTTY);
	FAILS(ioctl(control, TCGETS, pages), ENOTTY);
	TRUE(!isatty(control));
	IS(ioctl(control, FIOCLEX), 0);

	int path = open(words[1], O_PATH);
	FAILS(ioctl(path, ND_IOCTL_ARS_CAP, cap), EBADF);
	int copy = dup(control);
	*cap = (struct nd_cmd_ars_cap){ .address = base, .length = 4096 };
	IS(ioctl(copy, ND_IOCTL_ARS_CAP, cap), 0);

	char bytes[8];
	FAILS((int)read(control, bytes, sizeof bytes), EINVAL);
	FAILS((int)write(control, bytes, sizeof bytes), EINVAL);
	TRUE(mmap(NULL, 4096, PROT_READ, MAP_SHARED, control, 0) == MAP_FAILED);
	printf("ndctl-ioctl: %d failures\n", failures);
	return failures != 0;
}

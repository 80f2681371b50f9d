/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - ioctl() of /dev/ndctlN: the program's struct goes to the server and comes back; what is in it is the server's business. */
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core.h"
#include "paths.h"

#define PAGE 4096ul
#define PIECES (SD_ENVELOPE_MOST / PAGE + 1)

/* The pages that [address, address + size) touches, so that the kernel copies what is there and stops at what is not. */
static size_t cut(struct iovec *pieces, uintptr_t address, size_t size)
{
	size_t count = 0;

	while (size) {
		size_t some = PAGE - address % PAGE;

		if (some > size)
			some = size;
		pieces[count++] = (struct iovec){ (void *)address, some };
		if (__builtin_add_overflow(address, some, &address))
			break;
		size -= some;
	}
	return count;
}

/* How much of it could be copied; 0: nothing. */
static size_t copy(long call, void *here, uintptr_t there, size_t size)
{
	struct iovec mine = { here, size }, theirs[PIECES];
	long done = SD_RAW6(call, SD_RAW0(SYS_getpid), &mine, 1, theirs, cut(theirs, there, size), 0);

	return done < 0 ? 0 : (size_t)done;
}

long sd_control(int descriptor, unsigned long request, uintptr_t argument)
{
	struct {
		struct sd_control head;
		uint8_t envelope[SD_ENVELOPE_MOST];
	} question = { .head = { .header = sd_header_of(SD_CONTROL), .request = request } };
	struct {
		struct sd_controlled head;
		uint8_t envelope[SD_ENVELOPE_MOST];
	} answer;
	long flags = SD_RAW2(SYS_fcntl, descriptor, F_GETFL);
	struct sd_request connection;
	struct sd_quiet quiet;

	if (sd_failed(flags) || (flags & O_PATH))
		return -EBADF;
	question.head.access = (uint32_t)flags & O_ACCMODE;
	question.head.length = (uint32_t)copy(SYS_process_vm_readv, question.envelope, argument, SD_ENVELOPE_MOST);
	sd_quiet_begin(&quiet);
	long result = sd_request_ask(&connection, &question, sizeof question.head + question.head.length, SD_CONTROLLED, &answer,
				     sizeof answer, NULL);
	if (!sd_failed(result))
		sd_request_close(&connection);
	sd_quiet_end(&quiet);
	if (sd_failed(result))
		return result;
	if (answer.head.length > SD_ENVELOPE_MOST ||
	    copy(SYS_process_vm_writev, answer.envelope, argument, answer.head.length) != answer.head.length)
		return -EFAULT;
	return answer.head.result;
}

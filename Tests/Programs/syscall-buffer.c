/* SPDX-License-Identifier: Apache-2.0 */
/* syscall-buffer DEVICE: the kernel reads from and writes to pages that nobody has touched, with and without O_DIRECT. */
#include <sys/uio.h>

#include "program.h"

#define LENGTH (2 * HUGE)

static unsigned char expected[LENGTH];

static void same(volatile unsigned char *place, const char *what)
{
	CHECK(memcmp((void *)place, expected, LENGTH) == 0, "%s: other bytes", what);
}

static void round_trip(int device, int file, const char *kind)
{
	char what[64];

	/* From untouched pages into the file. */
	volatile unsigned char *place = map(device, LENGTH, 0);

	memcpy((void *)place, expected, LENGTH);
	DONE(munmap((void *)place, LENGTH));
	place = map(device, LENGTH, 0);
	DONE(ftruncate(file, 0));
	DONE(lseek(file, 0, SEEK_SET));
	snprintf(what, sizeof what, "write (%s)", kind);
	for (size_t done = 0; done < LENGTH;) {
		ssize_t count = write(file, (void *)(place + done), LENGTH - done);

		CHECK(count > 0, "%s from the device: %s", what, count ? strerror(errno) : "nothing");
		done += (size_t)count;
	}
	memset((void *)place, 0, LENGTH);
	DONE(munmap((void *)place, LENGTH));

	/* From the file into untouched pages. */
	place = map(device, LENGTH, 0);
	DONE(lseek(file, 0, SEEK_SET));
	snprintf(what, sizeof what, "read (%s)", kind);
	for (size_t done = 0; done < LENGTH;) {
		ssize_t count = read(file, (void *)(place + done), LENGTH - done);

		CHECK(count > 0, "%s to the device: %s", what, count ? strerror(errno) : "nothing");
		done += (size_t)count;
	}
	same(place, what);
	memset((void *)place, 0, LENGTH);
	DONE(munmap((void *)place, LENGTH));

	place = map(device, LENGTH, 0);

	struct iovec halves[2] = { { (void *)place, HUGE }, { (void *)(place + HUGE), HUGE } };

	snprintf(what, sizeof what, "preadv (%s)", kind);
	CHECK(preadv(file, halves, 2, 0) == (ssize_t)LENGTH, "%s: %s", what, strerror(errno));
	same(place, what);
	DONE(munmap((void *)place, LENGTH));
	place = map(device, LENGTH, 0);
	halves[0].iov_base = (void *)place;
	halves[1].iov_base = (void *)(place + HUGE);
	snprintf(what, sizeof what, "pwritev (%s)", kind);
	CHECK(pwritev(file, halves, 2, 0) == (ssize_t)LENGTH, "%s: %s", what, strerror(errno));
	DONE(munmap((void *)place, LENGTH));
}

static void pipe_trip(int device)
{
	volatile unsigned char *place = map(device, LENGTH, 0);
	int ends[2];

	DONE(pipe(ends));
	CHECK(write(ends[1], (void *)place, PAGE) == (ssize_t)PAGE, "write to a pipe: %s", strerror(errno));
	CHECK(read(ends[0], (void *)(place + HUGE), PAGE) == (ssize_t)PAGE, "read from a pipe: %s", strerror(errno));
	CHECK(memcmp((void *)place, (void *)(place + HUGE), PAGE) == 0, "the pipe changed bytes");
	DONE(munmap((void *)place, LENGTH));
}

int main(int count, char **words)
{
	int device = open_device(device_argument(count, words), O_RDWR);
	char name[] = "/tmp/syscall-buffer-XXXXXX";
	int file = mkstemp(name);

	CHECK(file >= 0, "mkstemp: %s", strerror(errno));
	for (size_t at = 0; at < LENGTH; at++)
		expected[at] = (unsigned char)(at * 7 + at / PAGE);
	round_trip(device, file, "page cache");
	pipe_trip(device);

	int direct = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);

	unlink(name);
	if (direct >= 0)
		round_trip(device, direct, "O_DIRECT");
	return 0;
}

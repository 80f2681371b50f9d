/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locked-memory DEVICE ALIGNMENT SOFTDAX: what is inserted ahead of a touch, by MADV_POPULATE, mlock() and mlockall(), also where the medium
 * has errors.
 */
#include <sys/syscall.h>
#include <sys/uio.h>

#include "program.h"


static const char *device, *softdax;
static size_t alignment;
static int tool(const char *command, size_t byte, const char *options)
{
	char line[512];

	snprintf(line, sizeof line, "%s %s %s -B %zu %s", softdax, command, device + 5, byte / 512, options);
	return system(line);
}

static void expect_unknown(void)
{
	char text[64];
	int file = DONE(open("/sys/bus/nd/devices/region0/badblocks", O_RDONLY));

	CHECK(read(file, text, sizeof text) == 0, "insertion made a latent error known");
	close(file);
}

static volatile unsigned char *window(int flags)
{
	void *place = mmap(NULL, 8 * alignment, BOTH, MAP_SHARED | flags, open_device(device, O_RDWR), 0);

	CHECK(place != MAP_FAILED, "mmap: %s", strerror(errno));
	return place;
}

static void insert(volatile unsigned char *place)
{
	void *start = (void *)place;

	DONE(madvise(start, 8 * alignment, MADV_POPULATE_READ));
	DONE(madvise(start, 8 * alignment, MADV_POPULATE_WRITE));
	DONE(mlock(start, 8 * alignment));
	DONE(munlock(start, 8 * alignment));
	DONE(syscall(SYS_mlock, start, alignment));
	DONE(mlock2(start, 8 * alignment, 0));
	window(MAP_POPULATE);
	window(MAP_LOCKED);
}

static void with_errors(void)
{
	volatile unsigned char *place = window(0);
	size_t bad = 3 * alignment;

	place[bad] = 7;
	CHECK(tool("inject-error", bad, "-n 8 --as latent") == 0, "no error came");
	insert(place);
	expect_unknown();
	EXPECT_SIGNAL(place + bad, false, SIGBUS, BUS_MCEERR_AR);
	insert(place);
	EXPECT_SIGNAL(place + bad, false, SIGBUS, BUS_MCEERR_AR);
	CHECK(!touch(place + 2 * alignment, true) && !touch(place + 4 * alignment, true), "a healthy page cannot be touched");
	CHECK(tool("clear-errors", bad, "-n 8") == 0, "no error went");
	CHECK(!touch(place + bad, false) && place[bad] == 0, "a page that was made good cannot be read");

	void *none = mmap(NULL, alignment, PROT_NONE, MAP_SHARED, open_device(device, O_RDWR), 0);

	REFUSED(mlock(none, alignment), ENOMEM);
	REFUSED(madvise(none, alignment, MADV_POPULATE_READ), EINVAL);
}

/* Memory of the program and a hole beside a window. */
static void mixed(void)
{
	char *place = mmap(NULL, 4 * alignment, BOTH, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *middle = place + alignment + (alignment - (uintptr_t)place % alignment) % alignment;
	unsigned char there[1];

	CHECK(mmap(middle, alignment, BOTH, MAP_SHARED | MAP_FIXED, open_device(device, O_RDWR), 0) == middle, "mmap: %s", strerror(errno));
	DONE(madvise(middle - 4096, alignment + 8192, MADV_POPULATE_WRITE));
	DONE(mincore(middle - 4096, 4096, there));
	CHECK(there[0] & 1, "MADV_POPULATE left out what is before the window");
	DONE(mincore(middle + alignment, 4096, there));
	CHECK(there[0] & 1, "MADV_POPULATE left out what is behind the window");
	DONE(munmap(middle + alignment, 4096));
	REFUSED(madvise(middle, alignment + 4096, MADV_POPULATE_READ), ENOMEM);
	REFUSED(mlock(middle, alignment + 4096), ENOMEM);
}

/* A window is never locked: it can grow, and is one mapping. */
static void grow(void)
{
	for (size_t locked = alignment; locked <= 4 * alignment; locked += 3 * alignment) {
		void *place = mmap(NULL, 4 * alignment, BOTH, MAP_SHARED, open_device(device, O_RDWR), 0);

		DONE(mlock(place, locked));

		unsigned char *larger = mremap(place, 4 * alignment, 8 * alignment, MREMAP_MAYMOVE);

		CHECK(larger != MAP_FAILED, "mremap: %s", strerror(errno));
		larger[7 * alignment] = 3;
		CHECK(larger[7 * alignment] == 3, "a store is lost");
	}
}

static void locked_future(void)
{
	size_t last = 9 * alignment;
	int file = open_device(device, O_RDWR);
	volatile unsigned char *place = window(0);

	place[0] = 5;
	CHECK(tool("inject-error", last, "--as poison 2>/dev/null") != 0, "a page that nobody has had can be poisoned");
	DONE(mlockall(MCL_CURRENT | MCL_FUTURE));

	unsigned char *all = mmap(NULL, 10 * alignment, BOTH, MAP_SHARED, file, 0);

	CHECK(all != MAP_FAILED, "mmap: %s", strerror(errno));
	/* Inserted, and counted: now somebody has it. */
	CHECK(tool("inject-error", last, "--as poison") == 0, "mlockall(MCL_FUTURE) has not inserted");
	CHECK(all[0] == 5, "byte 0 is %d", all[0]);
	DONE(madvise(all, 10 * alignment, MADV_DONTNEED));
	CHECK(all[0] == 5, "after MADV_DONTNEED byte 0 is %d", all[0]);
	all = mremap(all, 10 * alignment, 12 * alignment, MREMAP_MAYMOVE);
	CHECK(all != MAP_FAILED, "mremap: %s", strerror(errno));
	CHECK(all[0] == 5, "after mremap() byte 0 is %d", all[0]);
	DONE(munlockall());
	DONE(munmap(all, 12 * alignment));
	CHECK(tool("inject-error", 10 * alignment, "--as poison 2>/dev/null") != 0, "growing inserts");
	window(0);
}

/* Of the process itself, since Linux 6.13; before, most of it is EINVAL. */
static void by_descriptor(void)
{
	volatile unsigned char *place = window(0);
	struct iovec range = { (void *)place, 8 * alignment };
	int self = DONE(syscall(434 /* pidfd_open */, getpid(), 0));

	place[0] = 9;
	REFUSED(syscall(440, self, &range, 1, 100 /* MADV_HWPOISON */, 0), EINVAL);
	REFUSED(process_madvise(self, &range, 1, 101 /* MADV_SOFT_OFFLINE */, 0), EINVAL);
	if (process_madvise(self, &range, 1, MADV_DONTNEED, 0) < 0)
		CHECK(errno == EINVAL, "process_madvise: %s", strerror(errno));
	CHECK(place[0] == 9, "byte 0 is %d", place[0]);
}

int main(int count, char **words)
{
	CHECK(count == 4, "usage: locked-memory DEVICE ALIGNMENT SOFTDAX");
	device = words[1];
	alignment = strtoull(words[2], NULL, 0);
	softdax = words[3];
	catch_signals();
	with_errors();
	mixed();
	grow();
	by_descriptor();
	locked_future();
	return 0;
}

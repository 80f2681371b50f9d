/* SPDX-License-Identifier: Apache-2.0 */
/* remap-ops DEVICE: mremap, MAP_FIXED, MADV_DONTNEED, mprotect and munmap move and cut windows; bytes stay where they are. */
#include "program.h"

static int fd;

/* Block n of 2M of the device has the byte n + 1 in each page, a page's number at its end. */
static void fill(void)
{
	volatile unsigned char *place = map(fd, 8 * HUGE, 0);

	for (size_t at = 0; at < 8 * HUGE; at += PAGE) {
		place[at] = (unsigned char)(at / HUGE + 1);
		place[at + PAGE - 1] = (unsigned char)(at / PAGE);
	}
	DONE(munmap((void *)place, 8 * HUGE));
}

static void shows(volatile unsigned char *place, size_t length, off_t offset, const char *what)
{
	for (size_t at = 0; at < length; at += PAGE) {
		size_t there = (size_t)offset + at;

		CHECK(place[at] == (unsigned char)(there / HUGE + 1) && place[at + PAGE - 1] == (unsigned char)(there / PAGE),
		      "%s: the page at +%zu does not show %zu", what, at, there);
	}
}

static void gone(volatile unsigned char *byte, const char *what)
{
	int number = touch(byte, false);

	CHECK(number == SIGSEGV && touch_info.si_code == SEGV_MAPERR, "%s: touch where nothing is: signal %d code %d", what, number,
	      number ? touch_info.si_code : 0);
}

/* Address space where nothing is. */
static volatile unsigned char *hole(size_t length)
{
	volatile unsigned char *place = DONE(mmap(NULL, length + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	volatile unsigned char *aligned = (void *)(((uintptr_t)place + HUGE - 1) & ~(HUGE - 1));

	DONE(munmap((void *)place, length + HUGE));
	return aligned;
}

/* Which addresses the device can be mapped at: multiples of this. */
static size_t alignment(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return HUGE;
	DONE(munmap(page, PAGE));
	return PAGE;
}

static void moving(void)
{
	volatile unsigned char *place = map(fd, 4 * HUGE, 0);

	shows(place, HUGE, 0, "map");

	/* A fixed place: the pages that were there, and those that were not. */
	volatile unsigned char *target = hole(4 * HUGE);
	volatile unsigned char *moved = DONE(mremap((void *)place, 4 * HUGE, 4 * HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)target));

	CHECK(moved == target, "mremap with MREMAP_FIXED went elsewhere");
	gone(&place[0], "moved away");
	shows(moved, 4 * HUGE, 0, "moved");

	/* Shrink. */
	place = DONE(mremap((void *)moved, 4 * HUGE, 2 * HUGE, 0));
	CHECK(place == moved, "mremap that shrinks has moved");
	shows(place, 2 * HUGE, 0, "shrunk");
	gone(&place[2 * HUGE], "shrunk");

	/* Grow, in place or not. */
	place = DONE(mremap((void *)place, 2 * HUGE, 4 * HUGE, MREMAP_MAYMOVE));
	shows(place, 4 * HUGE, 0, "grown");

	/* Grow where there is no room. */
	volatile unsigned char *wall = DONE(mmap((void *)(place + 4 * HUGE), PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	bool walled = wall == place + 4 * HUGE;

	if (walled)
		REFUSED(mremap((void *)place, 4 * HUGE, 6 * HUGE, 0), ENOMEM);
	moved = DONE(mremap((void *)place, 4 * HUGE, 6 * HUGE, MREMAP_MAYMOVE));
	CHECK((uintptr_t)moved % alignment() == 0, "mremap chose an address that does not fit");
	shows(moved, 6 * HUGE, 0, "moved and grown");
	DONE(munmap((void *)wall, PAGE));

	/* Twice: the old length 0. */
	volatile unsigned char *twin = DONE(mremap((void *)moved, 0, 2 * HUGE, MREMAP_MAYMOVE));

	CHECK(twin != moved, "a second mapping is where the first is");
	shows(twin, 2 * HUGE, 0, "twin");
	shows(moved, 2 * HUGE, 0, "what the twin was made of");
	twin[1] = 99;
	CHECK(moved[1] == 99, "the twin shows other pages");
	DONE(munmap((void *)twin, 2 * HUGE));
	DONE(munmap((void *)moved, 6 * HUGE));

	/* A window over another. */
	place = map(fd, 2 * HUGE, 0);
	twin = map(fd, 2 * HUGE, (off_t)(4 * HUGE));
	shows(place, 2 * HUGE, 0, "under");
	shows(twin, 2 * HUGE, (off_t)(4 * HUGE), "over");
	DONE(mremap((void *)twin, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(place + HUGE)));
	shows(place, HUGE, 0, "beside what was moved over it");
	shows(place + HUGE, HUGE, (off_t)(4 * HUGE), "moved over");
	shows(twin + HUGE, HUGE, (off_t)(5 * HUGE), "left behind");
	gone(&twin[0], "moved over");

	/* Two windows are not one. */
	REFUSED(mremap((void *)place, 2 * HUGE, 3 * HUGE, MREMAP_MAYMOVE), EFAULT);
	DONE(munmap((void *)place, 2 * HUGE));
	DONE(munmap((void *)(twin + HUGE), HUGE));
}

static void replacing(void)
{
	volatile unsigned char *place = map(fd, 4 * HUGE, 0);

	shows(place, 4 * HUGE, 0, "map");
	/* Another part of the device in the middle. */
	CHECK(mmap((void *)(place + HUGE), HUGE, BOTH, MAP_SHARED | MAP_FIXED, fd, (off_t)(6 * HUGE)) == place + HUGE,
	      "MAP_FIXED over a window: %s", strerror(errno));
	shows(place, HUGE, 0, "before");
	shows(place + HUGE, HUGE, (off_t)(6 * HUGE), "over");
	shows(place + 2 * HUGE, 2 * HUGE, (off_t)(2 * HUGE), "behind");
	/* Ordinary memory. */
	CHECK(mmap((void *)(place + 2 * HUGE), HUGE, BOTH, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == place + 2 * HUGE,
	      "anonymous memory over a window: %s", strerror(errno));
	CHECK(place[2 * HUGE] == 0, "ordinary memory shows the device");
	place[2 * HUGE] = 77;
	shows(place + 3 * HUGE, HUGE, (off_t)(3 * HUGE), "behind ordinary memory");
	/* Back again, over ordinary memory, populated. */
	CHECK(mmap((void *)(place + 2 * HUGE), HUGE, BOTH, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, (off_t)(2 * HUGE)) ==
	      place + 2 * HUGE, "MAP_FIXED over memory: %s", strerror(errno));
	shows(place + 2 * HUGE, 2 * HUGE, (off_t)(2 * HUGE), "back again");
	REFUSED(mmap((void *)place, HUGE, BOTH, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0), EEXIST);
	DONE(munmap((void *)place, 4 * HUGE));
	gone(&place[HUGE], "unmapped");
	CHECK(mmap((void *)place, HUGE, BOTH, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == place, "MAP_FIXED_NOREPLACE: %s",
	      strerror(errno));
	shows(place, HUGE, 0, "not replaced");
	DONE(munmap((void *)place, HUGE));
}

static void emptying(void)
{
	volatile unsigned char *place = map(fd, 4 * HUGE, 0);

	for (int round = 0; round < 3; round++) {
		shows(place, 4 * HUGE, 0, "emptied");
		place[2] = (unsigned char)(round + 1);
		DONE(madvise((void *)place, round == 0 ? HUGE : 4 * HUGE, MADV_DONTNEED));
		CHECK(place[2] == round + 1, "a store was lost by MADV_DONTNEED");
	}
	DONE(munmap((void *)(place + HUGE), HUGE));
	REFUSED(madvise((void *)place, 4 * HUGE, MADV_DONTNEED), ENOMEM);
	REFUSED(madvise((void *)place, 4 * HUGE, MADV_POPULATE_READ), ENOMEM);
	shows(place, HUGE, 0, "emptied before a hole");
	shows(place + 2 * HUGE, 2 * HUGE, (off_t)(2 * HUGE), "emptied behind a hole");
	DONE(munmap((void *)place, 4 * HUGE));
}

static void protecting(void)
{
	volatile unsigned char *place = map(fd, 3 * HUGE, 0);

	shows(place, 2 * HUGE, 0, "map");
	DONE(mprotect((void *)(place + HUGE), 2 * HUGE, PROT_READ));
	shows(place, 3 * HUGE, 0, "read-only");
	EXPECT_SIGNAL(&place[HUGE], true, SIGSEGV, SEGV_ACCERR);
	EXPECT_SIGNAL(&place[2 * HUGE], true, SIGSEGV, SEGV_ACCERR);
	CHECK(touch(&place[3], true) == 0, "a store where nothing is protected fails");
	DONE(mprotect((void *)(place + HUGE), HUGE, PROT_NONE));
	EXPECT_SIGNAL(&place[HUGE + PAGE], false, SIGSEGV, SEGV_ACCERR);
	DONE(mprotect((void *)place, 3 * HUGE, BOTH));
	CHECK(touch(&place[HUGE + 3], true) == 0, "a store after mprotect fails");
	shows(place, 3 * HUGE, 0, "writable again");
	DONE(munmap((void *)(place + HUGE), HUGE));
	REFUSED(mprotect((void *)place, 3 * HUGE, PROT_READ), ENOMEM);
	DONE(munmap((void *)place, 3 * HUGE));
}

/* Cuts at 4K: allowed or not, by the device's alignment. */
static void cutting(void)
{
	volatile unsigned char *place = map(fd, 2 * HUGE, 0);
	void *one_page = mmap(NULL, PAGE, BOTH, MAP_SHARED, fd, 0);

	shows(place, 2 * HUGE, 0, "map");
	if (one_page == MAP_FAILED) {
		REFUSED(munmap((void *)(place + PAGE), PAGE), EINVAL);
		REFUSED(munmap((void *)place, PAGE), EINVAL);
		REFUSED(mprotect((void *)(place + PAGE), PAGE, PROT_READ), EINVAL);
		REFUSED(mremap((void *)(place + PAGE), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)hole(HUGE)), EINVAL);
		REFUSED(mmap((void *)(place + PAGE), PAGE, BOTH, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
		shows(place, 2 * HUGE, 0, "nothing was cut");
		DONE(madvise((void *)(place + PAGE), PAGE, MADV_DONTNEED));
		shows(place, 2 * HUGE, 0, "refaulted");
	} else {
		DONE(munmap(one_page, PAGE));
		DONE(munmap((void *)(place + PAGE), PAGE));
		gone(&place[PAGE], "one page unmapped");
		shows(place, PAGE, 0, "before the cut");
		shows(place + 2 * PAGE, HUGE, (off_t)(2 * PAGE), "behind the cut");
		DONE(mprotect((void *)(place + 3 * PAGE), PAGE, PROT_READ));
		EXPECT_SIGNAL(&place[3 * PAGE], true, SIGSEGV, SEGV_ACCERR);

		volatile unsigned char *target = hole(HUGE);

		DONE(mremap((void *)(place + 5 * PAGE), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)target));
		shows(target, PAGE, (off_t)(5 * PAGE), "one page moved");
		DONE(munmap((void *)target, PAGE));
	}
	DONE(munmap((void *)place, 2 * HUGE));
}

int main(int count, char **words)
{
	fd = open_device(device_argument(count, words), O_RDWR);
	catch_signals();
	fill();
	moving();
	fill();
	replacing();
	emptying();
	fill();
	protecting();
	fill();
	cutting();
	return 0;
}

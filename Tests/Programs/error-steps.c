/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error-steps DEVICE PAGES STEP...: a program that meets memory errors, step by step, and says on standard output what it sees.
 *   handle   installs a handler of SIGBUS: each call is a line "signal code C page P"
 *   ignore   ignores SIGBUS
 *   early    PR_MCE_KILL_EARLY
 *   private  maps it for itself instead
 *   store    writes to each page
 *   touch    reads each page, in order; one that fails is a line "error page P"
 *   until    reads all pages again and again until one fails
 *   wait     says "ready", goes on when a line comes
 *   exit=N   ends
 */
#include <sys/prctl.h>

#include "program.h"

static volatile unsigned char *place;
static sigjmp_buf back;
static volatile sig_atomic_t reads;

static void on_error(int number, siginfo_t *info, void *context)
{
	char line[80];
	int length = snprintf(line, sizeof line, "signal code %d page %ld\n", info->si_code,
			      (long)(((uintptr_t)info->si_addr - (uintptr_t)place) / PAGE));

	(void)number;
	(void)context;
	(void)!write(1, line, (size_t)length);
	if (reads)
		siglongjmp(back, 1);
}

/* Whether a page failed. */
static bool touch_all(size_t pages)
{
	volatile bool failed = false;

	for (volatile size_t page = 0; page < pages; page++) {
		reads = 1;
		if (sigsetjmp(back, 1) == 0) {
			(void)place[page * PAGE];
		} else {
			failed = true;
			printf("error page %zu\n", page);
		}
		reads = 0;
	}
	return failed;
}

static void step(const char *word, const char *path, size_t pages)
{
	struct sigaction action = { .sa_sigaction = on_error, .sa_flags = SA_SIGINFO };
	char byte;

	if (strcmp(word, "handle") == 0) {
		DONE(sigaction(SIGBUS, &action, NULL));
	} else if (strcmp(word, "ignore") == 0) {
		signal(SIGBUS, SIG_IGN);
	} else if (strcmp(word, "early") == 0) {
		DONE(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	} else if (strcmp(word, "private") == 0) {
		DONE(munmap((void *)place, pages * PAGE));
		place = mmap(NULL, pages * PAGE, BOTH, MAP_PRIVATE, open_device(path, O_RDWR), 0);
		CHECK(place != MAP_FAILED, "mmap: %s", strerror(errno));
	} else if (strcmp(word, "store") == 0) {
		for (size_t page = 0; page < pages; page++)
			place[page * PAGE] = 1;
	} else if (strcmp(word, "touch") == 0) {
		touch_all(pages);
	} else if (strcmp(word, "until") == 0) {
		while (!touch_all(pages))
			usleep(1000);
	} else if (strcmp(word, "wait") == 0) {
		printf("ready\n");
		while (read(0, &byte, 1) != 1)
			;
	} else if (strncmp(word, "exit=", 5) == 0) {
		exit(atoi(word + 5));
	} else {
		fail("no step %s", word);
	}
}

int main(int count, char **words)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	CHECK(count > 3, "usage: error-steps DEVICE PAGES STEP...");
	alarm(600);

	size_t pages = strtoull(words[2], NULL, 0);

	place = map(open_device(words[1], O_RDWR), pages * PAGE, 0);
	for (int index = 3; index < count; index++)
		step(words[index], words[1], pages);
	return 0;
}

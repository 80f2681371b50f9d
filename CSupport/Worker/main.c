/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker [--progress] [--softdax KERNEL] [--mnt DIRECTORY] [--row FILE] SCENARIO...: a row for each on standard output, or in FILE.
 *
 * --progress: "> STEP" before each step, so that the step that stops the machine is known.  --softdax: on a machine of softdax, whose
 * shim the worker runs under, with KERNEL in the rows, and /mnt in DIRECTORY; otherwise the kernel is a real one, to be harmed.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker.h"

const struct backend *machine = &kernel_backend;

/* Nothing that a scenario does takes as long. */
static const unsigned longest = 300;

int main(int count, char **arguments)
{
	bool progress = false;
	int first = 1;

	for (; first < count && arguments[first][0] == '-'; first++) {
		if (!strcmp(arguments[first], "--progress")) {
			progress = true;
		} else if (!strcmp(arguments[first], "--softdax") && first + 1 < count) {
			machine = softdax_backend(arguments[++first]);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			alarm(longest);
		} else if (!strcmp(arguments[first], "--mnt") && first + 1 < count) {
			mount_point = arguments[++first];
		} else if (!strcmp(arguments[first], "--row") && first + 1 < count) {
			if (!freopen(arguments[++first], "we", stdout)) {
				perror(arguments[first]);
				return 1;
			}
		} else {
			first = count;
		}
	}
	if (first >= count) {
		fprintf(stderr, "usage: worker [--progress] [--softdax KERNEL] [--mnt DIRECTORY] [--row FILE] SCENARIO...\n");
		return 2;
	}
	records_make();
	signal(SIGPIPE, SIG_IGN);
	for (int i = first; i < count; i++)
		scenario_run(arguments[i], progress);
	return 0;
}

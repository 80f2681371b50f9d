/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker [--progress] SCENARIO...: a row for each on standard output.  --progress: "> STEP" before each step, so that the step
 * that stops the machine is known.
 */
#include <stdio.h>
#include <string.h>

#include "worker.h"

const struct backend *machine = &kernel_backend;

int main(int count, char **arguments)
{
	bool progress = count > 1 && !strcmp(arguments[1], "--progress");

	if (count < 2 + progress) {
		fprintf(stderr, "usage: worker [--progress] SCENARIO...\n");
		return 2;
	}
	records_make();
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1 + progress; i < count; i++)
		scenario_run(arguments[i], progress);
	return 0;
}

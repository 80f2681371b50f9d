/* SPDX-License-Identifier: Apache-2.0 */
/* Shell lines of the coordinator. */
#include <stdio.h>
#include <sys/wait.h>

#include "worker.h"

int shell(const char *command, char *output, size_t size)
{
	char placed[4 * LINE], whole[4 * LINE + 16], rest[512];
	size_t used = 0, count;
	FILE *pipe;
	int status;

	real_paths(command, placed, sizeof placed);
	snprintf(whole, sizeof whole, "(%s) 2>&1", placed);
	pipe = popen(whole, "r");
	if (!pipe)
		return 127;
	while (used + 1 < size && (count = fread(output + used, 1, size - 1 - used, pipe)) > 0)
		used += count;
	while (fread(rest, 1, sizeof rest, pipe) > 0)
		;
	while (used && output[used - 1] == '\n')
		used--;
	output[used] = 0;
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

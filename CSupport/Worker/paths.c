/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios say /mnt; under softdax the filesystem is mounted elsewhere. */
#include <stdio.h>
#include <string.h>

#include "worker.h"

const char *mount_point;

static const char named[] = "/mnt";

/* Whether a path of the scenario's filesystem begins here. */
static bool begins(const char *text)
{
	char next = text[sizeof named - 1];

	return !strncmp(text, named, sizeof named - 1) && (next == '/' || !next || strchr(" ;\t|&)\"'", next));
}

const char *real_path(const char *path)
{
	static _Thread_local char found[2][LINE];
	static _Thread_local int turn;

	if (!mount_point || !begins(path))
		return path;
	turn = !turn;
	snprintf(found[turn], sizeof found[turn], "%s%s", mount_point, path + sizeof named - 1);
	return found[turn];
}

void real_paths(const char *line, char *output, size_t size)
{
	size_t used = 0;

	while (*line && used + 1 < size) {
		if (mount_point && begins(line)) {
			used += (size_t)snprintf(output + used, size - used, "%s", mount_point);
			line += sizeof named - 1;
		} else {
			output[used++] = *line++;
		}
	}
	output[used < size ? used : size - 1] = 0;
}

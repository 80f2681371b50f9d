/* SPDX-License-Identifier: Apache-2.0 */
/* What poison is aimed at. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

static bool begins(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* A page that an actor has mapped and present. */
static int actors_page(int actor, const char *window, uint64_t offset, uint64_t *physical)
{
	char line[LINE], text[ANSWER];
	const char *frame;

	snprintf(line, sizeof line, "pfn %s 0x%llx", window, (unsigned long long)offset);
	if (!peer_lives(actor) || peer_ask(actor, line, text, sizeof text, 5000) != ASK_ANSWERED)
		return ESRCH;
	frame = strstr(text, "0x");
	*physical = (frame ? strtoull(frame, NULL, 16) : 0) * 4096;
	return *physical ? 0 : ENXIO;
}

int target(const char *text, uint64_t *physical)
{
	char where[512], *plus;
	uint64_t offset = 0;
	int error = 0;

	snprintf(where, sizeof where, "%s", text);
	plus = strrchr(where, '+');
	if (plus) {
		offset = strtoull(plus + 1, NULL, 0);
		*plus = 0;
	}
	if (where[0] >= 'A' && where[0] < 'A' + ACTORS && where[1] == ':')
		return actors_page(where[0] - 'A', where + 2, offset, physical);
	if (begins(where, "file:"))
		return machine->locate_file(where + 5, offset, physical);
	if (begins(where, "bdev:"))
		error = machine->locate_device ? machine->locate_device(where + 5, physical)
					       : sysfs_device(BLOCK_DEVICE, where + 5, physical);
	else if (begins(where, "dax:"))
		error = sysfs_device(DAX_DEVICE, where + 4, physical);
	else if (begins(where, "var:"))
		*physical = strtoull(variable(where + 4), NULL, 0);
	else if (begins(where, "phys:"))
		*physical = strtoull(where + 5, NULL, 0);
	else
		return EINVAL;
	*physical += offset;
	return error;
}

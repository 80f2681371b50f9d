/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario's variables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

enum { VARIABLES = 32 };

static struct {
	char name[64], value[512];
} variables[VARIABLES];
static int count;

void variables_clear(void)
{
	count = 0;
}

void variable_set(const char *name, const char *value)
{
	int at = 0;

	while (at < count && strcmp(variables[at].name, name))
		at++;
	if (at == VARIABLES)
		return;
	if (at == count)
		count++;
	snprintf(variables[at].name, sizeof variables[at].name, "%s", name);
	snprintf(variables[at].value, sizeof variables[at].value, "%s", value);
}

const char *variable(const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(variables[i].name, name))
			return variables[i].value;
	return getenv(name) ? getenv(name) : "";
}

#define NAME_CHARACTERS \
	"_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

void variables_expand(const char *line, char *output, size_t size)
{
	size_t used = 0;

	while (*line && used + 1 < size) {
		/* What a shell does with a name (${x:-y}) is left to the shell. */
		size_t length = line[0] == '$' && line[1] == '{' ? strspn(line + 2, NAME_CHARACTERS) : 0;
		int named = length && (line[2] < '0' || line[2] > '9') && line[2 + length] == '}';
		const char *end = named ? line + 2 + length : NULL;
		char name[64];

		if (!end) {
			output[used++] = *line++;
			continue;
		}
		snprintf(name, sizeof name, "%.*s", (int)(end - line - 2), line + 2);
		used += (size_t)snprintf(output + used, size - used, "%s", variable(name));
		line = end + 1;
	}
	output[used < size ? used : size - 1] = 0;
}

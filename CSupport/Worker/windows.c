/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings by name. */
#include <stdio.h>
#include <string.h>

#include "worker.h"

struct window windows[WINDOWS];

struct window *window_named(struct window *all, const char *name)
{
	for (int i = 0; i < WINDOWS; i++)
		if (all[i].used && !strcmp(all[i].name, name))
			return &all[i];
	return NULL;
}

bool window_note(struct window *all, const char *name, uintptr_t base, size_t length)
{
	struct window *window = window_named(all, name);

	for (int i = 0; !window && i < WINDOWS; i++)
		if (!all[i].used)
			window = &all[i];
	if (!window)
		return false;
	snprintf(window->name, sizeof window->name, "%s", name);
	window->base = base;
	window->length = length;
	window->used = true;
	return true;
}

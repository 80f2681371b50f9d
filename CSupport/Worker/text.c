/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, names of errors, JSON. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

int64_t number(const char *text)
{
	return text ? strtoll(text, NULL, 0) : 0;
}

const char *error_name(int error)
{
	static _Thread_local char unknown[32];
	const char *name = strerrorname_np(error);

	if (name)
		return name;
	snprintf(unknown, sizeof unknown, "errno %d", error);
	return unknown;
}

void put(struct text *text, const char *format, ...)
{
	char piece[8192];
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(piece, sizeof piece, format, list);
	va_end(list);
	if (length > (int)sizeof piece - 1)
		length = sizeof piece - 1;
	if (text->count + (size_t)length + 1 > text->capacity) {
		text->capacity = (text->count + (size_t)length + 1) * 2 + 4096;
		text->bytes = realloc(text->bytes, text->capacity);
		if (!text->bytes)
			abort();
	}
	memcpy(text->bytes + text->count, piece, (size_t)length + 1);
	text->count += (size_t)length;
}

void put_string(struct text *text, const char *string)
{
	put(text, "\"");
	for (; *string; string++) {
		unsigned char c = (unsigned char)*string;

		if (c == '"' || c == '\\')
			put(text, "\\%c", c);
		else if (c == '\n')
			put(text, "\\n");
		else if (c == '\t')
			put(text, "\\t");
		else if (c < 32 || c > 126)
			put(text, "\\u%04x", c);
		else
			put(text, "%c", c);
	}
	put(text, "\"");
}

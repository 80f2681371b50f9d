/* SPDX-License-Identifier: Apache-2.0 */
/* An actor: takes lines, finds the operation, answers. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker.h"

static const struct operation *const operations[] = {memory_operations, access_operations, file_operations,
						     process_operations, page_operations};

void answer(struct call *call, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(call->answer, ANSWER - 1, format, list);
	va_end(list);
}

void answer_ok(struct call *call)
{
	answer(call, "\"ok\":true");
}

void answer_error(struct call *call, int error)
{
	answer(call, "\"err\":\"%s\"", error_name(error));
}

struct window *window_asked(struct call *call, const char *name)
{
	struct window *window = window_named(windows, name);

	if (!window)
		answer(call, "\"err\":\"no map\"");
	return window;
}

static void perform(struct call *call)
{
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
		for (const struct operation *operation = operations[i]; operation->name; operation++) {
			if (strcmp(operation->name, call->words[0]))
				continue;
			if (call->count < operation->words)
				answer(call, "\"err\":\"too few words\"");
			else
				operation->run(call);
			return;
		}
	}
	answer(call, "\"err\":\"unknown op\"");
}

/* Byte by byte: a buffer would be inherited by fork, with lines in it that are the parent's. */
static void read_line(int file, char *line)
{
	size_t used = 0;
	char byte;

	for (;;) {
		ssize_t count = read(file, &byte, 1);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			_exit(0);
		if (byte == '\n')
			break;
		if (used < LINE - 1)
			line[used++] = byte;
	}
	line[used] = 0;
}

static void write_all(int file, const char *bytes)
{
	size_t left = strlen(bytes);

	while (left) {
		ssize_t count = write(file, bytes, left);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return;
		bytes += count;
		left -= (size_t)count;
	}
}

void actor_serve(int actor)
{
	char name[] = {'w', (char)('A' + actor), 0};

	this_actor = actor;
	records[actor].process = getpid();
	prctl(PR_SET_NAME, name); /* it stands in the kernel's messages */
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* its parent is the coordinator, whoever forked it */
	for (;;) {
		char line[LINE], text[ANSWER] = "", *words[WORDS], *rest;
		struct call call = {.words = words, .answer = text};

		read_line(peers[actor].commands[0], line);
		for (char *word = strtok_r(line, " ", &rest); word && call.count < WORDS; word = strtok_r(NULL, " ", &rest))
			words[call.count++] = word;
		if (call.count)
			perform(&call);
		strcat(text, "\n");
		write_all(peers[actor].answers[1], text);
	}
}

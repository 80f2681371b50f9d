/* SPDX-License-Identifier: Apache-2.0 */
/* One scenario from its file to its row. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

/* Begins the object of a step. */
static void put_step(struct text *row, const char *line)
{
	bool first = row->bytes[row->count - 1] == '[';

	put(row, "%s{\"step\":", first ? "" : ",");
	put_string(row, line);
}

/* Takes a member that is for the coordinator only, and all after it, out of an answer; where its value begins, or NULL. */
static char *taken(char *answer, const char *member)
{
	char *found = strstr(answer, member);

	if (!found)
		return NULL;
	*found = 0;
	return found + strlen(member);
}

/* A new actor knows the mappings of the one it comes from. */
static void adopt(int actor, int parent)
{
	memcpy(peers[actor].windows, peers[parent].windows, sizeof peers[actor].windows);
}

/* What an actor's answer means to the coordinator. */
static void take_note(struct text *row, int actor, const char *line, char *answer)
{
	char operation[16] = "", name[16] = "", part[16];
	struct window *window;
	unsigned long base, length;
	int other;
	char *value;

	sscanf(line, "%15s %15s", operation, name);
	other = name[0] - 'A';
	if (!strcmp(operation, "map") || !strcmp(operation, "mremap")) {
		value = taken(answer, ",\"_base\":");
		if (value && sscanf(value, "%lu,\"_len\":%lu", &base, &length) == 2) {
			window_note(peers[actor].windows, name, base, length);
			put(row, ",\"mapbase\":\"0x%lx\"", base);
		}
	} else if (!strcmp(operation, "unmap") && strstr(answer, "true") && sscanf(line, "%*s %*s %15s", part) < 1) {
		window = window_named(peers[actor].windows, name);
		if (window)
			window->used = false;
	} else if (!strcmp(operation, "fork")) {
		value = taken(answer, ",\"_pid\":");
		if (value) {
			records[other].process = atoi(value);
			peers[other].alive = true;
			adopt(other, actor);
		}
	} else if (!strcmp(operation, "thread") && strstr(answer, "true")) {
		peers[other].is_thread = true;
		peers[other].leader = actor;
		adopt(other, actor);
	}
}

static void actor_step(struct text *row, const char *line)
{
	int actor = line[0] - 'A';
	char text[ANSWER];

	if (actor < 0 || actor >= ACTORS)
		return;
	put_step(row, line);
	if (!peer_lives(actor)) {
		put(row, ",\"dead\":");
		put_string(row, peer_end(actor));
		put(row, "}");
		return;
	}
	switch (peer_ask(actor, line + 2, text, sizeof text, 30000)) {
	case ASK_HUNG:
		put(row, ",\"result\":\"hung\"");
		break;
	case ASK_DIED:
		put(row, ",\"died\":");
		put_string(row, peer_end(actor));
		break;
	case ASK_ANSWERED:
		take_note(row, actor, line + 2, text);
		put(row, ",%s", text);
		break;
	}
	put_signals(row, actor);
	put(row, "}");
}

/* What `#=` lines say in the place of the shell line that follows them. */
static char administration[4][LINE];
static int administrations;

/* Runs a shell line, or does what stands for it. */
static int own_shell(const char *command, char *output, size_t size)
{
	int count = administrations, error = 0;

	if (!count)
		return shell(command, output, size);
	administrations = 0;
	output[0] = 0;
	if (count == 1 && !strncmp(administration[0], "value ", 6)) {
		snprintf(output, size, "%.*s", (int)size - 1, administration[0] + 6);
		return 0;
	}
	for (int i = 0; i < count && !error; i++) {
		error = machine->administer(administration[i]);
		if (error)
			snprintf(output, size, "%s: %s", administration[i], error_name(error));
	}
	return error ? 1 : 0;
}

/* `proc`, `setvar`, `sleep` and a `setup` that succeeds do not show in the row. */
static void own_step(struct text *row, const char *line)
{
	char operation[32] = "", arguments[2 * LINE] = "", output[3000];
	int at = 0;

	sscanf(line + 2, "%31s %n", operation, &at);
	snprintf(arguments, sizeof arguments, "%s", line + 2 + at);
	if (!strcmp(operation, "proc")) {
		for (const char *letter = arguments; *letter; letter++)
			if (*letter >= 'A' && *letter < 'A' + ACTORS)
				peer_start(*letter - 'A');
	} else if (!strcmp(operation, "setvar")) {
		char name[64] = "";

		at = 0;
		sscanf(arguments, "%63s %n", name, &at);
		own_shell(arguments + at, output, 500);
		variable_set(name, output);
	} else if (!strcmp(operation, "sleep")) {
		usleep((useconds_t)number(arguments) * 1000);
	} else if (!strcmp(operation, "setup")) {
		int status = own_shell(arguments, output, sizeof output);

		if (status) {
			put_step(row, line);
			put(row, ",\"rc\":%d,\"output\":", status);
			put_string(row, output);
			put(row, "}");
		}
	} else if (!strcmp(operation, "sh")) {
		int status = own_shell(arguments, output, sizeof output);

		put_step(row, line);
		put(row, ",\"rc\":%d,\"output\":", status);
		put_string(row, output);
		put(row, "}");
	} else {
		put_step(row, line);
		coordinator_step(row, operation, arguments);
		put(row, "}");
	}
}

/* The machine's messages since `log` was opened. */
static void put_log(struct text *row, int log)
{
	char message[2 * LINE];
	const char *comma = "";

	while (log >= 0) {
		ssize_t count = read(log, message, sizeof message - 1);
		char *text;

		if (count < 0 && errno == EPIPE)
			continue; /* some were overwritten */
		if (count <= 0)
			break;
		message[count] = 0;
		text = strchr(message, ';');
		if (!text)
			continue;
		text[strcspn(text, "\n")] = 0;
		put(row, "%s", comma);
		put_string(row, text + 1);
		comma = ",";
	}
}

static void put_name(struct text *row, const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *base = slash ? slash + 1 : file;
	char name[128], version[80];

	snprintf(name, sizeof name, "%s", base);
	if (strlen(name) > 4 && !strcmp(name + strlen(name) - 4, ".scn"))
		name[strlen(name) - 4] = 0;
	machine->release(version, sizeof version);
	put(row, "{\"name\":");
	put_string(row, name);
	put(row, ",\"kernel\":");
	put_string(row, version);
}

void scenario_run(const char *path, bool progress)
{
	char raw[2 * LINE], line[4 * LINE];
	struct text row = {0};
	const char *stopped = NULL;
	FILE *file = fopen(path, "r");
	int log;

	if (!file) {
		perror(path);
		return;
	}
	variables_clear();
	administrations = 0;
	peers_begin();
	log = machine->open_log();
	put_name(&row, path);
	put(&row, ",\"steps\":[");
	while (fgets(raw, sizeof raw, file)) {
		size_t before = row.count;

		raw[strcspn(raw, "\n")] = 0;
		if (machine->administer && !strncmp(raw, "#= ", 3) &&
		    administrations < (int)(sizeof administration / sizeof *administration))
			snprintf(administration[administrations++], LINE, "%.*s", LINE - 1, raw + 3);
		if (!raw[0] || raw[0] == '#' || raw[1] != ' ')
			continue;
		variables_expand(raw, line, sizeof line);
		if (progress) {
			printf("> %s\n", line);
			fflush(stdout);
		}
		if (line[0] == '-')
			own_step(&row, line);
		else
			actor_step(&row, line);
		stopped = machine->stopped ? machine->stopped() : NULL;
		if (stopped) {
			/* The step that stopped the machine shows nothing. */
			row.count = before;
			break;
		}
	}
	fclose(file);
	put(&row, "],\"dmesg\":[");
	if (log >= 0)
		usleep(20000);
	put_log(&row, log);
	put(&row, "]");
	if (stopped) {
		put(&row, ",\"stopped\":");
		put_string(&row, stopped);
	}
	put(&row, "}\n");
	if (log >= 0)
		close(log);
	peers_end();
	fwrite(row.bytes, 1, row.count, stdout);
	fflush(stdout);
	free(row.bytes);
}

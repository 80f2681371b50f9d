/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator's side of the actors: starting, asking, noticing that they ended, telling their signals. */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker.h"

struct peer peers[ACTORS];

void peers_begin(void)
{
	memset(peers, 0, sizeof peers);
	records_clear();
	for (int i = 0; i < ACTORS; i++)
		if (pipe(peers[i].commands) || pipe(peers[i].answers))
			exit(1);
}

void peers_end(void)
{
	int left = 1, waited = 0;

	for (int i = 0; i < ACTORS; i++)
		if (peers[i].alive && records[i].process > 1)
			kill(records[i].process, SIGKILL);
	/* One that is stuck in the kernel does not die; the next scenario begins all the same. */
	for (; left && waited < 2500; waited++) {
		peers_reap();
		left = 0;
		for (int i = 0; i < ACTORS; i++)
			left |= peers[i].alive;
		if (left)
			usleep(2000);
	}
	for (int i = 0; i < ACTORS; i++) {
		close(peers[i].commands[0]);
		close(peers[i].commands[1]);
		close(peers[i].answers[0]);
		close(peers[i].answers[1]);
	}
}

void peer_start(int actor)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		memset(windows, 0, sizeof windows);
		actor_serve(actor);
	}
	if (child < 0)
		return;
	records[actor].process = child;
	peers[actor].alive = true;
	memset(peers[actor].windows, 0, sizeof peers[actor].windows);
}

/* The actor whose process this actor is in. */
static struct peer *process_of(int actor)
{
	return &peers[peers[actor].is_thread ? peers[actor].leader : actor];
}

bool peer_lives(int actor)
{
	return process_of(actor)->alive;
}

const char *peer_end(int actor)
{
	return process_of(actor)->end;
}

void peers_reap(void)
{
	int status;
	pid_t process;

	while ((process = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		for (int i = 0; i < ACTORS; i++) {
			struct peer *peer = &peers[i];

			if (!peer->alive || records[i].process != process)
				continue;
			if (WIFSIGNALED(status))
				snprintf(peer->end, sizeof peer->end, "killed by signal %d (SIG%s)%s", WTERMSIG(status),
					 sigabbrev_np(WTERMSIG(status)), WCOREDUMP(status) ? " core" : "");
			else
				snprintf(peer->end, sizeof peer->end, "exit %d", WEXITSTATUS(status));
			peer->alive = false;
		}
	}
}

/* Whether every thread of the process sleeps: none has a signal to take, then. */
static bool sleeps(pid_t process)
{
	char path[64], line[512];
	bool all = true;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof path, "/proc/%d/task", process);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		char name[340], *state;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s/stat", path, entry->d_name);
		file = fopen(name, "r");
		if (!file)
			continue;
		state = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
		all &= !state || state[2] == 'S';
		fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return all;
}

void peers_settle(void)
{
	for (int waited = 0; waited < 5000; waited += 2) {
		bool all = true;

		usleep(2000);
		peers_reap();
		for (int i = 0; i < ACTORS; i++)
			all &= !peers[i].alive || sleeps(records[i].process);
		if (all)
			return;
	}
}

enum ask_result peer_ask(int actor, const char *line, char *answer, size_t size, int milliseconds)
{
	struct pollfd ready = {.fd = peers[actor].answers[0], .events = POLLIN};
	char command[LINE + 2];
	size_t used = 0;
	int waited = 0;

	snprintf(command, sizeof command, "%s\n", line);
	if (write(peers[actor].commands[1], command, strlen(command)) < 0)
		return ASK_DIED;
	for (;;) {
		if (poll(&ready, 1, 20) > 0) {
			char byte;

			if (read(ready.fd, &byte, 1) != 1)
				continue;
			if (byte == '\n') {
				answer[used] = 0;
				return ASK_ANSWERED;
			}
			if (used + 1 < size)
				answer[used++] = byte;
			continue;
		}
		waited += 20;
		peers_reap();
		if (!peer_lives(actor) && poll(&ready, 1, 0) <= 0)
			return ASK_DIED;
		if (waited > milliseconds)
			return ASK_HUNG;
	}
}

static const char *code_name(int number, int code)
{
	static const struct {
		int number, code;
		const char *name;
	} names[] = {
		{SIGBUS, BUS_ADRALN, "BUS_ADRALN"},       {SIGBUS, BUS_ADRERR, "BUS_ADRERR"},
		{SIGBUS, BUS_OBJERR, "BUS_OBJERR"},       {SIGBUS, BUS_MCEERR_AR, "BUS_MCEERR_AR"},
		{SIGBUS, BUS_MCEERR_AO, "BUS_MCEERR_AO"}, {SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR"},
		{SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR"},    {0, SI_KERNEL, "SI_KERNEL"},
		{0, SI_USER, "SI_USER"},
	};
	static char other[32];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if ((!names[i].number || names[i].number == number) && names[i].code == code)
			return names[i].name;
	snprintf(other, sizeof other, "%d", code);
	return other;
}

/* As mapping and offset where the actor has a mapping there. */
static void put_address(struct text *row, int actor, uintptr_t address)
{
	for (int i = 0; i < WINDOWS; i++) {
		struct window *window = &peers[actor].windows[i];

		if (window->used && address - window->base < window->length) {
			put(row, "\"%s+0x%lx\"", window->name, (unsigned long)(address - window->base));
			return;
		}
	}
	put(row, "\"0x%lx\"", (unsigned long)address);
}

void put_signals(struct text *row, int actor)
{
	struct record *record = &records[actor];
	const char *comma = "";

	if (record->reported >= record->count)
		return;
	put(row, ",\"signals\":[");
	for (; record->reported < record->count; record->reported++) {
		struct event *event = &record->events[record->reported];

		put(row, "%s{\"sig\":\"SIG%s\",\"code\":\"%s\",\"addr\":", comma, sigabbrev_np(event->signal),
		    code_name(event->signal, event->code));
		put_address(row, actor, event->address);
		if (event->lsb >= 0)
			put(row, ",\"addr_lsb\":%d", event->lsb);
		put(row, ",\"in\":\"%s\"}", event->in_access ? "access" : "async");
		comma = ",";
	}
	put(row, "]");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of actors on themselves: policy, signal handling, children, threads, the end. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker.h"

static void policy(struct call *call, int which)
{
	if (prctl(PR_MCE_KILL, PR_MCE_KILL_SET, which, 0, 0))
		answer_error(call, errno);
	else
		answer_ok(call);
}

static void early(struct call *call)
{
	policy(call, PR_MCE_KILL_EARLY);
}

static void late(struct call *call)
{
	policy(call, PR_MCE_KILL_LATE);
}

static void by_default(struct call *call)
{
	policy(call, PR_MCE_KILL_DEFAULT);
}

/* handler on|default|ignore|block */
static void handler(struct call *call)
{
	const char *what = call->words[1];
	bool blocks = !strcmp(what, "block");
	struct sigaction action = {.sa_handler = !strcmp(what, "ignore") ? SIG_IGN : SIG_DFL};
	struct sigaction recording = {.sa_sigaction = record_signal, .sa_flags = SA_SIGINFO};

	if (!strcmp(what, "on"))
		action = recording;
	sigaction(SIGBUS, blocks ? &recording : &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	if (blocks) {
		sigset_t set;

		sigemptyset(&set);
		sigaddset(&set, SIGBUS);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
	}
	answer_ok(call);
}

static void pending(struct call *call)
{
	sigset_t set;

	sigpending(&set);
	answer(call, "\"sigbus_pending\":%s", sigismember(&set, SIGBUS) ? "true" : "false");
}

/* A letter as an actor's number; -1 if it is none. */
static int letter(const char *word)
{
	return word[0] >= 'A' && word[0] < 'A' + ACTORS ? word[0] - 'A' : -1;
}

/* A child of the coordinator, which shares nothing with the caller: 0 in the child, its id in the caller, or -errno. */
static pid_t fork_sibling(void)
{
	long child;

	fflush(NULL);
	child = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	return child < 0 ? -errno : (pid_t)child;
}

/* No signal until a new actor has its number: it would be noted as its parent's. */
static void hold_signals(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, old);
}

static void begin(int actor, const sigset_t *mask)
{
	this_actor = actor;
	pthread_sigmask(SIG_SETMASK, mask, NULL);
	actor_serve(actor);
}

static void fork_actor(struct call *call)
{
	int actor = letter(call->words[1]);
	sigset_t mask;
	pid_t child;

	if (actor < 0) {
		answer_error(call, EINVAL);
		return;
	}
	hold_signals(&mask);
	child = fork_sibling();
	if (child == 0)
		begin(actor, &mask);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (child < 0)
		answer_error(call, -child);
	else
		answer(call, "\"ok\":true,\"_pid\":%d", child);
}

struct beginning {
	int actor;
	sigset_t mask;
};

static void *thread_begins(void *argument)
{
	struct beginning beginning = *(struct beginning *)argument;

	free(argument);
	begin(beginning.actor, &beginning.mask);
	return NULL;
}

static void start_thread(struct call *call)
{
	int actor = letter(call->words[1]), error = actor < 0 ? EINVAL : 0;
	struct beginning *beginning = malloc(sizeof *beginning);
	pthread_t thread;
	sigset_t mask;

	if (!beginning)
		error = ENOMEM;
	if (!error) {
		hold_signals(&mask);
		*beginning = (struct beginning){actor, mask};
		error = pthread_create(&thread, NULL, thread_begins, beginning);
		pthread_sigmask(SIG_SETMASK, &mask, NULL);
	}
	if (error) {
		free(beginning);
		answer_error(call, error);
	} else {
		answer_ok(call);
	}
}

/* Takes what signals wait, by having made system calls. */
static void settle(struct call *call)
{
	usleep(1000);
	answer_ok(call);
}

static void leave(struct call *call)
{
	_exit((int)number(call->count > 1 ? call->words[1] : "0"));
}

const struct operation process_operations[] = {
	{"early", 1, early},       {"late", 1, late},         {"dflt", 1, by_default},    {"handler", 2, handler},
	{"pending", 1, pending},   {"fork", 2, fork_actor},   {"thread", 2, start_thread}, {"sync", 1, settle},
	{"exit", 1, leave},        {NULL, 0, NULL},
};

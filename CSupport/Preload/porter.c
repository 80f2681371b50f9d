/* SPDX-License-Identifier: Apache-2.0 */
/*
 * porter.c - a thread that makes the system calls of a request for another one.
 *
 * Its descriptor table, its credentials and its root directory are the agent's: a program whose own table is full, that
 * has become another user or has called chroot() reaches the server as before.  The agent starts it when it is wanted
 * for the first time.  One request at a time has it.  As the agent, it may not use libc.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "core.h"

#define STACK_BYTES 16384ul

enum state { NONE, WANTED, RUNNING, NEVER };
enum word { IDLE, CALL, RETURN };

static struct {
	struct sd_lock turn; /* held from sd_porter_take() to sd_porter_release() */
	uint32_t state;	     /* enum state, a futex */
	uint32_t word;	     /* enum word, a futex: between porter and holder of the turn */
	long number, argument[6], result;
} porter;

static void set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	sd_futex_wake(word);
}

/* Waits until the word is `value`. */
static void await(uint32_t *word, uint32_t value)
{
	uint32_t now;

	while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) != value)
		sd_futex_wait(word, now);
}

/* ------------------------------------------------------------------ in the porter */

static void run(void)
{
	for (;;) {
		await(&porter.word, CALL);
		if (porter.number < 0)
			for (;;)
				SD_RAW1(SYS_exit, 0);
		porter.result = sd_raw(porter.number, porter.argument[0], porter.argument[1], porter.argument[2],
				       porter.argument[3], porter.argument[4], porter.argument[5]);
		set(&porter.word, RETURN);
	}
}

/* ------------------------------------------------------------------ in the agent */

void sd_porter_start(void)
{
	if (__atomic_load_n(&porter.state, __ATOMIC_ACQUIRE) != WANTED)
		return;

	long place = sd_own_stack(STACK_BYTES);
	long tid = place;

	if (!sd_failed(place)) {
		porter.word = IDLE;
		tid = sd_raw_thread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
				    (uintptr_t)place + STACK_BYTES, run, 0);
		if (sd_failed(tid))
			sd_raw_munmap((uintptr_t)place, STACK_BYTES);
	}
	set(&porter.state, sd_failed(tid) ? NEVER : RUNNING);
}

bool sd_porter_runs(void)
{
	return __atomic_load_n(&porter.state, __ATOMIC_ACQUIRE) == RUNNING;
}

void sd_porter_end(void)
{
	uint32_t wanted = WANTED;

	/* Whoever waits for it waits in vain. */
	if (__atomic_compare_exchange_n(&porter.state, &wanted, NEVER, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		sd_futex_wake(&porter.state);
	sd_lock(&porter.turn);
	if (sd_porter_runs()) {
		porter.number = -1;
		set(&porter.word, CALL);
	}
	set(&porter.state, NEVER);
	sd_unlock(&porter.turn);
}

/* ------------------------------------------------------------------ in the caller, quiet */

bool sd_porter_take(void)
{
	sd_lock(&porter.turn);
	if (__atomic_load_n(&porter.state, __ATOMIC_ACQUIRE) == NONE) {
		uint32_t none = NONE;

		/* Not if the agent has ended in between. */
		if (__atomic_compare_exchange_n(&porter.state, &none, WANTED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			if (!sd_agent_wake())
				set(&porter.state, NONE);
			while (__atomic_load_n(&porter.state, __ATOMIC_ACQUIRE) == WANTED)
				sd_futex_wait(&porter.state, WANTED);
		}
	}
	if (sd_porter_runs())
		return true;
	sd_unlock(&porter.turn);
	return false;
}

long sd_porter_call(long number, long a, long b, long c, long d, long e, long f)
{
	porter.number = number;
	porter.argument[0] = a;
	porter.argument[1] = b;
	porter.argument[2] = c;
	porter.argument[3] = d;
	porter.argument[4] = e;
	porter.argument[5] = f;
	set(&porter.word, CALL);
	await(&porter.word, RETURN);
	return porter.result;
}

void sd_porter_release(void)
{
	sd_unlock(&porter.turn);
}

void sd_porter_after_fork(void)
{
	porter.turn.word = 0;
	porter.state = NONE;
	porter.word = IDLE;
}

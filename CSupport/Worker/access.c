/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of actors that load and store.  A fault that is signalled ends the access, through the handler. */
#include <time.h>

#include "worker.h"

/* Not inlined: its variables must not live across sigsetjmp. */
static __attribute__((noinline)) volatile unsigned char *place(struct call *call)
{
	struct window *window = window_asked(call, call->words[1]);

	return window ? (volatile unsigned char *)(window->base + (uintptr_t)number(call->words[2])) : NULL;
}

static void answer_faulted(struct call *call)
{
	answer(call, "\"ok\":false,\"faulted\":true");
}

static void load(struct call *call)
{
	volatile unsigned char *byte = place(call);
	volatile unsigned value = 0;

	if (!byte)
		return;
	if (guard_begins()) {
		value = *byte;
		guard_ends();
		answer(call, "\"ok\":true,\"value\":%u", value);
	} else {
		answer_faulted(call);
	}
}

static void store(struct call *call)
{
	volatile unsigned char *byte = place(call);
	unsigned char value = (unsigned char)number(call->count > 3 ? call->words[3] : "1");

	if (!byte)
		return;
	if (guard_begins()) {
		*byte = value;
		guard_ends();
		answer_ok(call);
	} else {
		answer_faulted(call);
	}
}

/* touch NAME OFFSET LENGTH STEP r|w */
static void touch(struct call *call)
{
	volatile unsigned char *first = place(call);
	int64_t length = number(call->words[3]), step = number(call->words[4]);
	bool writes = call->words[5][0] == 'w';
	volatile int64_t at = 0;
	volatile int done = 0;

	if (!first || step <= 0)
		return;
	if (guard_begins()) {
		for (at = 0; at < length; at += step) {
			if (writes)
				first[at] = 0x5a;
			else
				(void)first[at];
			done++;
		}
		guard_ends();
		answer(call, "\"ok\":true,\"touched\":%d", done);
	} else {
		answer(call, "\"ok\":false,\"faulted_at\":%lld", (long long)(number(call->words[2]) + at));
	}
}

static double milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* spin NAME OFFSET MS: loads without a system call in between, for a machine check to hit. */
static void spin(struct call *call)
{
	volatile unsigned char *byte = place(call);
	double end = milliseconds() + (double)number(call->words[3]);
	volatile unsigned long sum = 0;

	if (!byte)
		return;
	if (guard_begins()) {
		do {
			for (int i = 0; i < 2000000; i++)
				sum += *byte;
		} while (milliseconds() < end);
		guard_ends();
		answer_ok(call);
	} else {
		answer_faulted(call);
	}
}

const struct operation access_operations[] = {
	{"rd", 3, load}, {"wr", 3, store}, {"touch", 6, touch}, {"spin", 4, spin}, {NULL, 0, NULL},
};

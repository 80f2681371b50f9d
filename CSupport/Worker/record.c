/* SPDX-License-Identifier: Apache-2.0 */
/* Signals, recorded where they arrive. */
#include <string.h>
#include <sys/mman.h>

#include "worker.h"

struct record *records;
_Thread_local int this_actor = -1;
_Thread_local sigjmp_buf guard_jump;
_Thread_local volatile int guard_active;

void records_make(void)
{
	records = mmap(NULL, sizeof(struct record) * ACTORS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void records_clear(void)
{
	memset(records, 0, sizeof(struct record) * ACTORS);
}

static bool is_memory_error(int number, int code)
{
	return number == SIGBUS && (code == BUS_MCEERR_AR || code == BUS_MCEERR_AO);
}

void record_signal(int number, siginfo_t *information, void *context)
{
	(void)context;
	if (this_actor >= 0) {
		struct record *record = &records[this_actor];
		int next = record->count;

		if (next < EVENTS) {
			record->events[next] = (struct event){
				.signal = number,
				.code = information->si_code,
				.lsb = is_memory_error(number, information->si_code) ? information->si_addr_lsb : -1,
				.in_access = guard_active,
				.address = (uintptr_t)information->si_addr,
			};
			record->count = next + 1;
		}
	}
	/* An action-optional signal that interrupts a guarded access does not belong to it. */
	if (guard_active && !(number == SIGBUS && information->si_code == BUS_MCEERR_AO)) {
		guard_active = 0;
		siglongjmp(guard_jump, 1);
	}
}

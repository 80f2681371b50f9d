/* SPDX-License-Identifier: Apache-2.0 */
/* next.c - the functions that a hook stands before, looked up once. */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "paths.h"

extern struct sd_next __start_sd_next[] __attribute__((visibility("hidden")));
extern struct sd_next __stop_sd_next[] __attribute__((visibility("hidden")));

__attribute__((noinline, cold)) void *sd_resolve(struct sd_next *next)
{
	int error = errno;
	void *function = dlsym(RTLD_NEXT, next->name);

	errno = error;
	if (!function) /* a hook is called only by a program whose libc has the function */
		abort();
	__atomic_store_n(&next->function, function, __ATOMIC_RELAXED);
	return function;
}

/* Before the program starts threads or handles signals: dlsym takes a lock. */
__attribute__((constructor)) static void resolve_all(void)
{
	for (struct sd_next *next = __start_sd_next; next < __stop_sd_next; next++)
		if (!next->function)
			next->function = dlsym(RTLD_NEXT, next->name);
	sd_note_working_directory();
	sd_note_descriptors();
	sd_guard_standard_streams();
}

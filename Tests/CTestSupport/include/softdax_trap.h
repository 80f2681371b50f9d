/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOFTDAX_TRAP_H
#define SOFTDAX_TRAP_H

/*
 * Runs body(context) in a forked child, silently, for at most ten seconds.
 *
 * Returns 1 if it ended in a trap (SIGILL, SIGTRAP, SIGABRT), 0 if body returned, -1 if it did neither.
 */
int sd_ends_in_trap(void (*body)(void *context), void *context);

#endif

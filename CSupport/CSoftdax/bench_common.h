/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benches share: a child that measures, at the other end of a socket.  >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_BENCH_COMMON_H
#define SOFTDAX_BENCH_COMMON_H

#include <stddef.h>
#include <sys/types.h>

/* Where the child finds what it inherits. */
#define CHILD_SOCKET 3
#define CHILD_MEMFD 4

/* Starts `program` with its end of a new socket pair, and `memfd` unless it is -1; `environment` NULL-terminated.  Returns our end. */
int sd_bench_spawn(const char *program, char *const arguments[], int memfd, char **environment, pid_t *child);
/* This process's environment without the variables of a run, with room for two more. */
char **sd_bench_environment(size_t *count);

/* ns on CLOCK_MONOTONIC_RAW. */
double sd_bench_now(void);

int sd_bench_open_userfaultfd(void);
int sd_bench_send_descriptor(int socket, int descriptor);
/* The descriptor, or why the child could not send one. */
int sd_bench_receive_descriptor(int socket);

#endif

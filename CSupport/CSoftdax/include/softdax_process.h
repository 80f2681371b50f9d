/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads, signals and child processes.  Why C: CPU_SET, signalfd, W* are macros or missing from Glibc's module, and a signal
 * handler must not be Swift.  >= 0 or -errno throughout.
 */
#ifndef SOFTDAX_PROCESS_H
#define SOFTDAX_PROCESS_H

#include <pthread.h>
#include <stdint.h>

/* A set of CPUs, at most 1024. */
struct sd_cpus {
	uint64_t words[16];
};
/* Where the calling thread may run; empty: not known. */
struct sd_cpus sd_cpus_allowed(void);
struct sd_cpus sd_cpus_one(int cpu);
/* The lowest CPU of the set, and how many it has. */
int sd_cpus_first(struct sd_cpus cpus);
int sd_cpus_count(struct sd_cpus cpus);
/* Moves the calling thread there, or every thread of this process; threads and children begun afterwards inherit it. */
int sd_cpus_place_thread(struct sd_cpus cpus);
int sd_cpus_place_process(struct sd_cpus cpus);

void sd_name_thread(const char *name); /* at most 15 bytes */

/* Unblocks the signal of sd_interrupt_thread() in the calling thread.  A thread inherits its creator's mask, and a thread
 * pool's threads block everything: what is sent to such a thread piles up, up to RLIMIT_SIGPENDING of the whole user. */
void sd_accept_interruptions(void);
/* Makes `thread`, which accepts that, return from a blocking system call with -EINTR: a real-time signal with an empty handler
 * and no SA_RESTART.  A call not yet begun is not interrupted: repeat until the thread says that it saw the request. */
int sd_interrupt_thread(pthread_t thread);

/* Blocks the signals that `softdax run` takes from a signalfd, in the calling thread and those it starts; *saved: the old mask. */
struct sd_signal_mask {
	uint64_t words[16];
};
int sd_block_signals(struct sd_signal_mask *saved);
/* A signalfd for them: SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH, SIGALRM. */
int sd_signal_descriptor(void);
struct sd_signal {
	int32_t number;
	int32_t from_process; /* 1: sent by kill(2) and kin; 0: by the kernel, e.g. the terminal, which sent it to all */
};
int sd_read_signal(int fd, struct sd_signal *signal);

/* posix_spawn of an absolute path with signal mask `mask`; dispositions as this process has them.  Returns the pid. */
int sd_spawn(const char *path, char *const argv[], char *const envp[], const struct sd_signal_mask *mask);
/* Reaps `pid` without blocking: 1 and *status = exit code, or 128 + signal with *signalled = 1; 0: still running. */
int sd_reap(int pid, int block, int *status, int *signalled);

/* Random bytes from the kernel. */
int sd_random(void *bytes, uint64_t length);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario worker: runs scenario files (docs/scenarios.md) with real processes, threads, mappings and signals, and prints a
 * JSON object for each.  One process is the coordinator; every actor is a process or a thread that takes lines from a pipe, does
 * what they say and answers with a line of JSON members.
 */
#ifndef SOFTDAX_WORKER_H
#define SOFTDAX_WORKER_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "backend.h"

enum { ACTORS = 8, WINDOWS = 8, EVENTS = 64, WORDS = 16, LINE = 1024, ANSWER = 2048 };

extern const struct backend *machine;

/* ---- text.c: numbers, names, JSON */

/* Decimal, 0x or 0 octal. */
int64_t number(const char *text);
/* "EIO", or "errno 4711". */
const char *error_name(int error);

/* A text that grows. */
struct text {
	char *bytes;
	size_t count, capacity;
};
void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* In quotes, escaped. */
void put_string(struct text *text, const char *string);

/* ---- paths.c: where the filesystem of /mnt is */

/* NULL: it is /mnt itself. */
extern const char *mount_point;
/* A path below /mnt where it really is; good until the second call after this one. */
const char *real_path(const char *path);
/* A shell line with every /mnt replaced. */
void real_paths(const char *line, char *output, size_t size);

/* ---- record.c: signals as the handlers saw them */

struct event {
	int signal, code, lsb;
	bool in_access;
	uintptr_t address;
};

/* Lies in memory that all processes share, so that it outlives the actor that wrote it. */
struct record {
	volatile int count;
	int reported;
	volatile pid_t process;
	struct event events[EVENTS];
};
extern struct record *records; /* ACTORS of them */

/* Which actor the calling thread is; -1 in the coordinator. */
extern _Thread_local int this_actor;

void records_make(void);
void records_clear(void);
/* The handler of SIGBUS and SIGSEGV. */
void record_signal(int number, siginfo_t *information, void *context);

/* if (guard_begins()) { ACCESS; guard_ends(); } else { the handler left the access } */
extern _Thread_local sigjmp_buf guard_jump;
extern _Thread_local volatile int guard_active;
#define guard_begins() (sigsetjmp(guard_jump, 1) == 0 && (guard_active = 1))
#define guard_ends() ((void)(guard_active = 0))

/* ---- windows.c: an actor's mappings by name.  Copied by fork, shared by threads. */

struct window {
	char name[16];
	uintptr_t base;
	size_t length;
	bool used;
};
extern struct window windows[WINDOWS];

struct window *window_named(struct window *all, const char *name);
/* Notes a mapping, in the place of one of the same name; false when there is no room. */
bool window_note(struct window *all, const char *name, uintptr_t base, size_t length);

/* ---- operations: what actors do.  Each writes JSON members into `answer`. */

struct call {
	int count;
	char **words; /* words[0] is the operation */
	char *answer; /* ANSWER bytes */
};
struct operation {
	const char *name;
	int words; /* at least */
	void (*run)(struct call *call);
};
/* Lists that end with a name of NULL. */
extern const struct operation memory_operations[], access_operations[], file_operations[], process_operations[],
	page_operations[];

void answer(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
void answer_ok(struct call *call);
void answer_error(struct call *call, int error);
/* The window of that name, or NULL after answering so. */
struct window *window_asked(struct call *call, const char *name);

/* ---- actor.c */

/* Takes lines and answers them until the pipe closes; ends the process then. */
void actor_serve(int actor) __attribute__((noreturn));

/* ---- peers.c: actors, seen by the coordinator */

struct peer {
	bool alive, is_thread;
	int leader; /* of a thread: the actor whose process it is in */
	char end[96]; /* how it ended */
	int commands[2], answers[2];
	struct window windows[WINDOWS]; /* to tell addresses in signals */
};
extern struct peer peers[ACTORS];

enum ask_result { ASK_ANSWERED, ASK_DIED, ASK_HUNG };

void peers_begin(void);
/* Kills what is left; never waits longer than 5 s for it. */
void peers_end(void);
void peer_start(int actor);
/* Whether its process lives, and how it ended. */
bool peer_lives(int actor);
const char *peer_end(int actor);
/* Notes every process that ended. */
void peers_reap(void);
/* Waits until every actor sleeps or is gone, half a second at most: what could be signalled is, then. */
void peers_settle(void);
enum ask_result peer_ask(int actor, const char *line, char *answer, size_t size, int milliseconds);
/* The signals of the actor that were not told yet, as a member "signals". */
void put_signals(struct text *row, int actor);

/* ---- variables.c */

void variables_clear(void);
void variable_set(const char *name, const char *value);
const char *variable(const char *name);
/* Replaces ${NAME}. */
void variables_expand(const char *line, char *output, size_t size);

/* ---- target.c: "A:m0+0x3000", "file:/mnt/f1+0", ... to a physical address; 0 or an errno. */

int target(const char *text, uint64_t *physical);

/* ---- filework.c: work on files that a scenario leaves to a shell tool, in the words of #= lines */

/* 0 or an errno; EOPNOTSUPP: it is no such operation. */
int file_work(const char *operation);

/* ---- shell.c */

/* Runs a shell line; its output with stderr, without trailing newlines; its exit status, 128 + signal. */
int shell(const char *command, char *output, size_t size);

/* ---- steps.c */

/* A step of the coordinator: adds members to the step's object. */
void coordinator_step(struct text *row, const char *operation, const char *arguments);

/* ---- sysfs.c: one read, one write, as the kernel takes each as a request; 0 or an errno */

enum device_kind { BLOCK_DEVICE, DAX_DEVICE };

int sysfs_number(const char *path, uint64_t *value);
int sysfs_write(const char *path, const char *text);
/* Where a device's data begins, in bytes. */
int sysfs_device(enum device_kind kind, const char *name, uint64_t *physical);
/* "FILE: FIRST COUNT" a line, sectors of 512 bytes. */
void sysfs_bad_blocks(char *text, size_t size);

/* ---- coordinator.c */

/* Runs a file and prints its row; with `progress` each step before it is done. */
void scenario_run(const char *path, bool progress);

/* ---- extents.c */

/* A file's extents in pages of 4 KiB, as "LOGICAL+COUNT@PHYSICAL[:unwritten][:shared]". */
int extents_text(const char *path, char *text, size_t size);
/* Where the file's byte is on its device, in bytes; ENXIO in a hole. */
int extents_find(const char *path, uint64_t offset, uint64_t *physical);

#endif

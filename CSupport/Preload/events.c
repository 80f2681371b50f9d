/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.c - a thread that reads the userfaultfd's events when the server no longer does.
 *
 * A call that moves watched memory waits until its event is read, and no signal but a deadly one ends that.  The agent is such a caller
 * itself (file.c), so it cannot be the one to read them.  Touches go on waiting: what is read of them wakes nobody.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>

#include "core.h"

#define STACK_BYTES 16384ul

static struct {
	uint32_t tid; /* 0: there is none; the kernel clears it */
	int server, userfaultfd;
} reader;

void sd_read_events(int userfaultfd)
{
	struct uffd_msg events[16];

	SD_RAW3(SYS_fcntl, userfaultfd, F_SETFL, O_NONBLOCK);
	while (SD_RAW3(SYS_read, userfaultfd, events, sizeof events) > 0)
		;
}

static void run(void)
{
	struct pollfd server = { .fd = reader.server, .events = POLLRDHUP };

	while (!(server.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)))
		SD_RAW5(SYS_ppoll, &server, 1, 0, 0, 0);
	while (sd_agent_runs()) {
		sd_read_events(reader.userfaultfd);
		sd_raw_sleep(1000000);
	}
	for (;;)
		SD_RAW1(SYS_exit, 0);
}

void sd_events_start(int server, int userfaultfd)
{
	if (sd_events_runs())
		return;

	long place = sd_own_stack(STACK_BYTES);

	if (sd_failed(place))
		return;
	reader.server = server;
	reader.userfaultfd = userfaultfd;
	reader.tid = 1;

	long tid = sd_raw_thread(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
				 (uintptr_t)place + STACK_BYTES, run, &reader.tid);

	if (sd_failed(tid)) {
		reader.tid = 0;
		sd_raw_munmap((uintptr_t)place, STACK_BYTES);
	}
}

bool sd_events_runs(void)
{
	return __atomic_load_n(&reader.tid, __ATOMIC_ACQUIRE) != 0;
}

void sd_events_after_fork(void)
{
	reader.tid = 0;
}

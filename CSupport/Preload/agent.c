/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - the thread that stands for the server in this process.
 *
 * It maps what only the process itself can map, and its connection is how the server learns that the process is gone.
 * It has a descriptor table of its own (no CLONE_FILES): the program's close_range() cannot reach what it holds, and the
 * program never sees it.  Root directory and credentials stay what they were at the first mmap (no CLONE_FS; libc's setuid()
 * does not know it).  It shares the starter's thread-local storage, so nothing here may use libc, errno or a stack
 * protector; it is built without one.  All its signals are blocked.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core.h"

#ifndef UFFD_USER_MODE_ONLY /* 5.11 */
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW /* 6.1 */
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

#define STACK_BYTES 65536ul

enum state { NONE, STARTING, RUNNING };
enum answer { PENDING, ATTACHED, REFUSED };

static struct {
	uint32_t state;	 /* enum state, a futex */
	uint32_t answer; /* enum answer, a futex: from the new thread to its starter */
	uint32_t user_mode_only;
	uint32_t tid; /* 0 when the thread is no more: the kernel clears and wakes it */
	uint32_t left; /* the server has closed the connection */
	int32_t error;
	int32_t bell;	       /* a userfaultfd in the agent's table, which watches `bell_page`; < 0: none */
	uintptr_t bell_page;   /* whose first touch wakes the agent, and waits for it */
	uint64_t token;
	int32_t nonce; /* si_pid of the server's signals */
	struct sd_handled_ring *handled;
} agent;

/* ------------------------------------------------------------------ in the agent */

/* The whole table: files of the program that must not stay open because of us. */
static void close_everything(void)
{
	struct rlimit limit = { 1024, 1024 };

	if (!sd_failed(SD_RAW3(SYS_close_range, 0, ~0u, 0)))
		return;
	SD_RAW4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit);
	for (unsigned fd = 0; fd < limit.rlim_cur && fd < 1u << 20; fd++)
		sd_raw_close((int)fd);
}

static long open_userfaultfd(uint32_t *user_mode_only)
{
	long fd = SD_RAW1(SYS_userfaultfd, O_CLOEXEC);

	*user_mode_only = 0;
	if (fd != -EPERM)
		return fd;

	long node = SD_RAW4(SYS_openat, AT_FDCWD, "/dev/userfaultfd", O_RDWR | O_CLOEXEC, 0);

	if (node >= 0) {
		fd = SD_RAW3(SYS_ioctl, node, USERFAULTFD_IOC_NEW, O_CLOEXEC);
		sd_raw_close((int)node);
		if (fd >= 0)
			return fd;
	}
	*user_mode_only = 1;
	fd = SD_RAW1(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	return fd == -EINVAL ? -EPERM : fd;
}

/* A bell that whoever has no descriptor can ring, once.  Not a signal: the kernel wakes who waits for one, by signalfd, at
 * every signal of the process. */
static void hang_bell(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	long page = sd_raw_mmap(sd_own_place(4096), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long bell = SD_RAW1(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	struct uffdio_register watched = { .range = { (uintptr_t)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	agent.bell = -1;
	if (!sd_failed(page) && !sd_failed(bell) && !sd_failed(SD_RAW3(SYS_madvise, page, 4096, MADV_DONTFORK)) &&
	    !sd_failed(SD_RAW3(SYS_ioctl, bell, UFFDIO_API, &api)) &&
	    !sd_failed(SD_RAW3(SYS_ioctl, bell, UFFDIO_REGISTER, &watched))) {
		agent.bell_page = (uintptr_t)page;
		agent.bell = (int32_t)bell;
		return;
	}
	if (!sd_failed(page))
		sd_raw_munmap((uintptr_t)page, 4096);
	sd_raw_close((int)bell);
}

/* Who rings goes on; so does who rings later. */
static void take_bell_down(void)
{
	int bell = __atomic_exchange_n(&agent.bell, -1, __ATOMIC_ACQ_REL);

	sd_raw_close(bell);
}

/* Connects and introduces the process; the descriptor of the connection. */
static long introduce_once(long userfaultfd, uint64_t *token)
{
	struct sd_attach attach = { .header = sd_header_of(SD_ATTACH) };
	struct sd_attached attached;
	struct sd_request server = { (int)SD_RAW3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), sd_raw };
	int passed;
	long result;

	if (server.fd < 0)
		return server.fd;
	attach.pid = (int32_t)SD_RAW0(SYS_getpid);
	attach.flags = agent.user_mode_only ? SD_ATTACH_USER_MODE_ONLY : 0;

	/* The name that people know the process by is its first thread's. */
	long comm = SD_RAW4(SYS_openat, AT_FDCWD, "/proc/self/comm", O_RDONLY | O_CLOEXEC, 0);

	if (comm >= 0) {
		result = SD_RAW3(SYS_read, comm, attach.command, sizeof attach.command - 1);
		for (long index = 0; index < result; index++)
			if (attach.command[index] == '\n')
				attach.command[index] = 0;
		sd_raw_close((int)comm);
	}

	result = sd_connect(&server);
	if (result == -ENOENT || result == -ECONNREFUSED)
		result = -ENXIO;
	if (!sd_failed(result))
		result = sd_send_message(&server, &attach, sizeof attach, (int)userfaultfd);
	if (!sd_failed(result)) {
		result = sd_receive_message(&server, &attached, sizeof attached, 0, &passed);
		if (result != sizeof attached || attached.header.type != SD_ATTACHED)
			result = -EAGAIN; /* a server that is full */
		else
			result = attached.error;
	}
	if (sd_failed(result)) {
		sd_raw_close(server.fd);
		return result;
	}
	*token = attached.token;
	agent.nonce = attached.nonce;
	if (passed >= 0) {
		long ring = sd_raw_mmap(sd_own_place(sizeof(struct sd_handled_ring)), sizeof(struct sd_handled_ring), PROT_READ | PROT_WRITE,
					MAP_SHARED, passed, 0);

		sd_raw_close(passed);
		if (!sd_failed(ring)) {
			SD_RAW3(SYS_madvise, ring, sizeof(struct sd_handled_ring), MADV_DONTFORK);
			__atomic_store_n(&agent.handled, (struct sd_handled_ring *)ring, __ATOMIC_RELEASE);
		}
	}
	return server.fd;
}

static long introduce(long userfaultfd, uint64_t *token)
{
	for (long waited = 0;;) {
		long result = introduce_once(userfaultfd, token);

		switch (-result) {
		case EPIPE: case ECONNRESET: case ENOTCONN: case EAGAIN:
			if (!sd_again(&waited))
				return -ENOMEM;
			continue;
		default:
			return result;
		}
	}
}

/* ------------------------------------------------------------------ the last thread of the program */

/* If every thread of the program has left by itself (syscall(SYS_exit)), only ours keep the process: then it ends, with the
 * status that the first thread left.  pthread_exit() and exit() need no such help. */
static void leave_if_alone(void)
{
	struct stat facts;
	char text[1024];

	/* Links of the directory: two, and one for each thread; the first thread stays as a zombie until the others are gone. */
	if (sd_failed(SD_RAW4(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &facts, 0)) ||
	    facts.st_nlink != 2 + 2 + (sd_porter_runs() ? 1u : 0u) + (sd_events_runs() ? 1u : 0u))
		return;

	long file = SD_RAW4(SYS_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC, 0);

	if (file < 0)
		return;

	long length = SD_RAW3(SYS_read, file, text, sizeof text);
	long name = -1, last = 0;
	unsigned status = 0;

	sd_raw_close((int)file);
	for (long index = 0; index < length; index++) {
		if (text[index] == ')')
			name = index;
		if (text[index] == ' ')
			last = index;
	}
	if (name < 0 || name + 2 >= length || text[name + 2] != 'Z')
		return;
	for (long index = last + 1; index < length && text[index] >= '0' && text[index] <= '9'; index++)
		status = status * 10 + (unsigned)(text[index] - '0');
	for (;;)
		SD_RAW1(SYS_exit_group, status >> 8 & 0xff);
}

/* Takes the pages out of a window that maps over.  The server reads the event of the move meanwhile. */
static long empty(long userfaultfd, const struct sd_insert *insert)
{
	long fresh = sd_map_watched(sd_raw, 0, insert->length, (int)insert->protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				    -1, 0);
	struct uffdio_register range = { .range = { (uintptr_t)fresh, insert->length }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (sd_failed(fresh))
		return fresh;

	long result = SD_RAW3(SYS_ioctl, userfaultfd, UFFDIO_REGISTER, &range);

	if (!sd_failed(result))
		result = SD_RAW5(SYS_mremap, fresh, insert->length, insert->length, MREMAP_MAYMOVE | MREMAP_FIXED, insert->address);
	if (sd_failed(result))
		sd_raw_munmap((uintptr_t)fresh, insert->length);
	return result;
}

/* Obeys the server until it closes the connection. */
static void serve(const struct sd_request *server, long userfaultfd)
{
	int devices[SD_MAX_DEVICES];
	union {
		struct sd_header header;
		struct sd_device_fd device;
		struct sd_insert insert;
		struct sd_put place;
	} command;

	for (unsigned index = 0; index < SD_MAX_DEVICES; index++)
		devices[index] = -1;
	for (;;) {
		struct pollfd ready[2] = { { .fd = server->fd, .events = POLLIN }, { .fd = agent.bell, .events = POLLIN } };
		const long second[2] = { 1, 0 };
		int passed;

		if (SD_RAW5(SYS_ppoll, ready, 2, second, 0, 0) == 0)
			leave_if_alone();
		if (ready[1].revents) {
			sd_porter_start();
			take_bell_down();
		}
		if (!ready[0].revents)
			continue;

		long got = sd_receive_message(server, &command, sizeof command, MSG_DONTWAIT, &passed);

		if (got == -EAGAIN)
			continue;
		if (got <= 0)
			return;
		if (got == sizeof command.device && command.header.type == SD_DEVICE_FD && command.device.device < SD_MAX_DEVICES) {
			sd_raw_close(devices[command.device.device]);
			devices[command.device.device] = passed;
			continue;
		}
		sd_raw_close(passed);

		struct sd_done done = { .header = sd_header_of(SD_DONE), .error = -EPROTO };

		if (got == sizeof command.place && command.header.type == SD_PUT && command.place.device < SD_MAX_DEVICES) {
			sd_events_start(server->fd, (int)userfaultfd);

			long result = sd_put_piece(&command.place, devices[command.place.device], userfaultfd);

			done.error = sd_failed(result) ? (int32_t)result : 0;
		} else if (got == sizeof command.insert && command.header.type == SD_INSERT && command.insert.device < SD_MAX_DEVICES) {
			const struct sd_insert *insert = &command.insert;
			long result;

			if (insert->content == SD_CONTENT_ABSENT) {
				sd_events_start(server->fd, (int)userfaultfd);
				result = empty(userfaultfd, insert);
			} else if (insert->content == SD_CONTENT_NOTHING)
				result = sd_map_nothing(insert->address, insert->length, (int)insert->protection);
			else
				result = sd_raw_mmap(insert->address, insert->length, (int)insert->protection,
						     MAP_SHARED | MAP_FIXED, devices[insert->device], insert->offset);
			done.error = sd_failed(result) ? (int32_t)result : 0;
		}
		if (sd_failed(sd_send_message(server, &done, sizeof done, -1)))
			return;
	}
}

static void leave(void)
{
	for (;;)
		SD_RAW1(SYS_exit, 0);
}

static void tell_starter(enum answer answer)
{
	__atomic_store_n(&agent.answer, answer, __ATOMIC_RELEASE);
	sd_futex_wake(&agent.answer);
}

static void run(void)
{
	close_everything();
	SD_RAW2(SYS_prctl, PR_SET_NAME, "softdax-agent");
	/* Whatever the starter has asked for: memory errors are nothing to us, nor to the porter, who inherits it. */
	SD_RAW5(SYS_prctl, PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0);
	sd_map_poison();

	long userfaultfd = open_userfaultfd(&agent.user_mode_only);
	long fd = sd_failed(userfaultfd) ? userfaultfd : introduce(userfaultfd, &agent.token);

	if (sd_failed(fd)) {
		agent.error = (int32_t)fd;
		if (sd_failed(userfaultfd))
			agent.user_mode_only = 2; /* says which of the two it was */
		tell_starter(REFUSED);
		leave();
	}
	hang_bell();
	tell_starter(ATTACHED);
	/* Our copy of the userfaultfd stays open: should the server die, threads that wait for a page go on waiting until the
	 * windows are revoked, and do not find memory that nobody guards. */
	serve(&(struct sd_request){ (int)fd, sd_raw }, userfaultfd);
	__atomic_store_n(&agent.left, 1, __ATOMIC_RELEASE);
	take_bell_down(); /* who waits for it has the porter's turn */
	sd_porter_end();
	sd_revoke_windows((int)userfaultfd);
	sd_raw_close((int)userfaultfd);
	leave();
}

/* ------------------------------------------------------------------ in the starter */

static void explain(long error, bool no_userfaultfd)
{
	const char *consequence = "; /dev/dax* cannot be mapped\n";

	if (no_userfaultfd && (error == -EPERM || error == -ENOSYS))
		sd_say("softdax: this process may not use userfaultfd (seccomp filter, sysctl, or a kernel without it)",
		       "; /dev/dax* cannot be mapped; 'softdax check' says what to do\n", NULL);
	else if (no_userfaultfd)
		sd_say("softdax: cannot open a userfaultfd (out of descriptors or memory?)", consequence, NULL);
	else if (error == -EINVAL)
		sd_say("softdax: the userfaultfd of this kernel lacks features (Linux 5.14 has them)", consequence, NULL);
	else if (error == -ENXIO)
		sd_say("softdax: the server that provides the devices has gone", consequence, NULL);
	else
		sd_say("softdax: the server that provides the devices cannot be reached, or does not answer", consequence, NULL);
}

/* One thread at a time; quiet. */
static long start(void)
{
	static bool explained;
	long place = sd_own_stack(STACK_BYTES);

	if (sd_failed(place))
		return place;

	/* Open and read now what the agent could not: the table is read with libc's help. */
	sd_directory();
	agent.answer = PENDING;
	agent.tid = 1;

	long tid = sd_raw_thread(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
				 (uintptr_t)place + STACK_BYTES, run, &agent.tid);

	if (sd_failed(tid)) {
		sd_raw_munmap((uintptr_t)place, STACK_BYTES);
		return tid;
	}
	while (__atomic_load_n(&agent.answer, __ATOMIC_ACQUIRE) == PENDING)
		sd_futex_wait(&agent.answer, PENDING);
	if (agent.answer == ATTACHED)
		return 0;

	/* The kernel's wake-up for CLONE_CHILD_CLEARTID is a shared one. */
	while (__atomic_load_n(&agent.tid, __ATOMIC_ACQUIRE) != 0)
		SD_RAW4(SYS_futex, &agent.tid, 0 /* FUTEX_WAIT */, 1, 0);
	sd_raw_munmap((uintptr_t)place, STACK_BYTES);
	if (!explained)
		explain(agent.error, agent.user_mode_only == 2);
	explained = true;
	agent.user_mode_only = 0;
	return agent.error == -EINVAL || agent.error == -ENOSYS ? -EPERM : agent.error;
}

long sd_attach_process(uint64_t *token)
{
	for (;;) {
		uint32_t state = NONE;

		if (__atomic_load_n(&agent.state, __ATOMIC_ACQUIRE) == RUNNING) {
			*token = agent.token;
			return 0;
		}
		if (__atomic_compare_exchange_n(&agent.state, &state, STARTING, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
			long result = start();

			__atomic_store_n(&agent.state, sd_failed(result) ? NONE : RUNNING, __ATOMIC_RELEASE);
			sd_futex_wake(&agent.state);
			if (sd_failed(result))
				return result;
		} else if (state == STARTING) {
			sd_futex_wait(&agent.state, STARTING);
		}
	}
}

uint64_t sd_token(void)
{
	return __atomic_load_n(&agent.state, __ATOMIC_ACQUIRE) == RUNNING ? agent.token : 0;
}

bool sd_agent_runs(void)
{
	return __atomic_load_n(&agent.tid, __ATOMIC_ACQUIRE) != 0;
}

bool sd_server_left(void)
{
	return __atomic_load_n(&agent.left, __ATOMIC_ACQUIRE);
}

bool sd_agent_wake(void)
{
	if (sd_token() == 0 || sd_server_left() || __atomic_load_n(&agent.bell, __ATOMIC_ACQUIRE) < 0)
		return false;
	(void)*(const volatile char *)agent.bell_page;
	return true;
}

int32_t sd_nonce(void)
{
	return sd_token() != 0 ? agent.nonce : 0;
}

struct sd_handled_ring *sd_handled(void)
{
	return sd_token() != 0 ? __atomic_load_n(&agent.handled, __ATOMIC_ACQUIRE) : NULL;
}

bool sd_user_mode_only(void)
{
	return sd_token() != 0 && agent.user_mode_only;
}

void sd_agent_after_fork(void)
{
	agent.state = NONE;
	agent.token = 0;
	agent.left = 0;
	agent.bell = -1;
	agent.user_mode_only = 0;
	agent.handled = NULL; /* not in the child: MADV_DONTFORK */
	sd_porter_after_fork();
	sd_events_after_fork();
}

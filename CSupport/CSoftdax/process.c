/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_process.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(sizeof(struct sd_cpus) == sizeof(cpu_set_t), "cpu_set_t changed");
_Static_assert(sizeof(struct sd_signal_mask) == sizeof(sigset_t), "sigset_t changed");

struct sd_cpus sd_cpus_allowed(void)
{
	struct sd_cpus cpus = {{0}};
	if (sched_getaffinity(0, sizeof cpus, (cpu_set_t *)&cpus) != 0)
		memset(&cpus, 0, sizeof cpus);
	return cpus;
}

struct sd_cpus sd_cpus_one(int cpu)
{
	struct sd_cpus cpus = {{0}};
	if (cpu >= 0 && cpu < 1024)
		cpus.words[cpu / 64] = 1ull << cpu % 64;
	return cpus;
}

int sd_cpus_first(struct sd_cpus cpus)
{
	for (int word = 0; word < 16; word++)
		if (cpus.words[word])
			return word * 64 + __builtin_ctzll(cpus.words[word]);
	return -ENODATA;
}

int sd_cpus_count(struct sd_cpus cpus)
{
	int count = 0;
	for (int word = 0; word < 16; word++)
		count += __builtin_popcountll(cpus.words[word]);
	return count;
}

int sd_cpus_place_thread(struct sd_cpus cpus)
{
	return sched_setaffinity(0, sizeof cpus, (const cpu_set_t *)&cpus) == 0 ? 0 : -errno;
}

int sd_cpus_place_process(struct sd_cpus cpus)
{
	DIR *threads = opendir("/proc/self/task");
	if (!threads)
		return -errno;
	int result = 0;
	for (struct dirent *entry; (entry = readdir(threads));) {
		int thread = atoi(entry->d_name);
		if (thread > 0 && sched_setaffinity(thread, sizeof cpus, (cpu_set_t *)&cpus) && errno != ESRCH)
			result = -errno;
	}
	closedir(threads);
	return result;
}

void sd_name_thread(const char *name)
{
	prctl(PR_SET_NAME, name);
}

/* Standard, so that it needs no room in the user's RLIMIT_SIGPENDING, which others may have used up; and one that nobody else sends. */
enum { INTERRUPTION = SIGSTKFLT };

static void do_nothing(int number)
{
	(void)number;
}

static void install(void)
{
	struct sigaction action = { .sa_handler = do_nothing };
	sigaction(INTERRUPTION, &action, NULL);
}

void sd_accept_interruptions(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sigset_t set;
	pthread_once(&once, install);
	sigemptyset(&set);
	sigaddset(&set, INTERRUPTION);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int sd_interrupt_thread(pthread_t thread)
{
	return -pthread_kill(thread, INTERRUPTION);
}

static void forwarded_signals(sigset_t *set)
{
	static const int numbers[] = { SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH, SIGALRM };
	sigemptyset(set);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaddset(set, numbers[i]);
}

int sd_block_signals(struct sd_signal_mask *saved)
{
	sigset_t set;
	forwarded_signals(&set);
	signal(SIGCHLD, SIG_DFL); /* one that is ignored is not sent, and children leave no status */
	return -pthread_sigmask(SIG_BLOCK, &set, (sigset_t *)saved);
}

int sd_signal_descriptor(void)
{
	sigset_t set;
	forwarded_signals(&set);
	int fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

int sd_read_signal(int fd, struct sd_signal *signal)
{
	struct signalfd_siginfo info;
	ssize_t got;
	do
		got = read(fd, &info, sizeof info);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	signal->number = (int32_t)info.ssi_signo;
	signal->from_process = info.ssi_code <= 0; /* SI_USER, SI_TKILL, SI_QUEUE */
	return 0;
}

int sd_spawn(const char *path, char *const argv[], char *const envp[], const struct sd_signal_mask *mask)
{
	posix_spawnattr_t attributes;
	pid_t pid;
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, (const sigset_t *)mask);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	int error = posix_spawn(&pid, path, NULL, &attributes, argv, envp);
	posix_spawnattr_destroy(&attributes);
	return error == 0 ? pid : -error;
}

int sd_reap(int pid, int block, int *status, int *signalled)
{
	int raw;
	pid_t got;
	do
		got = waitpid(pid, &raw, block ? 0 : WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (got == 0)
		return 0;
	*signalled = WIFSIGNALED(raw);
	*status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
	return 1;
}

int sd_random(void *bytes, uint64_t length)
{
	return getrandom(bytes, length, 0) == (ssize_t)length ? 0 : -EIO;
}

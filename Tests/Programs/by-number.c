/* SPDX-License-Identifier: Apache-2.0 */
/* by-number DEVICE: the calls with a path show the device also when they are made by syscall(); the last thread may leave so. */
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "program.h"

int main(int count, char **words)
{
	const char *path = device_argument(count, words);
	struct statx more;
	struct stat facts, wanted;
	char link[64], name[256];

	DONE(stat(path, &wanted));
	CHECK(S_ISCHR(wanted.st_mode), "%s is no device", path);
	snprintf(link, sizeof link, "/sys/dev/char/%u:%u", major(wanted.st_rdev), minor(wanted.st_rdev));

	int fd = (int)DONE(syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
	volatile unsigned char *place = map(fd, HUGE, 0);

	place[0]++;

#define SHOWN(call)                                                                                                     \
	do {                                                                                                            \
		memset(&facts, 0, sizeof facts);                                                                        \
		DONE(call);                                                                                             \
		CHECK(S_ISCHR(facts.st_mode) && facts.st_rdev == wanted.st_rdev, "%s shows something else", #call);     \
	} while (0)

	SHOWN(syscall(SYS_fstat, fd, &facts));
	SHOWN(syscall(SYS_newfstatat, AT_FDCWD, path, &facts, 0));
	SHOWN(syscall(SYS_newfstatat, fd, "", &facts, AT_EMPTY_PATH));
#ifdef SYS_open
	SHOWN(syscall(SYS_stat, path, &facts));
	SHOWN(syscall(SYS_lstat, path, &facts));
	DONE(close((int)DONE(syscall(SYS_open, path, O_RDONLY))));
	DONE(syscall(SYS_access, link, R_OK));
	CHECK(syscall(SYS_readlink, link, name, sizeof name) > 0, "readlink %s: %s", link, strerror(errno));
#endif
	DONE(syscall(SYS_statx, AT_FDCWD, path, 0, STATX_BASIC_STATS, &more));
	CHECK(S_ISCHR(more.stx_mode), "statx shows something else");
	CHECK(syscall(SYS_readlinkat, AT_FDCWD, link, name, sizeof name) > 0, "readlinkat %s: %s", link, strerror(errno));
	DONE(syscall(SYS_faccessat, AT_FDCWD, link, R_OK));
#ifdef SYS_faccessat2
	DONE(syscall(SYS_faccessat2, AT_FDCWD, path, R_OK, AT_EACCESS));
#endif
	REFUSED(syscall(SYS_openat, AT_FDCWD, "/dev/dax99.0", O_RDWR, 0), ENOENT);
	REFUSED(syscall(SYS_newfstatat, AT_FDCWD, "/sys/bus/dax/devices/none", &facts, 0), ENOENT);

	/* One thread less than there are: the process must end, and with this status. */
	pid_t child = fork();

	CHECK(child >= 0, "fork: %s", strerror(errno));
	if (child == 0) {
		place[0]++;
		syscall(SYS_exit, 33);
	}

	int status = 0, waited = 0;

	while (waitpid(child, &status, WNOHANG) == 0 && waited++ < 1000)
		usleep(10000);
	CHECK(waited < 1000, "the process outlives its last thread");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 33, "the status is %#x", status);
	return 0;
}

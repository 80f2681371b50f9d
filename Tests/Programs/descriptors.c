/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors DEVICE: a device is what it is through every descriptor, however the program came by it. */
#include <dirent.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "program.h"

static unsigned char sign;

/* Maps it, looks for the last sign and leaves another. */
static void use(int fd, const char *how)
{
	void *place = mmap(NULL, HUGE, BOTH, MAP_SHARED, fd, 0);

	CHECK(place != MAP_FAILED, "%s: mmap: %s", how, strerror(errno));

	volatile unsigned char *byte = place;

	CHECK(byte[100] == sign, "%s: another device's bytes", how);
	byte[100] = ++sign;
	DONE(munmap(place, HUGE));
}

static int open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	CHECK(folder, "/proc/self/fd: %s", strerror(errno));
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static int passed(int fd)
{
	int ends[2];
	char byte = 0;
	struct iovec piece = { &byte, 1 };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	int received;

	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	DONE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	DONE(sendmsg(ends[0], &message, 0));
	message.msg_controllen = sizeof control;
	DONE(recvmsg(ends[1], &message, 0));
	memcpy(&received, CMSG_DATA(&control.header), sizeof received);
	close(ends[0]);
	close(ends[1]);
	return received;
}

int main(int count, char **words)
{
	const char *path = device_argument(count, words);

	if (count == 4) { /* after exec: the number of a descriptor, and the sign */
		sign = (unsigned char)atoi(words[3]);
		use(atoi(words[2]), "inherited through exec");
		return 0;
	}

	int fd = open_device(path, O_RDWR);
	volatile unsigned char *held = map(fd, HUGE, (off_t)HUGE);
	volatile unsigned char *first = map(fd, HUGE, 0);

	sign = first[100];
	DONE(munmap((void *)first, HUGE));

	int before = open_descriptors();

	use(fd, "opened");
	held[0] = 1;
	CHECK(open_descriptors() == before, "%d descriptors were open, now %d", before, open_descriptors());

	int twin = DONE(dup(fd));

	use(twin, "dup");
	use(DONE(dup2(fd, 200)), "dup2");
	use(DONE(fcntl(fd, F_DUPFD_CLOEXEC, 300)), "F_DUPFD");
	use(passed(fd), "SCM_RIGHTS");

	char name[64];

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	use(open_device(name, O_RDWR), "/proc/self/fd");

	pid_t child = fork();

	CHECK(child >= 0, "fork: %s", strerror(errno));
	if (child == 0) {
		use(fd, "fork");
		_exit(0);
	}
	reap(child, "the child");
	sign++;

	child = fork();
	CHECK(child >= 0, "fork: %s", strerror(errno));
	if (child == 0) {
		char number[16], text[16];

		snprintf(number, sizeof number, "%d", DONE(dup(fd)));
		snprintf(text, sizeof text, "%d", sign);
		execl("/proc/self/exe", words[0], path, number, text, (char *)NULL);
		fail("exec: %s", strerror(errno));
	}
	reap(child, "the program executed");
	sign++;

	/* Closes all there is, as daemons do: what is mapped stays, and what is opened afterwards works. */
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3, ~0u, 0) != 0)
#endif
		for (int each = 3; each < 1024; each++)
			close(each);
	held[PAGE] = 7;
	CHECK(held[0] == 1 && held[PAGE] == 7, "a window does not outlive close_range()");
	use(open_device(path, O_RDWR), "opened after close_range");
	DONE(munmap((void *)held, HUGE));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile-workload SOCKET: a workload that lies. It attaches, then sends every message with every field at values that overflow, round
 * up to nothing or reach past the end of memory, in both phases; after each the server must still answer others.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "softdax_wire.h"

#define WORDS 8

static const char *path;
static uint64_t token;
static uint64_t window;

static const uint64_t edges[] = {
	0, 1, 4095, 4096, 1ull << 21, 1ull << 47, (1ull << 47) + 4096, 1ull << 48, 1ull << 62, 1ull << 63, (1ull << 63) + 4096,
	~0ull - 4095, ~0ull, 0xffffffffull, 0x80000000ull, 0x7fffffff00000000ull, 0x80000000ffffffffull,
};
#define EDGES (sizeof edges / sizeof edges[0])

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		printf("the server is gone: %s\n", strerror(errno));
		exit(1);
	}
	return fd;
}

static void put(uint64_t *words, uint16_t type)
{
	struct sd_header header = { SD_WIRE_MAGIC, SD_WIRE_VERSION, type };

	memcpy(words, &header, sizeof header);
}

/* The server still answers: its answer to another client. */
static void alive(const char *after, unsigned field, uint64_t value)
{
	uint64_t words[1];
	struct sd_server answer;
	int fd = dial();

	put(words, SD_GET_SERVER);
	if (send(fd, words, sizeof words, MSG_NOSIGNAL) != sizeof words || recv(fd, &answer, sizeof answer, 0) != sizeof answer) {
		printf("no answer after %s with word %u = %#llx\n", after, field, (unsigned long long)value);
		exit(1);
	}
	close(fd);
}

static void attach(void)
{
	struct sd_attach message = { .header = { SD_WIRE_MAGIC, SD_WIRE_VERSION, SD_ATTACH }, .pid = getpid(), .command = "hostile\033[1m\n" };
	struct sd_attached answer = { 0 };
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec io = { &message, sizeof message };
	struct msghdr header = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	struct cmsghdr *item = CMSG_FIRSTHDR(&header);
	int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);
	int fd = dial();

	item->cmsg_level = SOL_SOCKET;
	item->cmsg_type = SCM_RIGHTS;
	item->cmsg_len = CMSG_LEN(sizeof faults);
	memcpy(CMSG_DATA(item), &faults, sizeof faults);
	if (faults < 0 || sendmsg(fd, &header, 0) < 0 || recv(fd, &answer, sizeof answer, 0) != sizeof answer || answer.error != 0) {
		printf("cannot attach: %d %s\n", answer.error, strerror(errno));
		exit(2);
	}
	token = answer.token;
}

/* Sends first, and second if the server answers the first at all; what it answers does not matter. */
static void exchange(const uint64_t *first, size_t length, const uint64_t *second, size_t second_length)
{
	char answer[256];
	int fd = dial();

	if (send(fd, first, length, MSG_NOSIGNAL) == (ssize_t)length && recv(fd, answer, sizeof answer, 0) > 0 && second)
		if (send(fd, second, second_length, MSG_NOSIGNAL) == (ssize_t)second_length)
			(void)!recv(fd, answer, sizeof answer, 0);
	close(fd);
}

static void each_field(const char *name, const uint64_t *right, size_t length, const uint64_t *second, size_t second_length)
{
	uint64_t words[WORDS];

	for (unsigned field = 1; field < length / 8; field++)
		for (unsigned edge = 0; edge < EDGES; edge++) {
			memcpy(words, right, length);
			words[field] = edges[edge];
			exchange(words, length, second, second_length);
			alive(name, field, edges[edge]);
		}
}

static void each_second(const char *name, const uint64_t *first, size_t length, uint16_t type)
{
	uint64_t words[4];

	for (unsigned field = 1; field < 4; field++)
		for (unsigned edge = 0; edge < EDGES; edge++) {
			put(words, type);
			words[1] = 0;
			words[2] = window;
			words[3] = 1ull << 21;
			words[field] = edges[edge];
			exchange(first, length, words, sizeof words);
			alive(name, field, edges[edge]);
		}
}

int main(int count, char **arguments)
{
	static const uint32_t operations[] = { SD_UNMAP, SD_ZAP, SD_PROTECT, SD_MOVE, SD_SYNC, SD_ADVISE };
	uint64_t map[7], adopt[7], populate[4], mapped[4], changed[4];
	const uint64_t huge = 1ull << 21, read_write = 3;

	if (count != 2)
		return 2;
	path = arguments[1];
	attach();
	window = ((uint64_t)(uintptr_t)mmap(NULL, 4 * huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + huge - 1) & ~(huge - 1);

	put(adopt, SD_ADOPT);
	adopt[1] = token, adopt[2] = window, adopt[3] = huge, adopt[4] = 0;
	adopt[5] = (uint64_t)O_RDWR << 32, adopt[6] = read_write; /* device 0, access; protection */
	exchange(adopt, sizeof adopt, NULL, 0);
	each_field("SD_ADOPT", adopt, sizeof adopt, NULL, 0);

	put(map, SD_MAP);
	map[1] = token, map[2] = 0, map[3] = huge, map[4] = 0;
	map[5] = (uint64_t)O_RDWR << 32, map[6] = (uint64_t)MAP_SHARED << 32 | read_write;
	put(mapped, SD_MAPPED);
	mapped[1] = 0, mapped[2] = window + huge, mapped[3] = huge;
	each_field("SD_MAP", map, sizeof map, mapped, sizeof mapped);
	each_second("SD_MAPPED", map, sizeof map, SD_MAPPED);

	put(populate, SD_POPULATE);
	populate[1] = token, populate[2] = window, populate[3] = huge;
	each_field("SD_POPULATE", populate, sizeof populate, NULL, 0);

	put(changed, SD_CHANGED);
	changed[1] = 0, changed[2] = window + 2 * huge, changed[3] = huge;
	for (unsigned index = 0; index < sizeof operations / sizeof operations[0]; index++) {
		uint64_t change[WORDS];

		put(change, SD_CHANGE);
		change[1] = token, change[2] = window, change[3] = huge, change[4] = operations[index] == SD_MOVE ? 2 * huge : 1;
		change[5] = 0, change[6] = 0, change[7] = (uint64_t)(operations[index] == SD_MOVE) << 32 | operations[index];
		each_field("SD_CHANGE", change, sizeof change, changed, sizeof changed);
		each_second("SD_CHANGED", change, sizeof change, SD_CHANGED);
		exchange(adopt, sizeof adopt, NULL, 0);
	}
	puts("the server has outlived it");
	return 0;
}

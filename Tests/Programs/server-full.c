/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server-full DEVICE: a server that has as many connections as it serves is not a server that is gone.  While it stays so,
 * munmap() fails and changes nothing; when it has room again, all goes on.
 */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "program.h"

#define MOST 8192

static int connections[MOST];
static int open_now;

/* Connects until the server turns connections away. */
static void fill(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int refused = 0;

	snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", getenv("SOFTDAX_DIR"));
	while (open_now < MOST && refused < 20) {
		int fd = DONE(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
		char byte;

		DONE(connect(fd, (struct sockaddr *)&address, sizeof address));
		if (open_now < 4000 || (usleep(2000), recv(fd, &byte, 1, MSG_DONTWAIT)) < 0) {
			connections[open_now++] = fd;
		} else {
			close(fd);
			refused++;
		}
	}
	CHECK(refused == 20, "the server takes any number of connections");
}

static void drain(void)
{
	while (open_now)
		close(connections[--open_now]);
}

static void *drain_soon(void *nothing)
{
	usleep(200000);
	drain();
	return nothing;
}

int main(int count, char **words)
{
	const char *path = device_argument(count, words);
	struct rlimit many = { MOST + 64, MOST + 64 };
	int fd = open_device(path, O_RDWR);
	volatile unsigned char *place = map(fd, HUGE, 0);
	struct timespec before, after;
	pthread_t thread;

	alarm(600);
	DONE(setrlimit(RLIMIT_NOFILE, &many));
	place[0] = 1;
	fill();
	clock_gettime(CLOCK_MONOTONIC, &before);
	REFUSED(munmap((void *)place, HUGE), ENOMEM);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK(after.tv_sec - before.tv_sec < 10, "munmap() tried for %ld s", (long)(after.tv_sec - before.tv_sec));
	CHECK(place[0] == 1, "the memory is not what it was");
	REFUSED(mmap(NULL, HUGE, BOTH, MAP_SHARED, fd, 0), ENOMEM);
	CHECK(pthread_create(&thread, NULL, drain_soon, NULL) == 0, "pthread_create");
	DONE(munmap((void *)place, HUGE)); /* succeeds as soon as there is room */
	pthread_join(thread, NULL);
	place = map(fd, HUGE, 0);
	CHECK(place[0] == 1, "other bytes");
	DONE(munmap((void *)place, HUGE));
	return 0;
}

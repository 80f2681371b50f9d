/* SPDX-License-Identifier: Apache-2.0 */
/* exec-environment [DEVICE]: programs started with an environment of their own still see the device. */
#include <spawn.h>

#include "program.h"

extern char **environ;

static const char *path = "/dev/dax0.0";
static char *words[4];
static char *environment[] = { "ONLY=this", NULL };

static void spawned(int (*spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
				 char *const[], char *const[]), const char *how)
{
	pid_t child;
	int error = spawn(&child, "/proc/self/exe", NULL, NULL, words, environment);

	CHECK(error == 0, "%s: %s", how, strerror(error));
	reap(child, how);
}

static void executed(int way)
{
	static const char *const ways[] = { "execve", "execle", "execvpe", "execv", "execl", "execvp", "execlp", "fexecve" };
	pid_t child = fork();

	CHECK(child >= 0, "fork: %s", strerror(errno));
	if (child == 0) {
		const char *self = "/proc/self/exe";

		if (way >= 3)
			clearenv();
		switch (way) {
		case 0: execve(self, words, environment); break;
		case 1: execle(self, words[0], words[1], words[2], (char *)NULL, environment); break;
		case 2: execvpe(self, words, environment); break;
		case 3: execv(self, words); break;
		case 4: execl(self, words[0], words[1], words[2], (char *)NULL); break;
		case 5: execvp(self, words); break;
		case 6: execlp(self, words[0], words[1], words[2], (char *)NULL); break;
		default: fexecve(open(self, O_RDONLY | O_CLOEXEC), words, environment); break;
		}
		fail("%s: %s", ways[way], strerror(errno));
	}
	reap(child, ways[way]);
}

int main(int count, char **arguments)
{
	if (count > 1)
		path = arguments[1];
	if (count > 2) { /* started by the other */
		struct stat facts;
		const char *only = getenv("ONLY");

		CHECK(!only || strcmp(only, "this") == 0, "the environment is not the one that was given");
		CHECK(stat(path, &facts) == 0 && S_ISCHR(facts.st_mode), "%s is not there: %s", path, strerror(errno));

		volatile unsigned char *place = map(open_device(path, O_RDWR), HUGE, 0);

		place[0]++;
		return 0;
	}
	words[0] = arguments[0];
	words[1] = (char *)(uintptr_t)path;
	words[2] = "again";
	spawned(posix_spawn, "posix_spawn");
	spawned(posix_spawnp, "posix_spawnp");
	for (int way = 0; way < 8; way++)
		executed(way);
	return 0;
}

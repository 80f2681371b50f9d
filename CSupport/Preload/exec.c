/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c - a program that a workload starts is in the same machine, also when its environment was built anew.
 *
 * LD_PRELOAD and SOFTDAX_DIR are added where they are missing.  A vfork() child may call these hooks: nothing is
 * allocated and nothing is written but the stack.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "paths.h"

#define PRELOAD "LD_PRELOAD="
#define DIRECTORY SD_ENVIRONMENT "="

static char library[PATH_MAX]; /* this one */
static size_t library_length;

__attribute__((constructor)) static void find_library(void)
{
	Dl_info info;

	if (!dladdr((void *)find_library, &info) || !info.dli_fname || strlen(info.dli_fname) >= sizeof library)
		return;
	strcpy(library, info.dli_fname);
	library_length = strlen(library);
}

/* Whether a list of libraries has this one. */
static bool lists_library(const char *list)
{
	while (*list) {
		size_t length = strcspn(list, ": ");

		if (length == library_length && memcmp(list, library, length) == 0)
			return true;
		list += length;
		list += strspn(list, ": ");
	}
	return false;
}

struct lack {
	size_t count;	     /* of variables */
	const char *preload; /* what LD_PRELOAD says now; NULL: it is not there, or says enough */
	bool lacks_preload;
	bool lacks_directory;
};

static struct lack examine(char *const *environment)
{
	struct lack lack = { 0, NULL, true, true };

	if (!library_length || !sd_directory())
		return (struct lack){ 0, NULL, false, false };
	for (; environment && environment[lack.count]; lack.count++) {
		const char *variable = environment[lack.count];

		if (strncmp(variable, PRELOAD, sizeof PRELOAD - 1) == 0) {
			lack.preload = variable + sizeof PRELOAD - 1;
			lack.lacks_preload = !lists_library(lack.preload);
		} else if (strncmp(variable, DIRECTORY, sizeof DIRECTORY - 1) == 0 && variable[sizeof DIRECTORY - 1]) {
			lack.lacks_directory = false;
		}
	}
	return lack;
}

static size_t space_for(const struct lack *lack)
{
	return (lack->count + 3) * sizeof(char *) + sizeof PRELOAD + library_length + 1 +
	       (lack->preload ? strlen(lack->preload) : 0) + sizeof DIRECTORY + strlen(sd_directory()) + 1;
}

static char **complete(const struct lack *lack, char *const *environment, void *space)
{
	char **result = space;
	char *text = (char *)(result + lack->count + 3);
	size_t out = 0;

	for (size_t index = 0; index < lack->count; index++) {
		bool old_preload = strncmp(environment[index], PRELOAD, sizeof PRELOAD - 1) == 0;
		bool old_directory = strncmp(environment[index], DIRECTORY, sizeof DIRECTORY - 1) == 0;

		if (!(old_preload && lack->lacks_preload) && !(old_directory && lack->lacks_directory))
			result[out++] = environment[index];
	}
	if (lack->lacks_preload) {
		result[out++] = text;
		text = stpcpy(stpcpy(text, PRELOAD), library);
		if (lack->preload && *lack->preload)
			text = stpcpy(stpcpy(text, ":"), lack->preload);
		text++;
	}
	if (lack->lacks_directory) {
		result[out++] = text;
		stpcpy(stpcpy(text, DIRECTORY), sd_directory());
	}
	result[out] = NULL;
	return result;
}

/* The environment with what is missing, on the caller's stack. */
#define COMPLETE(environment)                                                                  \
	({                                                                                     \
		char *const *given_ = (environment);                                           \
		struct lack lack_ = examine(given_);                                           \
		(lack_.lacks_preload || lack_.lacks_directory)                                 \
			? complete(&lack_, given_, alloca(space_for(&lack_)))                  \
			: (char **)(uintptr_t)given_;                                          \
	})

SD_EXPORT int execve(const char *path, char *const argv[], char *const environment[])
{
	return (int)sd_result(SD_RAW3(SYS_execve, path, argv, COMPLETE(environment)));
}

SD_EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

SD_EXPORT int execvpe(const char *file, char *const argv[], char *const environment[])
{
	return SD_NEXT(execvpe)(file, argv, COMPLETE(environment));
}

SD_EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

SD_EXPORT int execveat(int at, const char *path, char *const argv[], char *const environment[], int flags)
{
	return (int)sd_result(SD_RAW5(SYS_execveat, at, path, argv, COMPLETE(environment), flags));
}

SD_EXPORT int fexecve(int fd, char *const argv[], char *const environment[])
{
	if (fd < 0)
		return (int)sd_result(-EINVAL);
	return execveat(fd, "", argv, environment, AT_EMPTY_PATH);
}

/* Gathers the words of execl() and its kin into `argv`, on the stack; `list` is left behind the last. */
#define GATHER(argv, first, list)                                                      \
	do {                                                                           \
		size_t count_ = 1;                                                     \
		va_start(list, first);                                                 \
		while (va_arg(list, char *))                                           \
			count_++;                                                      \
		va_end(list);                                                          \
		argv = alloca((count_ + 1) * sizeof(char *));                          \
		argv[0] = (char *)(uintptr_t)first;                                    \
		va_start(list, first);                                                 \
		for (size_t index_ = 1; index_ <= count_; index_++)                    \
			argv[index_] = va_arg(list, char *);                           \
	} while (0)

SD_EXPORT int execl(const char *path, const char *first, ...)
{
	char **argv;
	va_list list;

	GATHER(argv, first, list);
	va_end(list);
	return execve(path, argv, environ);
}

SD_EXPORT int execlp(const char *file, const char *first, ...)
{
	char **argv;
	va_list list;

	GATHER(argv, first, list);
	va_end(list);
	return execvpe(file, argv, environ);
}

SD_EXPORT int execle(const char *path, const char *first, ...)
{
	char **argv;
	va_list list;

	GATHER(argv, first, list);

	char *const *environment = va_arg(list, char *const *);

	va_end(list);
	return execve(path, argv, environment);
}

SD_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
			  const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	return SD_NEXT(posix_spawn)(pid, path, actions, attributes, argv, COMPLETE(environment));
}

SD_EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	return SD_NEXT(posix_spawnp)(pid, file, actions, attributes, argv, COMPLETE(environment));
}

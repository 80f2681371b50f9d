/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of actors that ask the machine about their own pages, or have them fail. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "worker.h"

static const unsigned long long unknown = ~0ull;

/* The page at "NAME OFFSET"; false after answering that there is no such mapping. */
static bool asked(struct call *call, uintptr_t *address, struct page_state *page)
{
	struct window *window = window_asked(call, call->words[1]);

	if (!window)
		return false;
	*address = window->base + (uintptr_t)number(call->words[2]);
	*page = machine->page(*address);
	return true;
}

static void fail_page(struct call *call)
{
	struct page_state page;
	unsigned long long frame;
	uintptr_t address;
	int error;

	if (!asked(call, &address, &page))
		return;
	/* Frame 0, which an absent page seems to have, is the kernel's: EBUSY the first time, and another answer later. */
	frame = page.frame;
	error = page.present ? machine->fail_own(address, page.frame * 4096) : EBUSY;
	if (error)
		answer(call, "\"err\":\"%s\",\"_pfn\":\"0x%llx\"", error_name(error), frame);
	else
		answer(call, "\"ok\":true,\"_pfn\":\"0x%llx\"", frame);
}

static void show_page(struct call *call)
{
	struct page_state page;
	struct frame_state frame;
	uintptr_t address;

	if (!asked(call, &address, &page))
		return;
	if (!page.present) {
		answer(call, "\"present\":false,\"swap\":%d", page.swapped);
		return;
	}
	frame = machine->frame(page.frame * 4096);
	answer(call,
	       "\"present\":true,\"file_or_shared\":%d,\"exclusive\":%d,\"_pfn\":\"0x%llx\","
	       "\"kpageflags\":\"0x%llx\",\"hwpoison\":%d,\"kpagecount\":%lld",
	       page.file_or_shared, page.exclusive, (unsigned long long)page.frame, (unsigned long long)frame.flags,
	       frame.flags == unknown ? -1 : (int)(frame.flags >> 19 & 1), (long long)frame.count);
}

static void show_frame(struct call *call)
{
	struct page_state page;
	uintptr_t address;

	if (asked(call, &address, &page))
		answer(call, "\"_pfn\":\"0x%llx\"", page.present ? (unsigned long long)page.frame : 0);
}

/* Runs of blanks become one. */
static void squeeze(char *line)
{
	char *to = line;

	line[strcspn(line, "\n")] = 0;
	for (char *from = line; *from; from++)
		if (*from != ' ' || (to > line && to[-1] != ' '))
			*to++ = *from;
	*to = 0;
}

static bool is_shown(const char *line)
{
	static const char *const fields[] = {"Rss:",      "Pss:",     "FilePmdMapped:", "ShmemPmd", "KernelPageSize:",
					     "MMUPageSize:", "VmFlags:"};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (!strncmp(line, fields[i], strlen(fields[i])))
			return true;
	return false;
}

static void show_smaps(struct call *call)
{
	struct window *window = window_asked(call, call->words[1]);
	char line[512], output[1024] = "";
	size_t used = 0;
	bool inside = false;
	FILE *file;

	if (!window)
		return;
	file = fopen("/proc/self/smaps", "r");
	while (file && fgets(line, sizeof line, file)) {
		unsigned long from, to;

		if (isxdigit((unsigned char)line[0]) && sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			inside = from <= window->base && window->base < to;
		} else if (inside && is_shown(line) && used < sizeof output) {
			squeeze(line);
			used += (size_t)snprintf(output + used, sizeof output - used, "%s%s", used ? "; " : "", line);
		}
	}
	if (file)
		fclose(file);
	answer(call, "\"smaps\":\"%s\"", output);
}

const struct operation page_operations[] = {
	{"hwp", 3, fail_page}, {"page", 3, show_page}, {"pfn", 3, show_frame}, {"smaps", 2, show_smaps}, {NULL, 0, NULL},
};

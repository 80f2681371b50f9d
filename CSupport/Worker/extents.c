/* SPDX-License-Identifier: Apache-2.0 */
/* FIEMAP (Documentation/filesystems/fiemap.rst). */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker.h"

enum { EXTENTS = 32 };

struct listing {
	struct fiemap head;
	struct fiemap_extent extents[EXTENTS];
};

static int list(const char *path, struct listing *listing)
{
	int file = open(path, O_RDONLY), error;

	if (file < 0)
		return errno;
	memset(listing, 0, sizeof *listing);
	listing->head.fm_length = ~0ull;
	listing->head.fm_extent_count = EXTENTS;
	listing->head.fm_flags = FIEMAP_FLAG_SYNC;
	error = ioctl(file, FS_IOC_FIEMAP, &listing->head) ? errno : 0;
	close(file);
	return error;
}

int extents_text(const char *path, char *text, size_t size)
{
	struct listing listing;
	int error = list(path, &listing);
	size_t used = 0;

	text[0] = 0;
	if (error)
		return error;
	for (unsigned i = 0; i < listing.head.fm_mapped_extents && used < size; i++) {
		struct fiemap_extent *extent = &listing.extents[i];

		used += (size_t)snprintf(text + used, size - used, "%s%llu+%llu@%llu%s%s", used ? " " : "",
					 (unsigned long long)extent->fe_logical / 4096,
					 (unsigned long long)extent->fe_length / 4096,
					 (unsigned long long)extent->fe_physical / 4096,
					 extent->fe_flags & FIEMAP_EXTENT_UNWRITTEN ? ":unwritten" : "",
					 extent->fe_flags & FIEMAP_EXTENT_SHARED ? ":shared" : "");
	}
	return 0;
}

int extents_find(const char *path, uint64_t offset, uint64_t *physical)
{
	struct listing listing;
	int error = list(path, &listing);

	if (error)
		return error;
	for (unsigned i = 0; i < listing.head.fm_mapped_extents; i++) {
		struct fiemap_extent *extent = &listing.extents[i];

		if (offset >= extent->fe_logical && offset - extent->fe_logical < extent->fe_length) {
			*physical = extent->fe_physical + (offset - extent->fe_logical);
			return 0;
		}
	}
	return ENXIO;
}

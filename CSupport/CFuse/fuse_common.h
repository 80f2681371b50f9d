/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: a mount, and libfuse's table of what it calls. */
#ifndef SOFTDAX_FUSE_COMMON_H
#define SOFTDAX_FUSE_COMMON_H

#include "softdax_fuse.h"

#ifdef SOFTDAX_FUSE

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#include <stdatomic.h>

struct sd_fuse_mount {
	struct fuse_session *session;
	sd_fuse_handler handler;
	void *context;
	int stop; /* eventfd */
	atomic_int stopping;
	/* The first request, and whether the kernel offers FUSE_DIRECT_IO_ALLOW_MMAP in it. */
	uint64_t init_unique;
	int offers_mmap;
};

extern const struct fuse_lowlevel_ops sd_fuse_operations; /* requests.c */

#endif
#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softdax_wire.h - every message between workloads, tools and the server.
 *
 * The one definition for both languages: the preload shim includes it, the Swift room `Wire` imports it.
 * Transport: AF_UNIX, SOCK_SEQPACKET, one message per datagram, descriptors by SCM_RIGHTS (at most one per
 * message).  Both ends are on one machine: native byte order.  All structs are fixed size with explicit
 * padding; a datagram whose length is not the size its type asks for is malformed: the server answers
 * SD_DONE with -EPROTO and closes that connection, nothing more.
 *
 * SD_DONE with an error may come in place of any answer.  A shim asks again after EAGAIN, EMFILE, ENFILE, ENOBUFS and EPROTO,
 * as after a connection that was closed without an answer; any other error is what the workload's call fails with.
 *
 * Three kinds of connection, told apart by the first message:
 *
 *   agent     SD_ATTACH, one for each process with DAX windows, held open by the shim's agent thread.
 *             Its end of file is the death (or exec) of the process: everything it held goes back.
 *   request   SD_MAP, SD_CHANGE, SD_ADOPT, SD_POPULATE: from the thread that called mmap() and the like; a fresh
 *             connection for each call, so that fork, vfork and close_range() find nothing to tear.
 *             Likewise SD_WRITE_ATTRIBUTE, from the thread that called write(), and SD_CONTROL, from the one that called ioctl().
 *   tool      SD_GET_*, SD_INJECT, SD_CLEAR_ERRORS, SD_SET and 112 to 128: any number of questions on one connection.  SD_LOCATE as
 *             well: it is about the memory of the process that asks.  After SD_WATCH the server sends SD_EVENTS, and answers
 *             nothing any more.
 */
#ifndef SOFTDAX_WIRE_H
#define SOFTDAX_WIRE_H

#include <stdint.h>

#define SD_WIRE_MAGIC 0x58414453u /* "SDAX" */
#define SD_WIRE_VERSION 1u

/* The environment of a workload: the session directory, absolute.  In it
 *   table     struct sd_table_header, then its entries
 *   socket    where the server listens (serve --socket PATH makes a link to it at PATH)
 *   poison    struct sd_poison_header, then which pages the media cannot give: see there
 *   sys/      the files behind /sys paths
 *   dev/      an empty regular file for each device node: its (st_dev, st_ino) is the device's identity  */
#define SD_ENVIRONMENT "SOFTDAX_DIR"
#define SD_TABLE_NAME "table"
#define SD_SOCKET_NAME "socket"
#define SD_POISON_NAME "poison"

#define SD_MAX_DEVICES 64u
#define SD_MAX_MESSAGE 65536u

enum sd_type {
	SD_DONE = 1, /* reply: struct sd_done */

	SD_ATTACH = 16,   /* agent: struct sd_attach + the process's userfaultfd */
	SD_ATTACHED = 17, /* reply: struct sd_attached + memory for struct sd_handled_ring */
	SD_DEVICE_FD = 18, /* server to agent: struct sd_device_fd + descriptor; no reply */
	SD_INSERT = 19,    /* server to agent: struct sd_insert; the agent replies SD_DONE */
	SD_PUT = 20,	   /* server to agent: struct sd_put; the agent replies SD_DONE */

	SD_MAP = 32,      /* struct sd_map */
	SD_MAP_PLAN = 33, /* reply: struct sd_map_plan, + a read-write descriptor for SD_WINDOW_FILE */
	SD_MAPPED = 34,   /* second message on that connection: struct sd_mapped; reply SD_DONE */
	SD_ADOPT = 35,    /* struct sd_adopt: a forked child's inherited window; reply SD_DONE */
	SD_CHANGE = 36,   /* struct sd_change */
	SD_CHANGE_PLAN = 37, /* reply: struct sd_change_plan */
	SD_CHANGED = 38,     /* second message: struct sd_changed; reply SD_DONE */
	SD_POPULATE = 39,    /* struct sd_populate; reply SD_DONE when every page is there */

	SD_INJECT = 48,	      /* tool: struct sd_inject; reply SD_DONE */
	SD_CLEAR_ERRORS = 49, /* tool: struct sd_clear_errors; reply SD_CLEARED */
	SD_CLEARED = 50,      /* reply: struct sd_cleared */
	SD_POISON = 51,	      /* request: struct sd_poison: madvise(MADV_HWPOISON) of one folio */
	SD_POISONED = 52,     /* reply: struct sd_poisoned */
	SD_SET = 53,	      /* tool: struct sd_set; reply SD_DONE */

	SD_GET_SERVER = 64, /* header only; reply SD_SERVER */
	SD_SERVER = 65,
	SD_GET_DEVICE = 66, /* struct sd_get_device; reply SD_DEVICE, or SD_DONE -ENODEV past the last */
	SD_DEVICE = 67,
	SD_GET_PAGES = 68, /* struct sd_get_pages; reply SD_PAGES */
	SD_PAGES = 69,
	SD_GET_LATENCY = 70, /* struct sd_get_latency; reply SD_LATENCY, more while next != 0 */
	SD_LATENCY = 71,
	SD_LOCATE = 72, /* struct sd_locate; reply SD_LOCATED, or SD_DONE: -EFAULT where the caller maps none, -EHWPOISON of a marker */
	SD_LOCATED = 73,

	SD_WRITE_ATTRIBUTE = 96, /* struct sd_write_attribute; reply SD_DONE */
	SD_CONTROL = 97,	 /* struct sd_control */
	SD_CONTROLLED = 98,	 /* reply: struct sd_controlled */

	SD_WITHDRAW = 112,   /* struct sd_clear_errors: takes injections back; reply SD_DONE */
	SD_GET_ERRORS = 113, /* struct sd_get_errors; reply SD_ERRORS */
	SD_ERRORS = 114,
	SD_SCRUB = 115, /* struct sd_scrub; reply SD_SCRUBBED when no scrub is under way */
	SD_SCRUBBED = 116,
	SD_GET_OWNERS = 117, /* struct sd_get_owners; reply SD_OWNERS */
	SD_OWNERS = 118,
	SD_PREDICT = 119, /* struct sd_predict; reply SD_PREDICTION */
	SD_PREDICTION = 120,
	SD_WATCH = 121,	 /* struct sd_watch; SD_EVENTS come until the connection ends */
	SD_EVENTS = 122, /* struct sd_events */
	SD_GET_BLOCK_OWNERS = 123, /* struct sd_get_owners, of a mount's device; reply SD_BLOCK_OWNERS */
	SD_BLOCK_OWNERS = 124,
	SD_GET_PATHS = 125, /* struct sd_get_paths; reply SD_PATHS */
	SD_PATHS = 126,
	SD_GET_ARMED = 127, /* struct sd_get_armed; reply SD_ARMED */
	SD_ARMED = 128,
	SD_UNBIND = 129, /* struct sd_get_device: the driver of a mount's device is unbound; reply SD_DONE */
};

struct sd_header {
	uint32_t magic;   /* SD_WIRE_MAGIC */
	uint16_t version; /* SD_WIRE_VERSION */
	uint16_t type;    /* enum sd_type */
};

struct sd_done {
	struct sd_header header;
	int32_t error; /* 0 or -errno */
	uint32_t reserved;
};

/* ------------------------------------------------------------------ the device table (a file) */

enum sd_window {
	SD_WINDOW_FILE = 1, /* map the medium's descriptor (from SD_MAP_PLAN), MAP_SHARED, at the device offset */
	SD_WINDOW_ANONYMOUS = 2, /* private anonymous memory; the agent maps the medium over it on demand */
	SD_WINDOW_PIECES = 3, /* of a file on a mount: begins as private anonymous memory; the agent puts pieces of the medium there */
};

struct sd_table_header {
	uint32_t magic;
	uint32_t version;
	uint32_t count; /* entries that follow */
	uint32_t reserved;
};

enum sd_node {
	SD_NODE_DAX = 1,   /* /dev/daxN.M */
	SD_NODE_NDCTL = 2, /* /dev/ndctlN */
};

struct sd_table_entry {
	char path[32];     /* "/dev/dax0.0", NUL-terminated */
	char file[32];     /* relative to the session directory: "dev/dax0.0" */
	uint64_t node_dev; /* st_dev and st_ino of that file */
	uint64_t node_ino;
	uint64_t size;      /* bytes; 0 for SD_NODE_NDCTL */
	uint64_t alignment; /* bytes; 0 for SD_NODE_NDCTL */
	uint32_t major;
	uint32_t minor;
	uint32_t node;   /* enum sd_node */
	uint32_t device; /* index for SD_MAP */
	uint32_t window; /* enum sd_window */
	uint32_t reserved;
};

/* ------------------------------------------------------------------ agent connection */

#define SD_ATTACH_USER_MODE_ONLY 1u /* this userfaultfd does not see faults taken inside system calls */

struct sd_attach {
	struct sd_header header;
	int32_t pid; /* as the process sees it; the server believes SO_PEERCRED */
	uint32_t flags;
	char command[32]; /* comm, for people */
};

struct sd_attached {
	struct sd_header header;
	int32_t error;
	int32_t nonce; /* si_pid of the signals that the server sends: see sd_signal_words */
	uint64_t token; /* names this address space in requests; random, never 0 */
};

struct sd_device_fd { /* the medium, for SD_INSERT; the agent keeps the descriptor in its own table */
	struct sd_header header;
	uint32_t device;
	uint32_t reserved;
};

enum sd_content {
	SD_CONTENT_MEDIUM = 0,	/* mmap(address, length, protection, MAP_SHARED | MAP_FIXED, fd of device, offset) */
	SD_CONTENT_NOTHING = 1, /* past the device's end, or bad: something whose touch is SIGBUS/BUS_ADRERR */
	SD_CONTENT_ABSENT = 2,	/* no page: fresh memory under the agent's userfaultfd, moved into place in one step */
};

struct sd_insert { /* over whatever is there */
	struct sd_header header;
	uint64_t address;
	uint64_t length;
	uint64_t offset;
	uint32_t device;
	uint32_t protection; /* PROT_* */
	uint32_t content;    /* enum sd_content */
	uint32_t reserved;
};

enum sd_piece {
	SD_PIECE_NOTHING_MAPPED = 1, /* watched anonymous memory without a page: a hole, or not known yet */
	SD_PIECE_SHARED = 2,	     /* the medium at `offset`, MAP_SHARED, watched */
	SD_PIECE_PRIVATE = 3,	     /* the same, MAP_PRIVATE */
	SD_PIECE_BEYOND = 4,	     /* past the file's end: its touch is SIGBUS/BUS_ADRERR */
	SD_PIECE_ZAP = 5,	     /* nothing is mapped anew: page-table entries of the range go */
};

/* Of a window of a file.  -ENOENT: not all of the range is one any more (SD_PIECE_ZAP: never). */
struct sd_put {
	struct sd_header header;
	uint64_t address;
	uint64_t length;
	uint64_t offset;
	uint32_t device;     /* whose descriptor, see sd_device_fd */
	uint32_t protection; /* PROT_* */
	uint32_t piece;	     /* enum sd_piece */
	uint32_t reserved;
};

/* ------------------------------------------------------------------ request connections */

struct sd_map { /* mmap() of a device node, before anything is mapped */
	struct sd_header header;
	uint64_t token;
	uint64_t address; /* the hint, or the place with MAP_FIXED */
	uint64_t length;  /* as given by the caller */
	uint64_t offset;
	uint32_t device;
	uint32_t access;     /* the descriptor's O_ACCMODE */
	uint32_t protection; /* PROT_* */
	uint32_t flags;      /* MAP_*, as given by the caller */
	uint64_t file;	     /* 0, or what SD_FUSE_IOC_WINDOW answered: a file of a mount; device and access count for nothing then */
};

struct sd_map_plan {
	struct sd_header header;
	int32_t error; /* what mmap() must fail with: 0 or -errno */
	uint32_t window;
	uint64_t length;    /* rounded up to pages */
	uint64_t alignment; /* with no usable hint, choose an address ≡ congruence modulo alignment; 0: any */
	uint64_t congruence;
};

struct sd_mapped { /* the caller has mapped [address, length); error < 0: it could not, forget the plan */
	struct sd_header header;
	int32_t error;
	uint32_t reserved;
	uint64_t address;
	uint64_t length;
};

struct sd_adopt { /* a child after fork(): this range is mapped already, with these attributes */
	struct sd_header header;
	uint64_t token; /* the child's own */
	uint64_t address;
	uint64_t length;
	uint64_t offset;
	uint64_t entered; /* rises with the windows' age in the parent: those of one offset keep their order */
	uint32_t device;
	uint32_t access;
	uint32_t protection;
	uint32_t is_private; /* of a file: MAP_PRIVATE */
	uint64_t file;	     /* as in sd_map */
};

enum sd_operation {
	SD_UNMAP = 1,   /* munmap, or MAP_FIXED of something else over a window */
	SD_ZAP = 2,     /* madvise(MADV_DONTNEED and kin): page-table entries go, the mapping stays */
	SD_PROTECT = 3, /* mprotect; argument = new PROT_* */
	SD_MOVE = 4,    /* mremap; argument = new length, target = new address or 0 */
	SD_SYNC = 5,    /* msync; argument = MS_* */
	SD_ADVISE = 6,  /* any other madvise; argument = MADV_*; the plan says EPERM, EINVAL ... or go on */
};

struct sd_change { /* before the system call; while it is under way faults in the range wait */
	struct sd_header header;
	uint64_t token;
	uint64_t address;
	uint64_t length;
	uint64_t argument;
	uint64_t target;
	uint64_t scratch; /* SD_ZAP of an anonymous window: fresh anonymous memory of the plan's length, to be
			   * registered by the server and moved over the old pages by the caller; else 0 */
	uint32_t operation;
	uint32_t flags; /* SD_MOVE: MREMAP_*; SD_ADVISE: SD_BEHIND_HOLE */
};

#define SD_BEHIND_HOLE 1u /* MADV_POPULATE: the same call has met a hole before this range */

#define SD_PLAN_NOTHING 1u /* answer for the kernel: the call succeeds and nothing is to be done */
#define SD_PLAN_POPULATE 2u /* the pages were inserted by the server; the call has done its work */

struct sd_change_plan {
	struct sd_header header;
	int32_t error; /* what the call must fail with: 0 or -errno */
	uint32_t flags;
	uint64_t address; /* the range to change, rounded as the kernel rounds it (MADV_DONTNEED on 2M pages) */
	uint64_t length;
	uint64_t alignment; /* SD_MOVE: as in sd_map_plan */
	uint64_t congruence;
};

struct sd_changed { /* after the system call */
	struct sd_header header;
	int32_t error;
	uint32_t reserved;
	uint64_t address; /* SD_MOVE: where it is now */
	uint64_t length;
};

struct sd_populate {
	struct sd_header header;
	uint64_t token;
	uint64_t address;
	uint64_t length;
};

/* ------------------------------------------------------------------ the bus */

#define SD_ATTRIBUTE_MOST 4096u /* bytes that one write() to an attribute takes: a page, as in sysfs */
#define SD_ENVELOPE_MOST 8192u	/* bytes of an ioctl()'s struct that are passed on */

struct sd_write_attribute {
	struct sd_header header;
	uint64_t node_dev; /* st_dev and st_ino of the attribute's file */
	uint64_t node_ino;
	uint32_t length; /* at most SD_ATTRIBUTE_MOST */
	uint32_t reserved;
	/* then length bytes */
};

struct sd_control { /* ioctl() of SD_NODE_NDCTL */
	struct sd_header header;
	uint64_t request; /* the second argument */
	uint32_t access;  /* the descriptor's O_ACCMODE */
	uint32_t length;  /* at most SD_ENVELOPE_MOST: what could be read where the third argument points */
	/* then length bytes */
};

struct sd_controlled {
	struct sd_header header;
	int32_t result;	 /* what ioctl() returns, or -errno */
	uint32_t length; /* bytes to write back */
	/* then SD_ENVELOPE_MOST bytes, of which length count */
};

/* ------------------------------------------------------------------ pages that fail */

/* Who sends a signal to another process cannot choose a positive si_code.  So a memory error comes as SI_QUEUE, with
 * si_pid = the nonce of sd_attached, si_uid = code << 8 | lsb (code: BUS_MCEERR_AR, BUS_MCEERR_AO), si_value = the address. */

/* The file `poison`: behind this header, from byte 4096 on, one bit for each 4 KiB page of the devices, least significant first, one
 * device after the other in the order of their indices, each at the next multiple of 4096 bytes. */
struct sd_poison_header {
	uint32_t magic;
	uint32_t version;
	uint64_t generation; /* goes up before bits are cleared */
};
#define SD_POISON_BITS 4096u

struct sd_handled { /* a handler of the program was called with a SIGBUS that says a memory error */
	uint64_t address;
	uint64_t time; /* CLOCK_MONOTONIC, ns; 0 if nobody watched then */
	uint32_t thread; /* likewise */
	int32_t code;
	uint32_t shift; /* si_addr_lsb */
	uint32_t turn;	/* which of all it is, counted from 1, its low 32 bits; written last */
};
#define SD_HANDLED_ENTRIES 127u
struct sd_note { /* by the server: what the next SIGBUS of a touch of this page of a file says */
	uint64_t page;	  /* 0: nothing here; written last, and taken away by who uses it */
	uint64_t address; /* si_addr; 0: where it was touched */
	uint64_t shift;	  /* si_addr_lsb */
	uint64_t reserved;
};
#define SD_NOTES 32u
struct sd_handled_ring {
	uint64_t count; /* ever; the latest is entry (count - 1) % SD_HANDLED_ENTRIES */
	uint64_t watched; /* by the server: somebody wants time and thread */
	uint64_t reserved[2];
	struct sd_handled entries[SD_HANDLED_ENTRIES];
	struct sd_note notes[SD_NOTES];
};

struct sd_poison {
	struct sd_header header;
	uint64_t token;
	uint64_t address; /* whose folio is faulted in, and then fails */
	uint32_t thread;
	uint32_t advice; /* MADV_HWPOISON or MADV_SOFT_OFFLINE */
};

#define SD_POISONED_SIGNAL 1u /* the calling thread gets a BUS_MCEERR_AR */

struct sd_poisoned {
	struct sd_header header;
	int32_t error; /* what madvise() must fail with: 0 or -errno */
	uint32_t flags;
	uint64_t address; /* the signal's */
	uint64_t step;	  /* bytes to the next folio to fail */
	uint32_t shift;	  /* the signal's si_addr_lsb */
	uint32_t reserved;
};

enum sd_error_kind {
	SD_ERROR_POISON = 1,	    /* software: the handler runs, the medium stays good */
	SD_ERROR_MACHINE_CHECK = 2, /* the handler runs, bad blocks come, the medium is bad */
	SD_ERROR_MEDIA = 3,	    /* the medium is bad, and known to be */
	SD_ERROR_LATENT = 4,	    /* the medium is bad, and nobody knows */
};

#define SD_INJECT_DATA_STAYS 1u /* SD_ERROR_MACHINE_CHECK: the medium stays good */

struct sd_inject {
	struct sd_header header;
	uint32_t device;
	uint32_t kind;	/* enum sd_error_kind */
	uint64_t first; /* sectors of 512 bytes */
	uint64_t count;
	uint64_t after;	 /* before the device's fault that comes so many faults from now; 0: now */
	int32_t process; /* who consumes it; 0: nobody.  SD_ERROR_POISON and SD_ERROR_MACHINE_CHECK */
	uint32_t flags;
};

struct sd_get_armed {
	struct sd_header header;
	uint32_t device;
	uint32_t first; /* error to begin with */
};

struct sd_armed_error { /* waits for a fault of its device */
	uint64_t first; /* sectors of 512 bytes */
	uint64_t count; /* 0: those of the page of that fault */
	uint64_t faults; /* it comes with the so manieth from now, counted from 1 */
	uint32_t kind;	 /* enum sd_error_kind */
	uint32_t reserved;
};
#define SD_ARMED_PER_MESSAGE 1024u

struct sd_armed {
	struct sd_header header;
	uint32_t count;
	uint32_t next; /* error to ask for next; 0: that was all */
	/* then count × struct sd_armed_error */
};

struct sd_clear_errors {
	struct sd_header header;
	uint32_t device;
	uint32_t reserved;
	uint64_t first; /* sectors of 512 bytes */
	uint64_t count; /* 0: to the end */
};

struct sd_cleared {
	struct sd_header header;
	uint64_t bytes;
};

enum sd_setting {
	SD_SETTING_EARLY_KILL = 1, /* vm.memory_failure_early_kill */
	SD_SETTING_RECOVERY = 2,   /* vm.memory_failure_recovery */
};

struct sd_set { /* a setting of the emulated kernel, from now on */
	struct sd_header header;
	uint32_t setting; /* enum sd_setting */
	uint32_t value;   /* 0: off */
};

enum sd_error_list {
	SD_ERRORS_INJECTED = 1, /* what the medium cannot give */
	SD_ERRORS_KNOWN = 2,	/* the list of bad blocks */
};

struct sd_get_errors {
	struct sd_header header;
	uint32_t device;
	uint32_t list;	/* enum sd_error_list */
	uint64_t first; /* sector to begin with */
};

struct sd_range { /* sectors of 512 bytes */
	uint64_t first;
	uint64_t count;
};
#define SD_RANGES_PER_MESSAGE 1024u

struct sd_errors {
	struct sd_header header;
	uint32_t count;
	uint32_t reserved;
	uint64_t next; /* sector to ask for next; 0: that was all */
	/* then count × struct sd_range */
};

struct sd_scrub {
	struct sd_header header;
	uint32_t starts; /* 1: begin one; 0: only wait for what is under way */
	uint32_t reserved;
};

struct sd_scrubbed {
	struct sd_header header;
	uint64_t scrubs; /* complete since the server began */
};

struct sd_get_owners {
	struct sd_header header;
	uint32_t device;
	uint32_t first; /* mapping to begin with */
	uint64_t page;	/* pfn, 4 KiB units */
};

#define SD_OWNER_PRESENT 1u /* it has an entry for the page */
#define SD_OWNER_EARLY 2u   /* PR_MCE_KILL_EARLY */
#define SD_OWNER_LATE 4u    /* PR_MCE_KILL_LATE */

struct sd_owner { /* one mapping */
	int32_t process;
	uint32_t shift; /* si_addr_lsb */
	uint64_t address;
	uint32_t flags;
	char command[16];
	uint32_t reserved;
};
#define SD_OWNERS_PER_MESSAGE 1024u

struct sd_owners {
	struct sd_header header;
	uint32_t count;
	uint32_t next; /* mapping to ask for next; 0: that was all */
	/* then count × struct sd_owner */
};

enum sd_block_owner_kind {
	SD_BLOCK_FILE = 1,	 /* data of a file */
	SD_BLOCK_EXTENT_MAP = 2, /* of the tree that maps a file */
	SD_BLOCK_ATTRIBUTES = 3,
	SD_BLOCK_METADATA = 4, /* the filesystem's own */
};

#define SD_BLOCK_SHARED 1u    /* it has more owners */
#define SD_BLOCK_UNWRITTEN 2u /* reads as zeroes */

struct sd_block_owner {
	uint32_t kind; /* enum sd_block_owner_kind */
	uint32_t flags;
	uint64_t inode;	 /* but for SD_BLOCK_METADATA */
	uint64_t page;	 /* of the file, 4 KiB; SD_BLOCK_FILE */
	uint32_t links;	 /* names that the inode has */
	uint32_t metadata; /* SD_BLOCK_METADATA: which, a number of BlockOwner.Metadata */
};
#define SD_BLOCK_OWNERS_PER_MESSAGE 1024u

struct sd_block_owners {
	struct sd_header header;
	uint32_t count;
	uint32_t next; /* owner to ask for next; 0: that was all */
	/* then count × struct sd_block_owner */
};

struct sd_get_paths {
	struct sd_header header;
	uint32_t device; /* of a mount */
	uint32_t count;	 /* at most SD_PATHS_PER_MESSAGE */
	/* then count × uint64_t: inodes */
};
#define SD_PATHS_PER_MESSAGE 1024u
#define SD_PATH_BYTES_MOST 61440u

struct sd_paths {
	struct sd_header header;
	uint32_t count;	 /* of the first so many inodes asked for; the rest is to be asked for again */
	uint32_t length; /* at most SD_PATH_BYTES_MOST */
	/* then length bytes: from the mount's directory on, each ended by NUL; empty for a file without a name */
};

enum sd_kernel { /* of those whose behaviour is modelled */
	SD_KERNEL_SERVER = 0, /* the one that the server is */
	SD_KERNEL_6_1 = 1,
	SD_KERNEL_6_12 = 2,
	SD_KERNEL_7_2 = 3,
};

struct sd_predict { /* nothing is done */
	struct sd_header header;
	uint32_t device;
	uint32_t kind;	 /* enum sd_error_kind */
	uint64_t page;	 /* pfn, 4 KiB units */
	int32_t process; /* as in sd_inject */
	uint32_t first;	 /* verdict to begin with */
	uint32_t kernel; /* enum sd_kernel: whose rules */
	uint32_t reserved;
};

enum sd_verdict_kind {
	SD_VERDICT_NOT_PRESENT = 1, /* no entry for the page */
	SD_VERDICT_NOT_EARLY = 2,   /* has asked for nothing early */
	SD_VERDICT_LEADER_GONE = 3, /* its main thread has ended */
	SD_VERDICT_OPTIONAL = 4,    /* BUS_MCEERR_AO */
	SD_VERDICT_REQUIRED = 5,    /* BUS_MCEERR_AR */
};

struct sd_verdict { /* a process that is passed over, or one signal */
	int32_t process;
	int32_t thread;
	uint64_t address;
	uint32_t shift;
	uint32_t verdict; /* enum sd_verdict_kind */
	char command[16];
};
#define SD_VERDICTS_PER_MESSAGE 1024u

enum sd_outcome {
	SD_OUTCOME_HANDLED = 1,
	SD_OUTCOME_UNKNOWN_OWNER = 2, /* EBUSY: no process has ever had it */
	SD_OUTCOME_LATER = 3,	      /* nothing happens before somebody touches it */
	SD_OUTCOME_SHUTDOWN = 4,      /* EFSCORRUPTED: metadata is lost, the filesystem shuts down */
	SD_OUTCOME_IO_ERROR = 5,      /* EIO: the filesystem has shut down, no owner is found */
	SD_OUTCOME_PANIC = 6,	      /* the machine stops */
};

struct sd_prediction {
	struct sd_header header;
	uint32_t count;
	uint32_t next;	      /* verdict to ask for next; 0: that was all */
	uint32_t outcome;     /* enum sd_outcome */
	uint32_t unmap_shift; /* log2 of the bytes that go from every page table; 0: none */
	/* then count × struct sd_verdict */
};

/* ------------------------------------------------------------------ what happens, as it happens */

#define SD_WATCH_PAGES 1u /* faults, insertions and zaps as well */

struct sd_watch {
	struct sd_header header;
	uint32_t flags;
	uint32_t reserved;
};

enum sd_event_type {
	SD_EVENT_FAULT_TAKEN = 1, /* process, thread, address, offset */
	SD_EVENT_INSERT = 2,	  /* process, address, offset, length */
	SD_EVENT_ZAP = 3,	  /* offset, length; process, or 0: out of every page table */
	SD_EVENT_INJECT = 4,	  /* offset, length, code = enum sd_error_kind */
	SD_EVENT_FAILURE = 5,	  /* offset, length; process and thread: who is current; code = enum sd_outcome */
	SD_EVENT_VERDICT = 6,	  /* process, code = enum sd_verdict_kind */
	SD_EVENT_SIGNAL = 7,	  /* process, thread, address, shift, code = BUS_MCEERR_*; error */
	SD_EVENT_HANDLED = 8,	  /* the same: a handler was called with it */
	SD_EVENT_FATAL = 9,	  /* process; code = the signal it died of */
	SD_EVENT_CLEAR = 10,	  /* offset, length */
	SD_EVENT_BAD_BLOCKS = 11, /* the list is another one */
	SD_EVENT_ENABLE = 12,
	SD_EVENT_DISABLE = 13,
	SD_EVENT_REFUSED = 14, /* a rule's error could not come: error */
	SD_EVENT_PANIC = 15,   /* offset, length */
	SD_EVENT_END = 16,     /* process: its address space has gone */
};

struct sd_happening {
	uint64_t sequence;
	uint64_t time; /* CLOCK_MONOTONIC, ns */
	uint64_t address;
	uint64_t offset; /* bytes of the device */
	uint64_t length;
	uint32_t type;	/* enum sd_event_type */
	int32_t device; /* -1: none */
	int32_t process;
	int32_t thread;
	int32_t code;
	uint32_t shift;
	int32_t error; /* -errno */
	char command[16];
	uint32_t reserved;
};
#define SD_EVENTS_PER_MESSAGE 512u

struct sd_events {
	struct sd_header header;
	uint32_t count;
	uint32_t reserved;
	uint64_t lost; /* that came before the first of these, and are in no message */
	/* then count × struct sd_happening */
};

/* ------------------------------------------------------------------ latencies, on the wire */

/* Bucket index of a value in ns: see Latency/BucketScale.swift and sd_bucket() in CSoftdax. */
struct sd_bucket_count {
	uint32_t bucket;
	uint32_t reserved;
	uint64_t count;
};
#define SD_BUCKETS_PER_MESSAGE 512u

/* ------------------------------------------------------------------ tools */

#define SD_SERVER_PANICKED 1u /* a page failed while vm.memory_failure_recovery was 0 */

struct sd_server {
	struct sd_header header;
	int32_t pid;
	uint32_t devices;
	uint32_t workloads; /* attached now */
	uint32_t flags;
	uint64_t attached_ever;
	int32_t awaited; /* the process that a change of the media waits for, or 0 */
	uint32_t reserved;
	char directory[128];
};

struct sd_get_device {
	struct sd_header header;
	uint32_t device;
	uint32_t reserved;
};

enum sd_medium {
	SD_MEDIUM_MEMFD = 1,
	SD_MEDIUM_HUGETLB = 2,
	SD_MEDIUM_TMPFS = 3,
	SD_MEDIUM_FILE = 4,
	SD_MEDIUM_DEVICE = 5,
};

#define SD_DEVICE_MAPPED_BY_HOST 1u /* files of its filesystem are, and nothing of that is known */

struct sd_device {
	struct sd_header header;
	char name[32]; /* "dax0.0" */
	char medium_path[256];
	uint64_t size;
	uint64_t alignment;
	uint64_t resource; /* physical address that the device claims */
	uint64_t mapped_pages; /* 4 KiB units with mapcount > 0 */
	uint64_t inserted_ever; /* insertions since the server began, in units of the alignment */
	uint64_t faults_ever;   /* userfaultfd events handled */
	uint64_t pagemap_references;
	uint32_t medium; /* enum sd_medium */
	uint32_t major;
	uint32_t minor;
	int32_t target_node;
	uint32_t workloads; /* address spaces that map it now */
	uint32_t flags;
	char mountpoint[256]; /* where its filesystem is mounted; empty: it is a device that is mapped itself */
};

struct sd_get_pages {
	struct sd_header header;
	uint32_t device;
	uint32_t reserved;
	uint64_t first; /* pfn, 4 KiB units; rounded down to its folio */
	uint64_t count; /* in 4 KiB units; 0: to the end */
};

#define SD_PAGE_IDLE 1u

struct sd_page { /* one folio */
	uint64_t pfn;
	uint64_t physical;
	uint32_t order;
	uint32_t flags;
	uint32_t refcount;
	uint32_t mapcount;
	uint32_t pincount;
	uint32_t share;
};
#define SD_PAGES_PER_MESSAGE 1024u

struct sd_pages {
	struct sd_header header;
	uint32_t count;
	uint32_t reserved;
	uint64_t next; /* pfn to ask for next; 0: that was all */
	/* then count × struct sd_page */
};

enum sd_latency {
	SD_LATENCY_INSERT = 1, /* server: event read to page installed */
	SD_LATENCY_LOOKUP = 2, /* its parts: event read to reference taken */
	SD_LATENCY_INSTALL = 3, /* the ioctl, or the agent's remap */
};

struct sd_get_latency {
	struct sd_header header;
	uint32_t device;
	uint32_t latency; /* enum sd_latency */
	uint32_t first;   /* bucket to begin with */
	uint32_t reserved;
};

struct sd_latency_reply {
	struct sd_header header;
	uint32_t count; /* entries that follow: ascending buckets, no zero counts */
	uint32_t next;  /* bucket to ask for next; 0: that was all */
	uint64_t maximum; /* ns, exact */
	uint64_t minimum; /* ns, exact */
	/* then count × struct sd_bucket_count */
};

struct sd_locate {
	struct sd_header header;
	uint64_t address; /* in the process that asks; any byte */
};

/* What /proc/PID/pagemap of the emulated kernel would say of the page, if it is present. */
#define SD_LOCATED_FILE_OR_SHARED 1u
#define SD_LOCATED_EXCLUSIVE 2u

struct sd_located {
	struct sd_header header;
	uint64_t physical; /* of the page's first byte, as the device's resource has it */
	uint32_t device;
	uint32_t flags;
};

#define SD_ASSERT_SIZE(name, size) _Static_assert(sizeof(struct name) == (size), #name " has a hole")
SD_ASSERT_SIZE(sd_header, 8);
SD_ASSERT_SIZE(sd_done, 16);
SD_ASSERT_SIZE(sd_table_header, 16);
SD_ASSERT_SIZE(sd_table_entry, 120);
SD_ASSERT_SIZE(sd_attach, 48);
SD_ASSERT_SIZE(sd_attached, 24);
SD_ASSERT_SIZE(sd_device_fd, 16);
SD_ASSERT_SIZE(sd_insert, 48);
SD_ASSERT_SIZE(sd_put, 48);
SD_ASSERT_SIZE(sd_map, 64);
SD_ASSERT_SIZE(sd_map_plan, 40);
SD_ASSERT_SIZE(sd_mapped, 32);
SD_ASSERT_SIZE(sd_adopt, 72);
SD_ASSERT_SIZE(sd_change, 64);
SD_ASSERT_SIZE(sd_change_plan, 48);
SD_ASSERT_SIZE(sd_changed, 32);
SD_ASSERT_SIZE(sd_populate, 32);
SD_ASSERT_SIZE(sd_write_attribute, 32);
SD_ASSERT_SIZE(sd_control, 24);
SD_ASSERT_SIZE(sd_controlled, 16);
SD_ASSERT_SIZE(sd_poison_header, 16);
SD_ASSERT_SIZE(sd_handled, 32);
SD_ASSERT_SIZE(sd_handled_ring, 4096 + 32 * SD_NOTES);
SD_ASSERT_SIZE(sd_poison, 32);
SD_ASSERT_SIZE(sd_poisoned, 40);
SD_ASSERT_SIZE(sd_inject, 48);
SD_ASSERT_SIZE(sd_clear_errors, 32);
SD_ASSERT_SIZE(sd_cleared, 16);
SD_ASSERT_SIZE(sd_set, 16);
SD_ASSERT_SIZE(sd_get_errors, 24);
SD_ASSERT_SIZE(sd_range, 16);
SD_ASSERT_SIZE(sd_errors, 24);
SD_ASSERT_SIZE(sd_scrub, 16);
SD_ASSERT_SIZE(sd_scrubbed, 16);
SD_ASSERT_SIZE(sd_get_owners, 24);
SD_ASSERT_SIZE(sd_owner, 40);
SD_ASSERT_SIZE(sd_owners, 16);
SD_ASSERT_SIZE(sd_get_armed, 16);
SD_ASSERT_SIZE(sd_armed_error, 32);
SD_ASSERT_SIZE(sd_armed, 16);
SD_ASSERT_SIZE(sd_block_owner, 32);
SD_ASSERT_SIZE(sd_block_owners, 16);
SD_ASSERT_SIZE(sd_get_paths, 16);
SD_ASSERT_SIZE(sd_paths, 16);
SD_ASSERT_SIZE(sd_predict, 40);
SD_ASSERT_SIZE(sd_verdict, 40);
SD_ASSERT_SIZE(sd_prediction, 24);
SD_ASSERT_SIZE(sd_watch, 16);
SD_ASSERT_SIZE(sd_happening, 88);
SD_ASSERT_SIZE(sd_events, 24);
SD_ASSERT_SIZE(sd_bucket_count, 16);
SD_ASSERT_SIZE(sd_server, 168);
SD_ASSERT_SIZE(sd_get_device, 16);
SD_ASSERT_SIZE(sd_device, 632);
SD_ASSERT_SIZE(sd_get_pages, 32);
SD_ASSERT_SIZE(sd_page, 40);
SD_ASSERT_SIZE(sd_pages, 24);
SD_ASSERT_SIZE(sd_get_latency, 24);
SD_ASSERT_SIZE(sd_latency_reply, 32);
SD_ASSERT_SIZE(sd_locate, 16);
SD_ASSERT_SIZE(sd_located, 24);

#endif

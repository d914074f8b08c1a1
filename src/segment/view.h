/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader knows of one segment: a copy, checked once, of which everything points into memory
 * of its own. Made by segment_view_load (a live or dead segment, or an image in a file); read by
 * analyze/ and by whoever shows it. References are counted: many may hold a view, in any thread,
 * once nobody changes it any more.
 *
 * Two depths. VIEW_TOTALS: no buffers, figures from the writer's counters where they could be read
 * at one op number, which costs little however many buffers are live. VIEW_BUFFERS: every live
 * buffer, all figures recomputed from the slots, exact at one op number. For the dead both are
 * recomputed.
 */
#ifndef MESHTALLY_SEGMENT_VIEW_H
#define MESHTALLY_SEGMENT_VIEW_H

#include "layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum view_depth { VIEW_TOTALS, VIEW_BUFFERS };

/* How the subject stands at the time of reading. */
enum view_life {
	LIFE_ALIVE,
	LIFE_ENDED,   /* ran to its end */
	LIFE_KILLED,  /* died without coming to its end: a signal, _exit, a crash */
	LIFE_EXEC,    /* replaced its program by exec: no verdict on what was live */
	LIFE_STOPPED, /* tracking was turned off */
	LIFE_IMAGE    /* read from a file that does not say */
};

/* Bytes and strings of foreign origin: any bytes, not terminated by them. */
struct view_string {
	const char *bytes; /* NUL-terminated copy; may contain any byte but NUL (NUL becomes '?') */
	uint32_t length;
};

struct view_device {
	uint64_t unique_id;     /* 0 unknown */
	int32_t ordinal;        /* of unplaced: means nothing */
	bool unplaced;          /* no chip: the place of what is allocated, but on no chip yet */
	uint64_t ordinals;      /* hash of the mask that `ordinal` counts by; 0 unknown */
	const char *arch, *bus; /* "" unknown */
	uint32_t memory_count;
	struct segment_memory memories[SEGMENT_MAX_MEMORIES];
};

struct view_space {
	uint32_t handle;
	uint8_t type, state; /* SPACE_DEVICE.., SPACE_OPEN.. */
	uint16_t flags;
	uint16_t rows, columns;
	uint32_t member_count;
	uint32_t *members; /* device index or SPACE_REMOTE; for a device one entry */
	uint32_t parent;
	const char *name;
	uint64_t open_op, ready_op, close_op;
	uint64_t resident_count;
	struct segment_resident *residents;
};

/* A buffer that is live, or (closed = true) was live when its space was closed. */
struct view_buffer {
	uint64_t id, bytes, span;
	uint64_t address; /* SEGMENT_NO_ADDRESS: not known */
	uint64_t op;      /* of its allocation, or of its last move */
	uint64_t time;    /* of its allocation, as in the file: always the same; 0 unknown */
	uint64_t time_ns; /* that as CLOCK_REALTIME, approximate; 0 unknown */
	uint64_t parent;
	uint32_t slot;
	uint32_t space; /* index into spaces[] */
	uint32_t tag;   /* index into tags[] */
	uint32_t thread;
	uint32_t region;
	uint16_t flags; /* MT_* */
	uint8_t kind;
	uint8_t class_now; /* CLASS_* */
	uint8_t repeats;   /* frees that belong to it beside its own; SLOT_REPEATS_MAX: or more */
	bool closed;
	bool one_bank;    /* span lies in one bank: held = span, else span * banks */
	bool incomplete;  /* freed while reading: address, site and time are not known */
	const char *site; /* "" none */
	/* NULL: every local member has `bytes`. Else bytes per member, 0 where the share is gone.
	 */
	uint64_t *member_bytes;
};

struct view_tag {
	uint32_t parent; /* index; 0 is the root "" */
	const char *name;
	const char *path; /* "a/b/c" */
};

/* A figure of one device and kind: by class, bytes; held of the counted classes. */
struct view_figure {
	uint64_t bytes[CLASS_LIMIT];
	uint64_t buffers[CLASS_LIMIT];
	uint64_t held;
	uint64_t peak, peak_since_mark; /* held */
	uint64_t capacity;              /* 0 unknown */
	uint32_t frame;                 /* index into frames[] + 1; 0 none */
};

/* A row: the figures of one {space, member, kind, class, tag}, per member device. */
struct view_row {
	uint32_t space;  /* index */
	uint16_t member; /* ROW_ALL_MEMBERS or member index */
	uint8_t kind;
	uint8_t class_now;
	uint32_t tag; /* index */
	bool closed;  /* of a closed space: what was not given back */
	uint64_t bytes, held, buffers, allocs, frees;
};

struct view_fault {
	uint32_t type;         /* mt_result */
	uint32_t space;        /* index, or UINT32_MAX */
	uint32_t kind, device; /* UINT32_MAX unknown; device index */
	uint64_t id, bytes_first, bytes_second;
	uint64_t address; /* SEGMENT_NO_ADDRESS: not known */
	const char *tag_first, *site_first, *tag_second, *site_second;
	uint32_t thread_first, thread_second;
	uint64_t first_op, last_op, first_ns, last_ns; /* times: CLOCK_REALTIME */
	uint64_t count;
};

struct view_line {
	uint32_t space; /* index or UINT32_MAX */
	uint16_t member;
	uint8_t kind, class_then;
	const char *tag;
	uint32_t buffers;
	uint64_t bytes, held;
};

struct view_frame {
	uint64_t op, time_ns;
	uint32_t kind, line_count;
	struct view_line *lines;
	uint64_t rest_bytes, rest_buffers;
};

struct view_failure_buffer {
	uint64_t id, bytes, span, time_ns;
	uint64_t address; /* SEGMENT_NO_ADDRESS: not known */
	uint32_t space;   /* index or UINT32_MAX */
	uint32_t thread;
	const char *tag, *site;
	uint8_t class_then;
};

struct view_failure {
	uint64_t op, time_ns, bytes, span, free_span, largest_span;
	uint32_t space, kind, thread, number;
	const char *reason, *tag;
	uint32_t device_count, line_count, buffer_count, buffers_total;
	struct segment_failure_device *devices;
	struct view_line *lines;
	struct view_failure_buffer *buffers;
};

struct view_mark {
	uint64_t op, time_ns, n;
	uint64_t time; /* as in the file */
	const char *name;
};

struct view_program {
	uint64_t id;
	uint32_t tag;
	bool live;
	uint32_t cb_count;
	struct segment_cb *cbs;
};

/* What times in the file were told by, for whoever writes them again. */
struct view_clock {
	uint32_t clock; /* SEGMENT_CLOCK_* */
	uint64_t birth_time, birth_monotonic_ns;
	double ns_per_tick; /* 0 not known */
};

struct segment_view {
	const char *name; /* file name, or of the image */
	uint64_t identity, run_id;
	enum view_life life;
	enum view_depth depth;
	struct segment_process writer, subject;
	/* What a proxy's subject is in its own pid namespace; 0: the same, or not known. */
	int32_t inner_pid;
	uint64_t inner_pid_ns;
	int32_t rank;
	const char *comm, *command_line;
	uint64_t birth_realtime_ns;
	struct view_clock clock;
	uint32_t state; /* SEGMENT_STATE_* */
	uint64_t op;    /* everything below is exact at this op number, */
	bool exact;     /* unless false: then off by at most this many events */
	uint64_t off_by_events;
	/* CLOCK_REALTIME, 0 unknown: of the last operation; and of the reading, or, of an image, of
	 * its making. */
	uint64_t last_ns, read_ns;
	uint64_t last_time; /* of the last operation, as in the file; 0 unknown */
	uint64_t no_detail_buffers, refused, unrecorded, populated_bytes, cap_bytes;
	uint64_t inexact_op;
	uint64_t exit_op;       /* of the program's end; 0 none */
	struct segment_end end; /* of the subject; known iff end.realtime_ns is not 0 */
	/* The process that writes the segment is gone; with is_proxy the subject may live on, and
	 * what is shown of it is old. */
	bool writer_gone;
	bool is_proxy;            /* written by another process than the subject */
	uint64_t corrupt_records; /* that made no sense and were left out */
	/* Figures recomputed from slots differ from the writer's counters (only VIEW_BUFFERS of a
	 * live, exact view): a bug, or a corrupt file. */
	bool counters_differ;

	uint32_t kind_count;
	char kind_names[SEGMENT_MAX_KINDS][SEGMENT_KIND_NAME + 1];
	uint32_t device_count, space_count, tag_count, row_count, buffer_count, fault_count;
	uint32_t frame_count, failure_count, mark_count, program_count;
	struct view_device *devices;
	struct view_space *spaces; /* open and closed ones, by open_op */
	struct view_tag *tags;     /* [0] is none */
	struct view_row *rows;
	struct view_figure *figures; /* [kind * device_count + device] */
	struct view_buffer *buffers;
	struct view_fault *faults;
	struct view_frame *frames;
	struct view_failure *failures;
	struct view_mark *marks; /* oldest first */
	struct view_program *programs;
	uint64_t faults_by_type[SEGMENT_FAULT_TYPES];
	uint64_t fault_total;

	struct arena *arena; /* owns all of the above */
	uint32_t references; /* besides the first one; changed by segment_view_hold() and _destroy() */
};

/* Gives a reference back; with the last one the view ends. NULL is fine. */
void segment_view_destroy(struct segment_view *view);
/* Another reference to a view that is shared, and not changed any more. From any thread. */
struct segment_view *segment_view_hold(struct segment_view *view);

#endif

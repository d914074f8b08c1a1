/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over single buffers, any number of them, in little memory: the first ones in some order,
 * the map of one device, ages, and what has stayed since a mark. Buffers are shown to it one by one
 * (survey_add), from a stream of a live segment or from a view; nothing of them is kept but what
 * the result has.
 */
#ifndef MESHTALLY_ANALYZE_SURVEY_H
#define MESHTALLY_ANALYZE_SURVEY_H

#include "listing.h"
#include "machine.h"
#include "selection.h"

/* Which buffers; zeroed is all. Strings are the caller's, or (in a request that was copied) its. */
struct survey_filter {
	const char *const *tags; /* any of them matches, see tag_matches() */
	size_t tag_count;
	const char *const *words; /* each is in tag, site or command, see text_has_word() */
	size_t word_count;
	uint64_t least_bytes, most_bytes;   /* on each device; most 0: none */
	uint64_t least_age_ns, most_age_ns; /* likewise; of what has no time neither holds */
};

enum { SURVEY_LIST_LIMIT = 1000, SURVEY_MAP_BINS = 4096, SURVEY_HOLES = 16, SURVEY_STEPS = 16 };

/* Since when a process is asked for: by the identity of its segment. */
struct survey_since {
	uint64_t identity, op;
	uint64_t time; /* of that op, as in the file; 0 unknown */
};

struct survey_request {
	/* By names as in options, so that it can be resolved for each scene. They are alternatives;
	 * if nothing has any of them the survey is empty. */
	const char *const *devices, *const *kinds;
	size_t device_count, kind_count;
	const int32_t *pids;
	size_t pid_count;
	struct survey_filter filter;
	enum listing_order order; /* of the list */
	bool dead;
	bool lists; /* the list of buffers is wanted; with has_mark of those that growth counts */
	/* A map of this device is wanted, which no filter cuts down. With lists: only buffers that
	 * are on it pass. */
	bool has_focus;
	uint64_t focus_unique_id; /* 0, or nobody has it: named as in selection_device() by: */
	char focus[64];
	bool has_mark; /* growth since a mark is wanted; processes that are not in it: since their
	                * beginning */
	const struct survey_since *since;
	size_t since_count;
};

struct survey_buffer {
	uint64_t identity; /* of the segment */
	int32_t pid;
	/* Of its records the first in the order; bytes and held on each device (bytes: on the focus
	 * where there is one, else the largest share), total_bytes on all selected ones. */
	uint64_t id, bytes, span, held, total_bytes, time_ns, op;
	uint64_t address; /* SEGMENT_NO_ADDRESS: not known */
	uint32_t devices;
	uint32_t first_row; /* the lowest */
	uint32_t kind;      /* of the machine */
	uint8_t class_now;
	uint16_t flags;
	uint32_t thread;
	const char *command, *tag, *site; /* the survey's; any bytes */
};

/* What lies where in one memory of the focus: bins are equal parts of a bank. */
struct survey_bin {
	uint16_t used;     /* of 65,535; 0 and 65,535 are exact */
	uint8_t class_now; /* of most of it */
};
struct survey_hole {
	uint64_t address, bytes; /* per bank */
};
struct survey_map {
	uint32_t kind;
	bool known;          /* every byte is accounted for by a buffer with an address */
	uint64_t no_address; /* buffers that are not in it, since it is not known where they lie */
	uint64_t base, bank_bytes;
	uint32_t banks;
	uint64_t free, largest, hole_count; /* per bank */
	uint32_t listed_holes;
	struct survey_hole holes[SURVEY_HOLES]; /* the largest first */
	struct survey_bin bins[SURVEY_MAP_BINS];
};

enum survey_age {
	AGE_SECOND,
	AGE_10_SECONDS,
	AGE_MINUTE,
	AGE_10_MINUTES,
	AGE_HOUR,
	AGE_DAY,
	AGE_OLDER,
	SURVEY_AGES
};
/* Of counted classes; what has no time is in none. */
struct survey_age_sum {
	uint64_t records, device_buffers, total_bytes;
};

/* User's and cached buffers of {process, tag, site, kind, class} that came after the mark and are
 * still there; and in which steps of the program those that are live came: [0] is the step under
 * way, [1] the one before. A step begins at a mark (mt_mark) of the name that most marks have.
 * Where there are tens of thousands of sites, the groups of some have none. */
struct survey_growth {
	uint64_t identity;
	int32_t pid;
	uint32_t kind;
	uint8_t class_now;
	const char *command, *tag, *site;
	/* Since the mark, on all devices; oldest_ns is when the first of them came. */
	uint64_t stayed_records, stayed_device_buffers, stayed_bytes, oldest_ns;
	uint64_t step_bytes[SURVEY_STEPS];
	uint32_t steps; /* how many of step_bytes are known */
	/* At least 3 steps, and each of them left something; the one under way need not. */
	bool grows_each_step;
};

struct survey {
	unsigned refs;
	bool exact;
	uint64_t off_by_events;
	uint64_t cost_ns; /* of processor time */
	uint64_t realtime_ns;
	uint64_t records, device_buffers, bytes; /* that passed the filter, counted classes */
	uint64_t no_detail;
	VEC(struct survey_buffer) list; /* in the order asked for, at most SURVEY_LIST_LIMIT */
	VEC(struct survey_map) maps;    /* kinds of the focus with a capacity */
	uint32_t focus_row;             /* UINT32_MAX: no such device now */
	struct survey_age_sum ages[SURVEY_AGES];
	/* By what stayed, and then by what is left of all steps, the largest first. */
	VEC(struct survey_growth) growth;
	bool has_mark;
	/* The lowest address of a counted L1 buffer per row of the machine; UINT64_MAX: none. Of
	 * all processes where circular buffers are in use, whatever the filter: for the headroom.
	 */
	VEC(uint64_t) lowest_l1;
	struct arena *arena; /* of the strings */
};

/* A pass: begin, each process's buffers, end. The machine and the request, with its strings, must
 * live until the end. */
struct survey_pass;
struct survey_pass *survey_begin(const struct machine *machine,
                                 const struct survey_request *request, uint64_t now_ns);
/* Whether buffers of a process are wanted at all, for the list, the map or the headroom. */
bool survey_wants(const struct survey_pass *pass, const struct machine_process *process);
/* The next buffers are of this process. `view` is of the same segment as process->view (which was
 * read earlier), and what the buffers' numbers refer to; it may end once the last of them is added.
 */
void survey_process(struct survey_pass *pass, const struct machine_process *process,
                    const struct segment_view *view);
void survey_add(struct survey_pass *pass, const struct view_buffer *buffer);
/* What was added may be off by so many events: they went on while it was read. */
void survey_inexact(struct survey_pass *pass, uint64_t events);
/* Returns the result with one reference. */
struct survey *survey_end(struct survey_pass *pass);

struct survey *survey_hold(struct survey *survey);
void survey_release(struct survey *survey); /* NULL is fine; from any thread */

#endif

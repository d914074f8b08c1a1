/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a survey consists of while it is made: the process at hand (survey.c), the list
 * (survey_list.c), growth (survey_growth.c) and the map of the focus (survey_map.c). What can be
 * known of a {space, kind, class, tag} is found out once per process, so that a buffer costs
 * little.
 */
#ifndef MESHTALLY_ANALYZE_SURVEY_INTERNAL_H
#define MESHTALLY_ANALYZE_SURVEY_INTERNAL_H

#include "holes.h"
#include "string_pool.h"
#include "survey.h"

/* A space of the process at hand, as far as its devices are selected. */
struct survey_space {
	struct space_members selected;
	uint32_t *rows; /* of all members, selected or not; UINT32_MAX none */
	uint32_t member_count;
	uint32_t focus_member; /* UINT32_MAX: none is the focus */
	bool open;
	uint64_t lowest_l1; /* UINT64_MAX none */
};

enum tag_verdict { TAG_NO, TAG_YES, TAG_ASK_SITE };

/* A moment in a process: its last operation until then, and when that was; time 0: not known. */
struct growth_since {
	uint64_t op, time;
};

/* The process at hand. */
struct survey_now {
	const struct machine_process *process;
	const struct segment_view *view; /* the newer one */
	uint32_t number;                 /* of the process in this survey */
	bool listed;                     /* it is selected */
	bool bounds;                     /* its L1 buffers bound the headroom */
	struct survey_space *spaces;
	uint32_t *members; /* of the spaces */
	uint32_t space_count, tag_count, kind_count;
	uint8_t kinds[SEGMENT_MAX_KINDS]; /* of the machine */
	bool kind_listed[SEGMENT_MAX_KINDS];
	struct map_memory *memories[SEGMENT_MAX_KINDS]; /* of the focus; NULL none */
	uint8_t *verdicts;                              /* by tag; NULL: all pass */
	const char **tags; /* by tag: in the pool, once they were needed */
	bool *word_done;   /* by word: it is in the command */
	bool grows;        /* it has a mark or steps */
	bool since_start;
	struct growth_since since;
	struct growth_since step_starts[SURVEY_STEPS]; /* step n came after step_starts[n] */
	uint32_t steps;
};

/* A buffer that passed the filters. */
struct survey_candidate {
	const struct view_buffer *buffer;
	const struct survey_space *space;
	uint64_t total_bytes;
	uint32_t devices;
};

enum { SURVEY_LINES = 2 * SURVEY_LIST_LIMIT, LINE_BUCKETS = 4096, SITE_CACHE = 1024 };

/* An entry of the list, perhaps of several records. */
struct survey_line {
	struct survey_buffer out; /* its strings are in the pool */
	uint64_t hash, bytes;     /* bytes: of its records, the largest share of each */
	uint64_t *rows;           /* that it is on, a bit each; NULL: those of its space */
	uint32_t process, tag, region, space;
	uint32_t heap_at;
	uint32_t next; /* in its bucket; + 1 */
	bool incomplete;
};

struct survey_list {
	enum listing_order order;
	VEC(struct survey_line) lines;
	uint32_t heap[SURVEY_LINES];    /* lines, the last in the order first */
	uint32_t buckets[LINE_BUCKETS]; /* line + 1 */
};

struct growth_group {
	struct survey_growth out;
	uint32_t process, tag;
};

struct survey_groups {
	VEC(struct growth_group) groups;
	struct lookup by_key;
};

struct map_memory {
	uint32_t kind;
	struct hole_memory memory;
	struct hole_extents extents;
};

struct survey_pass {
	const struct machine *machine;
	const struct survey_request *request;
	struct survey *survey;
	struct selection selection;
	bool nothing;                      /* asked for by a name that nothing has */
	bool cores;                        /* the lowest L1 buffer is of use to somebody */
	uint32_t focus_row;                /* UINT32_MAX none */
	uint64_t cpu_ns;                   /* when it began */
	uint64_t now_ns;                   /* its time */
	uint64_t ages_ns[SURVEY_AGES - 1]; /* born at or after: of this age */
	uint64_t earliest_ns, latest_ns;   /* births that pass */
	bool asks_age;
	uint32_t processes;
	struct survey_now now;
	VEC(struct map_memory) memories;
	struct survey_list list;
	struct survey_groups growth;
	struct string_pool pool; /* of lines and groups */
	size_t pool_limit;
	struct {
		const char *site, *kept;
	} sites[SITE_CACHE]; /* of the process at hand */
};

/* In the pool, and quickly where it was there before. */
const char *survey_site(struct survey_pass *pass, const char *site);
const char *survey_tag(struct survey_pass *pass, uint32_t tag);

void survey_list_offer(struct survey_pass *pass, const struct survey_candidate *candidate);
void survey_list_finish(struct survey_pass *pass, struct string_pool *kept);

void survey_growth_process(struct survey_pass *pass);
/* Whether a buffer counts as what has come since the mark and stayed. */
bool survey_growth_has(const struct survey_pass *pass, const struct view_buffer *buffer);
void survey_growth_add(struct survey_pass *pass, const struct survey_candidate *candidate);
void survey_growth_finish(struct survey_pass *pass, struct string_pool *kept);

void survey_map_begin(struct survey_pass *pass);
void survey_map_finish(struct survey_pass *pass);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where readings come from: the segments that are there and tt-metal's counters, or a file; and
 * what the lookout must remember between two of them: what ended, what was dismissed, what every
 * process had done. The lookout's thread alone.
 */
#ifndef MESHTALLY_TUI_LOOKOUT_SOURCE_H
#define MESHTALLY_TUI_LOOKOUT_SOURCE_H

#include "lookup.h"
#include "reading.h"

struct scene_cache;

enum { SOURCE_KEPT_LIMIT = 100 };

/* What a process had done at the last reading. */
struct source_seen {
	uint64_t identity;
	struct segment_view *view; /* held: a view that is another has another address */
	uint64_t allocs, frees, op, records;
	uint64_t last_ns; /* CLOCK_REALTIME of its last operation; 0 unknown */
};

struct lookout_source {
	const char *from;
	struct scene_cache *cache;       /* NULL: a file */
	VEC(struct segment_view *) file; /* its views */
	VEC(struct segment_view *) kept; /* of processes whose segments are gone */
	VEC(uint64_t) dismissed;         /* identities */
	VEC(struct source_seen) seen;
	struct lookup by_identity; /* in seen */
	struct facts_memory facts;
	uint64_t seen_ns;                  /* 0: no reading yet */
	uint64_t figures_hash, changed_ns; /* of the last reading; see reading.h */
	uint64_t file_now_ns;
	struct reading *first;      /* of a file: its findings are those of all */
	struct untracked untracked; /* found last, */
	uint64_t untracked_ns;      /* then; 0: not yet */
};

/* 0, or a negative errno with a sentence: a file that cannot be read. */
int lookout_source_open(struct lookout_source *source, const char *from, struct text *error);
void lookout_source_close(struct lookout_source *source);
void source_dismiss(struct lookout_source *source, uint64_t identity);

/* A reading without a survey. */
struct reading *lookout_source_read(struct lookout_source *source);

/* Changes when a process comes, goes, or does something. */
uint64_t source_signature(const struct reading *reading);
/* Live buffers that a survey would have to look at. */
uint64_t source_records(const struct lookout_source *source);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the streamed pass over a segment finds, kept to be compared with a view of all buffers. */
#ifndef MESHTALLY_TESTS_STREAM_COLLECT_H
#define MESHTALLY_TESTS_STREAM_COLLECT_H

#include "reader.h"

struct found_buffer {
	struct view_buffer buffer; /* without pointers */
	char *site, *tag;
	uint32_t space; /* handle */
	uint64_t *member_bytes;
	uint32_t members;
};

struct collected {
	struct found_buffer *items; /* by slot, once collect() is done */
	size_t count, room;
	int begun;
	uint64_t off_by;
	enum view_life life;
	uint64_t held; /* in the figures of the totals */
	uint64_t seen; /* of everything that was pointed to */
	/* Called with each buffer; NULL none. */
	void (*meanwhile)(void *arg, const struct view_buffer *buffer);
	void *arg;
};

/* Streams the segment at a path; the result of segment_stream_fd(). */
int collect(struct collected *collected, const char *path);
void collected_finish(struct collected *collected);
/* That the same buffers are in the view, with all that is known of them. */
void collected_compare(const struct collected *collected, const struct segment_view *view);
/* How many have this id. */
size_t collected_times(const struct collected *collected, uint64_t id);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that reads, so that keys are answered while a refresh is under way. Totals are read at
 * each refresh; single buffers as often as they may cost (LOOKOUT_SURVEY_SHARE of a processor), and
 * only where something has changed. The loop takes readings from it and says what it wants to know.
 */
#ifndef MESHTALLY_TUI_LOOKOUT_H
#define MESHTALLY_TUI_LOOKOUT_H

#include "reading.h"

/* Of a processor, for surveys that nobody waits for: 1 / 33, 3 %. */
enum { LOOKOUT_SURVEY_SHARE = 33 };

struct lookout;

/* What the loop wants: copied. */
struct lookout_want {
	unsigned refresh_ms;
	bool paused;
	struct survey_request survey;
};

/* from NULL: what is running; it outlives all readings. On failure says why in `error` and returns
 * a negative errno. */
int lookout_start(struct lookout **ret_lookout, const char *from, const struct lookout_want *want,
                  struct text *error);
void lookout_stop(struct lookout *lookout); /* NULL is fine */

/* Readable when there is a new reading. */
int lookout_descriptor(const struct lookout *lookout);
/* The newest reading, which the caller owns, or NULL: there is none newer. */
struct reading *lookout_take(struct lookout *lookout);

void lookout_want(struct lookout *lookout, const struct lookout_want *want);
/* A process that ended, by the identity of its segment (or, of counters, its pid): no more of it.
 */
void lookout_dismiss(struct lookout *lookout, uint64_t identity);
/* Read now, whatever the refresh. */
void lookout_hurry(struct lookout *lookout);

#endif

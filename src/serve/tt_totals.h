/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs with a segment of their own hold, by ordinal: the part of an answer to QUERY that
 * is not in proxies. Read by the worker, at most twice a second and only while somebody asks.
 */
#ifndef MESHTALLY_SERVE_TT_TOTALS_H
#define MESHTALLY_SERVE_TT_TOTALS_H

#include "server.h"
#include "tt_protocol.h"

struct tt_totals;

/* changed() is called on the loop after each reading. */
int tt_totals_create(struct tt_totals **ret, struct server *server, void (*changed)(void *arg),
                     void *arg);
void tt_totals_destroy(struct tt_totals *totals);

/* Somebody asks. Whether the figures are new enough to answer with; if not, changed() will be
 * called before long, and then they are. */
bool tt_totals_ask(struct tt_totals *totals);

/* Adds the figures of an ordinal to an answer, and what its programs registered of the device,
 * where the answer does not say yet. */
void tt_totals_add(const struct tt_totals *totals, int32_t ordinal, struct tt_answer *answer);
/* Only the latter. */
void tt_totals_describe(const struct tt_totals *totals, int32_t ordinal, struct tt_answer *answer);

/* Whether this process has this ordinal in a segment of its own: then what a proxy says of it
 * counts as well, and must not count twice. */
bool tt_totals_has(const struct tt_totals *totals, const struct writer_subject *who,
                   int32_t ordinal);

/* One more than the highest ordinal in any segment. */
uint32_t tt_totals_limit(const struct tt_totals *totals);

#endif

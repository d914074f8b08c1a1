/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Post-mortems of those that have ended: taken on the worker's thread (postmortem_store.h), told in
 * the log. All functions are called on the loop's thread.
 */
#ifndef MESHTALLY_SERVE_POSTMORTEM_H
#define MESHTALLY_SERVE_POSTMORTEM_H

#include "postmortem_store.h"
#include "server.h"

/* Never fails for a directory that cannot be written to: that is in the log, and tried again. */
int postmortems_create(struct postmortems **ret, struct server *server);
void postmortems_destroy(struct postmortems *postmortems);

/* Where they are kept. */
const char *postmortems_dir(const struct postmortems *postmortems);

struct postmortems_stats {
	uint64_t kept, spotless, failed, corrupt;
};
struct postmortems_stats postmortems_stats(const struct postmortems *postmortems);

/* Keeps the segment at `path` of that identity, whose subject has ended, and removes it. Then
 * calls done, if not NULL, on the loop. */
typedef void postmortem_done(void *arg, const char *path, const struct postmortem_result *result);
void postmortem_take(struct postmortems *postmortems, const char *path, uint64_t identity,
                     const struct segment_end *end, postmortem_done *done, void *arg);

#endif

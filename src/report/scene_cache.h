/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Totals of all segments, kept from one reading to the next, so that only those that have changed
 * are read: for a server that looks again and again. It keeps a descriptor of each, by which what a
 * program did last is known after its segment has lost its name. One thread at a time.
 */
#ifndef MESHTALLY_REPORT_SCENE_CACHE_H
#define MESHTALLY_REPORT_SCENE_CACHE_H

#include "reader.h"

struct scene;
struct scene_cache;

struct scene_cache_hooks {
	/* A view is new, or newer than the one before. */
	void (*loaded)(void *arg, const struct segment_view *view);
	/* A segment is gone; its last view. */
	void (*gone)(void *arg, const struct segment_view *last);
	void *arg;
};

struct scene_cache_stats {
	uint64_t read, reused, rejected; /* rejected: at the last reading */
};

struct scene_cache *scene_cache_create(const struct scene_cache_hooks *hooks);
void scene_cache_destroy(struct scene_cache *cache);

/* Adds the views of all segments in the scene's directories, a reference each; and what could not
 * be read. */
void scene_cache_read(struct scene_cache *cache, struct scene *scene);

/* Every live buffer of one of the cache's views, see segment_stream_fd(). -ENOENT: it has no such
 * segment. What the stream calls may read the cache (scene_cache_read). */
int scene_cache_stream(struct scene_cache *cache, uint64_t identity,
                       const struct segment_stream *stream, uint64_t *ret_off_by,
                       struct segment_reject *ret_reject);

/* Between readings, now and then: looks who has come, and lets go of who has gone. Cheap. */
void scene_cache_sweep(struct scene_cache *cache);

struct scene_cache_stats scene_cache_stats(const struct scene_cache *cache);

#endif

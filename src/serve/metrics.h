/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known, as text for Prometheus: one table of families (metrics.c), written as OpenMetrics
 * 1.0 or as Prometheus text 0.0.4. On the worker's thread; what belongs to the loop comes as
 * copies.
 */
#ifndef MESHTALLY_SERVE_METRICS_H
#define MESHTALLY_SERVE_METRICS_H

#include "http.h"
#include "metrics_totals.h"
#include "postmortem.h"
#include "scene.h"
#include "scene_cache.h"
#include "server.h"
#include "watch.h"

enum { METRICS_PROCESSES = 50, METRICS_BUCKETS = 9 };

extern const double metrics_bounds[METRICS_BUCKETS]; /* seconds */

struct metrics_reads {
	uint64_t
		buckets[METRICS_BUCKETS + 1]; /* of readings that took up to each bound; the rest */
	uint64_t count;
	double seconds;
};
void metrics_observe(struct metrics_reads *reads, double seconds);

/* Copied on the loop. */
struct metrics_server {
	struct serve_stats serve;
	struct http_stats http;
	struct watch_stats watch;
	struct postmortems_stats postmortems;
	char segment_dir[256];
	char dead_dir[PATH_MAX]; /* of the post-mortems; "" none */
};

struct metrics_input {
	const struct scene *scene;
	struct totals *totals;
	struct metrics_server server;
	struct scene_cache_stats cache;
	const struct metrics_reads *reads;
};

#define METRICS_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_TEXT        "text/plain; version=0.0.4; charset=utf-8"

void metrics_write(struct text *out, const struct metrics_input *input, bool openmetrics);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Shared among the files of the API, and nobody else: what goes to the worker and comes back. */
#ifndef MESHTALLY_SERVE_API_INTERNAL_H
#define MESHTALLY_SERVE_API_INTERNAL_H

#include "api_request.h"
#include "findings.h"
#include "json_value.h"
#include "metrics.h"
#include "worker.h"

#include <limits.h>

struct api_work {
	struct api_request request;
	char *target;
	bool openmetrics;
	struct metrics_server server; /* as it is when the job is posted */
	/* Findings count if they are there twice: what the first look found. */
	bool again;
	struct findings before;
	/* The answer. */
	int status;
	const char *type; /* NULL: JSON */
	double age_seconds;
	struct text body;
	struct text error; /* not empty: instead of the body */
};

/* What the worker keeps between answers: readings, totals. On its thread, but for the two ends. */
struct api_maker;
struct api_maker *api_maker_create(void);
void api_maker_destroy(struct api_maker *maker);

void api_make(struct api_maker *maker, struct api_work *work);
void api_maker_sweep(struct api_maker *maker);
void api_work_finish(struct api_work *work);

/* The list of post-mortems, and one of them (api_postmortem.c). */
json_t *api_postmortems(const struct api_work *work, size_t *ret_total);
/* NULL: see work->error. */
json_t *api_postmortem(struct api_work *work, size_t *ret_total);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an address asks for: path and query of a request, checked. Pure. docs/api.md has the same in
 * words. The struct holds all its strings and must stay where it is.
 */
#ifndef MESHTALLY_SERVE_API_REQUEST_H
#define MESHTALLY_SERVE_API_REQUEST_H

#include "http_parse.h"
#include "query.h"
#include "text.h"

enum api_path {
	API_INDEX,
	API_HEALTHZ,
	API_READYZ,
	API_METRICS,
	API_DEVICES,
	API_PROCESSES,
	API_BUFFERS,
	API_LEAKS,
	API_FAULTS,
	API_POSTMORTEMS,
	API_POSTMORTEM, /* one, by its id */
	API_PATH_LIMIT
};

enum {
	API_REPEATS = 16, /* of a parameter that may be repeated */
	API_ID_BYTES = 80,
	API_LIMIT = 100, /* lines on a page, where nobody says */
	API_LIMIT_MOST = 10000,
	API_OFFSET_MOST = 10000000
};

struct api_request {
	enum api_path path;
	struct report_query query;
	char id[API_ID_BYTES];
	/* What the query points to. */
	const char *devices[API_REPEATS], *kinds[API_REPEATS];
	int32_t pids[API_REPEATS];
	char strings[HTTP_TARGET_BYTES + 1];
	size_t string_bytes;
};

/* 0, or a status (400, 404) with a sentence. */
int api_request_parse(struct api_request *ret, const char *target, size_t length,
                      struct text *error);

/* The address of the page that follows, in which only the offset is another. */
void api_request_next(const char *target, size_t length, size_t offset, struct text *out);

/* The index of what there is, in plain text. */
void api_index(struct text *out);

#endif

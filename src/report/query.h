/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody asks for: the options of a verb, or the parameters of an address of the server.
 * Names are kept by reference.
 */
#ifndef MESHTALLY_REPORT_QUERY_H
#define MESHTALLY_REPORT_QUERY_H

#include "listing.h"
#include "selection.h"

struct report_query {
	struct selection_names names;
	size_t offset, limit; /* of the lines of a list; limit 0: all */
	enum listing_order sort;
	int by; /* enum sum_key, or -1: single buffers */
	bool dead;
	struct listing_filter filter;
};

/* Whether the n-th line (from 0) is on the page that was asked for. */
static inline bool query_has_line(const struct report_query *query, size_t n)
{
	return n >= query->offset && (query->limit == 0 || n - query->offset < query->limit);
}

#endif

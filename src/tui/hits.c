/* SPDX-License-Identifier: Apache-2.0 */
#include "hits.h"

void hits_add(struct hits *hits, enum hit_type type, struct area area, uint64_t argument)
{
	*vec_add(&hits->hits) = (struct hit){type, area, argument};
}

const struct hit *hits_find(const struct hits *hits, int row, int column)
{
	for (size_t i = hits->hits.count; i-- > 0;) {
		const struct hit *hit = &hits->hits.items[i];

		if (row >= hit->area.row && row < hit->area.row + hit->area.rows &&
		    column >= hit->area.column && column < hit->area.column + hit->area.columns)
			return hit;
	}
	return NULL;
}

void hits_clear(struct hits *hits)
{
	hits->hits.count = 0;
}

void hits_finish(struct hits *hits)
{
	vec_finish(&hits->hits);
}

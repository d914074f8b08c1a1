/* SPDX-License-Identifier: Apache-2.0 */
/* The mark: how far each process was, and what each tag had. */
#include "ui.h"

#include <stdlib.h>
#include <string.h>

void mark_clear(struct ui_mark *mark)
{
	char **name;

	vec_for (name, &mark->tag_names)
		free(*name);
	vec_finish(&mark->tag_names);
	sums_finish(&mark->tags);
	vec_finish(&mark->since);
	*mark = (struct ui_mark){.set = false};
}

static int compare_tags(const void *a, const void *b)
{
	const struct sum *sum_a = a, *sum_b = b;

	return strcmp(sum_a->tag, sum_b->tag);
}

void mark_set(struct ui_mark *mark, const struct reading *reading)
{
	const struct selection all = {.all_kinds = true};
	const struct scene *scene = &reading->scene;
	struct segment_view *const *view;
	struct sum *sum;

	mark_clear(mark);
	vec_for (view, &scene->views)
		*vec_add(&mark->since) =
			(struct survey_since){(*view)->identity, (*view)->op, (*view)->last_time};
	sums_make(&mark->tags, &scene->machine, &all, SUM_BY_TAG, reading->from != NULL);
	vec_for (sum, &mark->tags.sums) {
		char **name = vec_add(&mark->tag_names);

		*name = mem_strdup(sum->tag);
		sum->tag = *name;
	}
	if (mark->tags.sums.count > 1)
		qsort(mark->tags.sums.items, mark->tags.sums.count, sizeof(*mark->tags.sums.items),
		      compare_tags);
	mark->set = true;
	mark->realtime_ns = scene->now_ns;
}

uint64_t mark_tag_bytes(const struct ui_mark *mark, const char *tag)
{
	const struct sum wanted = {.tag = tag};
	const struct sum *found =
		mark->tags.sums.count != 0
			? bsearch(&wanted, mark->tags.sums.items, mark->tags.sums.count,
	                          sizeof(wanted), compare_tags)
			: NULL;

	return found != NULL ? found->total_bytes : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subjects in other pid namespaces. That they have ended is known without their pid; how, only with
 * it. One look at all processes serves all that came meanwhile.
 */
#include "process_end.h"
#include "process_find.h"
#include "watch_internal.h"
#include "worker.h"

#include <stdlib.h>

struct search {
	struct watch *watch;
	VEC(struct process_sought) sought;
	VEC(char *) paths; /* of each */
};

static void search_work(void *arg)
{
	struct search *search = arg;

	process_find(search->sought.items, search->sought.count);
}

static void search_drop(void *arg)
{
	struct search *search = arg;

	for (size_t i = 0; i < search->paths.count; i++)
		free(search->paths.items[i]);
	vec_finish(&search->paths);
	vec_finish(&search->sought);
	free(search);
}

static void search_done(void *arg)
{
	struct search *search = arg;
	struct watch *watch = search->watch;

	watch->searching = false;
	for (size_t i = 0; i < search->sought.count; i++)
		if (search->sought.items[i].pid != 0)
			watch_found(watch, search->paths.items[i], &search->sought.items[i].as,
			            search->sought.items[i].pid);
	search_drop(search);
	watch_search(watch);
}

void watch_search(struct watch *watch)
{
	struct search *search;
	struct watched **item;

	if (watch->searching)
		return;
	search = mem_calloc(1, sizeof(*search));
	search->watch = watch;
	vec_for (item, &watch->segments) {
		if (!(*item)->sought)
			continue;
		(*item)->sought = false;
		vec_add(&search->sought)->as = (*item)->subject;
		*vec_add(&search->paths) = mem_strdup((*item)->path);
	}
	if (search->sought.count == 0) {
		search_drop(search);
		return;
	}
	watch->searching = true;
	worker_post_job(watch->server->worker, &(struct worker_job){.work = search_work,
	                                                            .done = search_done,
	                                                            .drop = search_drop,
	                                                            .arg = search});
}

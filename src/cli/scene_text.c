/* SPDX-License-Identifier: Apache-2.0 */
#include "scene_text.h"

#include "safe.h"

struct report_query options_query(const struct options *options)
{
	bool limited = options->verb == NULL || (options->verb->options & OPTION_LIMIT) != 0;

	return (struct report_query){
		.names = {options->devices.items, options->kinds.items, options->devices.count,
	                  options->kinds.count, options->pids.items, options->pids.count},
		.limit = limited ? options->limit : 0,
		.sort = (enum listing_order)options->sort,
		.by = options->by,
		.dead = options->dead || options->from != NULL,
	};
}

int scene_open(struct scene *scene, const struct options *options, enum view_depth depth)
{
	struct scene_request request = {.depth = depth,
	                                .from = options->from,
	                                .dead = options->dead && depth == VIEW_BUFFERS,
	                                .dead_pids = options->pids.items,
	                                .dead_pid_count = options->pids.count};
	struct text error = {0};
	struct report_query query = options_query(options);
	int result = scene_read(scene, &request, &error);

	if (result == 0)
		result = scene_select(scene, &query.names, &error);
	if (result != 0) {
		verb_fails(options, "%s", text_string(&error));
		scene_close(scene);
	}
	text_finish(&error);
	return result != 0 ? STATUS_FAILED : STATUS_OK;
}

void scene_unknown_text(const struct scene *scene, bool dead, size_t width, struct text *out)
{
	size_t count = scene_unknown(scene, dead);
	struct text line = {0};

	if (count == 0)
		return;
	text_addf(&line,
	          "%zu process%s known from tt-metal's counters alone (totals, no buffers): see "
	          "`meshtally ps`",
	          count, count == 1 ? " is" : "es are");
	safe_wrap(out, line.bytes, width, 2);
	text_finish(&line);
}

void scene_nothing_text(const struct scene *scene, const char *what, const char *nothing,
                        size_t width, struct text *out)
{
	if (scene_unknown(scene, true) != 0 && scene_known(scene) == 0)
		text_addf(out, "%s is not known.\n", what);
	else
		text_addf(out, "%s\n", nothing);
	scene_unknown_text(scene, true, width, out);
}

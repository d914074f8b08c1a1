/* SPDX-License-Identifier: Apache-2.0 */
#include "render.h"

#include "meshtally.h"

#include <inttypes.h>

int render_verb(const struct options *options, enum view_depth depth, render_text text,
                render_json json)
{
	struct scene scene;
	struct text out = {0};
	int status = scene_open(&scene, options, depth);

	if (status != STATUS_OK)
		return status;
	if (options->json) {
		struct report_query query = options_query(options);

		status = show_json(json(&scene, &query));
	} else {
		text(&scene, options, show_width(), &out);
		status = show_text(&out);
	}
	scene_close(&scene);
	return status;
}

bool figure_is_worth_a_line(const struct machine_figure *figure, uint32_t kind)
{
	uint64_t bytes = figure_bytes(figure) + figure->peak;

	for (size_t i = CLASS_COUNTED_LIMIT; i < CLASS_LIMIT; i++)
		bytes += figure->bytes[i];
	return figure->present && (bytes != 0 || kind == MT_DRAM || kind == MT_L1);
}

void text_records(struct text *out, uint64_t records, uint64_t device_buffers)
{
	char a[UNITS_SIZE], b[UNITS_SIZE];

	text_addf(out, "%s record%s, %s device buffer%s", units_count(&a, records),
	          records == 1 ? "" : "s", units_count(&b, device_buffers),
	          device_buffers == 1 ? "" : "s");
}

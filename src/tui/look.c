/* SPDX-License-Identifier: Apache-2.0 */
#include "ui.h"

void look_init(struct look *look, const struct reading *reading, const struct history *history,
               struct ui *ui, uint64_t now_ns, uint64_t monotonic_ns)
{
	*look = (struct look){.reading = reading,
	                      .history = history,
	                      .ui = ui,
	                      .now_ns = now_ns,
	                      .monotonic_ns = monotonic_ns,
	                      .selection = {.all_kinds = true}};
	if (reading != NULL)
		filter_select(&ui->filter, &reading->scene, &look->selection, &look->missing);
}

void look_finish(struct look *look)
{
	selection_finish(&look->selection);
	text_finish(&look->missing);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ui.h"

/* As "no events for 40 s" goes: every 10 s after the last change, then every minute. */
static uint64_t quiet_step_ns(uint64_t quiet_ns)
{
	const uint64_t second_ns = 1000000000u;

	if (quiet_ns < 10 * second_ns)
		return 1;
	return quiet_ns < 60 * second_ns ? 10 * second_ns : 60 * second_ns;
}

/* Sets the clocks of the picture back to where the last step was. */
static void set_clocks(struct look *look, uint64_t now_ns, uint64_t monotonic_ns)
{
	const struct reading *reading = look->reading;
	uint64_t quiet_ns, back_ns;

	look->now_ns = now_ns;
	look->monotonic_ns = monotonic_ns;
	if (reading == NULL)
		return;
	if (monotonic_ns > reading->monotonic_ns)
		look->read_ago_ns = monotonic_ns - reading->monotonic_ns;
	if (reading->from != NULL || look->ui->paused) {
		look->now_ns = reading->scene.now_ns;
		look->monotonic_ns = reading->monotonic_ns;
	} else if (reading->changed_ns != 0 && reading->changed_ns < now_ns) {
		quiet_ns = now_ns - reading->changed_ns;
		back_ns = quiet_ns % quiet_step_ns(quiet_ns);
		look->now_ns -= back_ns;
		look->monotonic_ns -= back_ns < monotonic_ns ? back_ns : monotonic_ns;
	}
}

void look_init(struct look *look, const struct reading *reading, const struct history *history,
               struct ui *ui, uint64_t now_ns, uint64_t monotonic_ns)
{
	*look = (struct look){
		.reading = reading, .history = history, .ui = ui, .selection = {.all_kinds = true}};
	set_clocks(look, now_ns, monotonic_ns);
	if (reading != NULL)
		filter_select(&ui->filter, &reading->scene, &look->selection, &look->missing);
}

void look_finish(struct look *look)
{
	selection_finish(&look->selection);
	text_finish(&look->missing);
}

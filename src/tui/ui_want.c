/* SPDX-License-Identifier: Apache-2.0 */
/* What the screens need to know of single buffers. */
#include "ui.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void copy_names(struct ui_want *want, const struct filter *filter)
{
	char *const *name;

	vec_for (name, &filter->tags)
		*vec_add(&want->tags) = *name;
	vec_for (name, &filter->words)
		*vec_add(&want->words) = *name;
	vec_for (name, &filter->kinds)
		*vec_add(&want->kinds) = *name;
}

/* A name that stays the same when rows change, where there is one. */
static const char *keep_device(struct ui_want *want, const struct machine *machine, uint32_t row)
{
	uint64_t unique_id = machine->devices.items[row].unique_id;
	char name[24];

	if (row >= machine_chips(machine))
		snprintf(name, sizeof(name), "%s", unplaced_name);
	else if (unique_id != 0)
		snprintf(name, sizeof(name), "0x%" PRIx64, unique_id);
	else
		snprintf(name, sizeof(name), "%" PRIu32, row);
	return *vec_add(&want->strings) = mem_strdup(name);
}

/* As the scene has them, since the filter knows ranges. Where nothing is called so, the name as it
 * is: it selects nothing there either. */
static void name_devices(struct ui_want *want, const struct filter *filter,
                         const struct reading *reading)
{
	struct selection selection = {.devices = NULL};
	char *const *name;

	if (filter->devices.count == 0)
		return;
	if (reading != NULL)
		filter_select(filter, &reading->scene, &selection, NULL);
	for (uint32_t row = 0;
	     selection.devices != NULL && row < reading->scene.machine.devices.count; row++)
		if (selection.devices[row])
			*vec_add(&want->devices) = keep_device(want, &reading->scene.machine, row);
	if (want->devices.count == 0)
		vec_for (name, &filter->devices)
			*vec_add(&want->devices) = *name;
	selection_finish(&selection);
}

static void set_focus(struct survey_request *request, const struct ui *ui)
{
	request->has_focus = true;
	request->focus_unique_id = ui->device_unique_id;
	snprintf(request->focus, sizeof(request->focus), "%" PRIu32, ui->device);
}

void ui_want(const struct ui *ui, const struct reading *reading, struct ui_want *ret_want)
{
	struct ui_want *want = ret_want;
	struct survey_request *request = &want->request;

	*want = (struct ui_want){.request = {.order = ui->buffers_order}};
	copy_names(want, &ui->filter);
	name_devices(want, &ui->filter, reading);
	filter_survey(&ui->filter, &request->filter);
	request->filter.tags = want->tags.items;
	request->filter.tag_count = want->tags.count;
	request->filter.words = want->words.items;
	request->filter.word_count = want->words.count;
	request->devices = want->devices.items;
	request->device_count = want->devices.count;
	request->kinds = want->kinds.items;
	request->kind_count = want->kinds.count;
	request->pids = ui->filter.pids.items;
	request->pid_count = ui->filter.pids.count;
	request->dead = reading != NULL && reading->from != NULL;
	request->lists = ui->screen == SCREEN_DEVICE || ui->screen == SCREEN_GROWTH;
	if (ui->screen == SCREEN_DEVICE)
		set_focus(request, ui);
	if (ui->mark.set && ui->screen == SCREEN_GROWTH) {
		request->has_mark = true;
		request->since = ui->mark.since.items;
		request->since_count = ui->mark.since.count;
	}
}

void ui_want_finish(struct ui_want *want)
{
	char **string;

	vec_for (string, &want->strings)
		free(*string);
	vec_finish(&want->strings);
	vec_finish(&want->tags);
	vec_finish(&want->words);
	vec_finish(&want->devices);
	vec_finish(&want->kinds);
}

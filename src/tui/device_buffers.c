/* SPDX-License-Identifier: Apache-2.0 */
/* The live buffers on one device, as a sheet. */
#include "device_parts.h"
#include "list_screen.h"
#include "lookup.h"
#include "meshtally.h"
#include "screens.h"
#include "words.h"

#include <inttypes.h>

enum buffer_column {
	COLUMN_SIZE,
	COLUMN_TOTAL,
	COLUMN_DEVICES,
	COLUMN_KIND,
	COLUMN_AGE,
	COLUMN_TAG,
	COLUMN_SITE,
	COLUMN_ADDRESS,
	COLUMN_CLASS,
	COLUMN_PID,
	COLUMN_COMMAND,
	COLUMN_HELD,
	COLUMN_ID,
	COLUMN_COUNT
};

static const struct sheet_column buffer_columns[COLUMN_COUNT] = {
	[COLUMN_SIZE] = {"bytes", "SIZE", VALUE_BYTES, 0, 0, false, false},
	[COLUMN_TOTAL] = {"total_bytes", "ALL DEVICES", VALUE_BYTES, 8, 0, false, false},
	[COLUMN_DEVICES] = {"devices", "DEVS", VALUE_COUNT, 9, 0, false, false},
	[COLUMN_KIND] = {"kind", "KIND", VALUE_TEXT, 3, 6, false, true},
	[COLUMN_AGE] = {"age_seconds", "AGE", VALUE_AGE, 1, 0, false, false},
	[COLUMN_TAG] = {"tag", "TAG", VALUE_TEXT, 0, 12, true, true},
	[COLUMN_SITE] = {"site", "SITE", VALUE_TEXT, 2, 12, true, true},
	[COLUMN_ADDRESS] = {"address", "ADDRESS", VALUE_ADDRESS, 4, 0, false, true},
	[COLUMN_CLASS] = {"class", "CLASS", VALUE_TEXT, 6, 6, false, true},
	[COLUMN_PID] = {"pid", "PID", VALUE_NUMBER, 5, 0, false, true},
	[COLUMN_COMMAND] = {"command", "COMMAND", VALUE_TEXT, 7, 10, true, true},
	[COLUMN_HELD] = {"held_bytes", "HELD", VALUE_BYTES, 10, 0, false, false},
	[COLUMN_ID] = {"id", "ID", VALUE_ADDRESS, 11, 0, false, true},
};

/* In a file nothing gets older. */
static uint64_t age_until(const struct look *look)
{
	return look->reading->scene.from != NULL ? look->reading->survey->realtime_ns
	                                         : look->now_ns;
}

uint64_t device_buffer_key(const struct survey_buffer *buffer)
{
	return hash_number(hash_number(buffer->identity, buffer->id), buffer->op) | 1;
}

static void add_buffer(const struct look *look, struct sheet *sheet,
                       const struct survey_buffer *buffer)
{
	const struct machine *machine = &look->reading->scene.machine;
	struct sheet_row *row = sheet_add(sheet, device_buffer_key(buffer));
	struct value *values = row->values;
	uint64_t now_ns = age_until(look);

	if (buffer->class_now >= CLASS_COUNTED_LIMIT)
		row->style = STYLE_DIM; /* views take nothing */
	values[COLUMN_SIZE] = value_number(buffer->bytes);
	/* Of a share that was reported by itself nobody has looked for the others. */
	if ((buffer->flags & MT_LOCAL) == 0) {
		values[COLUMN_TOTAL] = value_number(buffer->total_bytes);
		values[COLUMN_DEVICES] = value_number(buffer->devices);
	}
	if (buffer->kind < machine->kind_count)
		values[COLUMN_KIND] = value_text(machine->kind_names[buffer->kind]);
	if (buffer->time_ns != 0)
		values[COLUMN_AGE] =
			value_number(now_ns > buffer->time_ns ? now_ns - buffer->time_ns : 0);
	values[COLUMN_TAG] = value_text(buffer->tag);
	values[COLUMN_SITE] = value_text(buffer->site);
	if (buffer->address != SEGMENT_NO_ADDRESS)
		values[COLUMN_ADDRESS] = value_number(buffer->address);
	if (buffer->class_now < CLASS_LIMIT)
		values[COLUMN_CLASS] = value_text(class_words[buffer->class_now]);
	values[COLUMN_PID] = value_number((uint64_t)buffer->pid);
	values[COLUMN_COMMAND] = value_text(buffer->command);
	values[COLUMN_HELD] = value_number(buffer->held);
	values[COLUMN_ID] = value_number(buffer->id);
}

const struct survey *device_survey(const struct look *look, uint32_t row)
{
	const struct survey *survey = look->reading != NULL ? look->reading->survey : NULL;

	return survey != NULL && survey->focus_row == row && row != UINT32_MAX ? survey : NULL;
}

/* Whether all that is held on the device is known from tt-metal's counters alone. */
static bool has_totals_only(const struct machine *machine, uint32_t row)
{
	const struct machine_device *device = &machine->devices.items[row];
	uint64_t held = 0, unclassified = 0;

	for (uint32_t kind = 0; kind < machine->kind_count; kind++) {
		held += figure_bytes(&device->figures[kind]);
		unclassified += device->figures[kind].unclassified_bytes;
	}
	return unclassified != 0 && held == unclassified;
}

static void say_none(const struct look *look, uint32_t row, struct text *out)
{
	const struct machine *machine = &look->reading->scene.machine;
	const struct survey *survey = device_survey(look, row);

	if (survey == NULL)
		say_survey_pending(look, out);
	else if (has_totals_only(machine, row))
		text_add(out, "Only totals are known here, from tt-metal's own counters: single "
		              "buffers are not.\n  meshtally run -- PROGRAM   tells them, too.\n");
	else if (!filter_is_empty(&look->ui->filter))
		text_add(out, "No buffer on this device passes the filter: / changes it.\n");
	else if (survey->no_detail != 0)
		text_addf(out,
		          "%" PRIu64 " buffers were counted without a record of their own, since "
		          "their program had no memory for one.\n",
		          survey->no_detail);
	else
		text_addf(out, "Nothing is held on device %" PRIu32 ".\n", row);
}

void device_make(const struct look *look, struct sheet *sheet)
{
	uint32_t row = look_device(look);
	const struct survey *survey = device_survey(look, row);
	const struct survey_buffer *buffer;

	sheet_init(sheet, buffer_columns, COLUMN_COUNT);
	if (row == UINT32_MAX) {
		say_no_devices(look, &sheet->empty);
		return;
	}
	if (survey != NULL) {
		vec_for (buffer, &survey->list)
			add_buffer(look, sheet, buffer);
		if (survey->list.count >= SURVEY_LIST_LIMIT && survey->records > survey->list.count)
			sheet->more = survey->records - survey->list.count;
	}
	if (sheet->rows.count == 0)
		say_none(look, row, &sheet->empty);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "show.h"

#include "meshtally.h"
#include "safe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *const class_words[CLASS_LIMIT] = {"user", "system", "cache",  "view",
                                              "sub",  "import", "virtual"};

size_t show_width_of(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns != NULL && atoi(columns) > 0)
		return (size_t)atoi(columns);
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 0;
}

size_t show_width(void)
{
	return show_width_of(STDOUT_FILENO);
}

int show_text(struct text *out)
{
	size_t written = fwrite(text_string(out), 1, out->length, stdout);
	int status = written == out->length ? STATUS_OK : STATUS_FAILED;

	text_finish(out);
	return status;
}

int show_json(json_t *root)
{
	int result = json_dumpf(root, stdout, JSON_INDENT(2));

	json_decref(root);
	return result == 0 && putchar('\n') != EOF ? STATUS_OK : STATUS_FAILED;
}

void cell_bytes(struct table *table, uint64_t bytes, bool known, bool exact)
{
	char figure[UNITS_SIZE];

	table_cell(table, "%s", known ? units_bytes(&figure, bytes, exact) : "-");
}

void cell_count(struct table *table, uint64_t count)
{
	char figure[UNITS_SIZE];

	table_cell(table, "%s", units_count(&figure, count));
}

enum { ROWS_WIDTH = 32 };

void cell_rows(struct table *table, const uint32_t *rows, size_t count)
{
	struct text text = {0};

	units_ranges(&text, rows, count);
	if (text.length > ROWS_WIDTH) /* a scattered set: how many says more than a cut-off list */
		table_cell(table, "%zu devices", count);
	else
		table_cell(table, "%s", count != 0 ? text_string(&text) : "-");
	text_finish(&text);
}

json_t *json_amount(uint64_t amount)
{
	return json_integer(amount > INT64_MAX ? INT64_MAX : (json_int_t)amount);
}

json_t *json_known(uint64_t amount, bool known)
{
	return known ? json_amount(amount) : json_null();
}

json_t *json_hex(uint64_t name)
{
	return json_sprintf("0x%llx", (unsigned long long)name);
}

json_t *json_hex_known(uint64_t name)
{
	return name != 0 ? json_hex(name) : json_null();
}

json_t *json_foreign(const char *foreign)
{
	struct text text = {0};
	json_t *string;

	safe_utf8(&text, foreign);
	string = json_string(text_string(&text));
	text_finish(&text);
	return string;
}

json_t *json_foreign_known(const char *foreign)
{
	return foreign[0] != '\0' ? json_foreign(foreign) : json_null();
}

json_t *json_time(uint64_t realtime_ns)
{
	return realtime_ns != 0 ? json_real((double)realtime_ns / 1e9) : json_null();
}

json_t *json_rows(const unsigned char *on, size_t count)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < count; i++)
		if (on[i])
			json_array_append_new(rows, json_integer((json_int_t)i));
	return rows;
}

json_t *json_kind(const struct machine *machine, uint32_t kind)
{
	return json_foreign(machine->kind_names[kind]);
}

json_t *json_process(const struct machine_process *process)
{
	return json_pack("{s:i, s:s, s:o}", "pid", process->pid, "state", life_word(process),
	                 "command", json_foreign_known(process->command));
}

json_t *json_figure(const struct machine *machine, uint32_t kind,
                    const struct machine_figure *figure)
{
	const uint64_t *bytes = figure->bytes;
	bool classes = figure->unclassified_bytes == 0;
	json_t *json = json_object();

	json_object_set_new(json, "kind", json_kind(machine, kind));
	json_object_set_new(json, "bytes", json_amount(figure_bytes(figure)));
	json_object_set_new(json, "user_bytes", json_known(bytes[CLASS_USER], classes));
	json_object_set_new(json, "system_bytes", json_known(bytes[CLASS_SYSTEM], classes));
	json_object_set_new(json, "cache_bytes", json_known(bytes[CLASS_CACHE], classes));
	json_object_set_new(json, "unclassified_bytes", json_amount(figure->unclassified_bytes));
	json_object_set_new(json, "view_bytes", json_amount(bytes[CLASS_VIEW]));
	json_object_set_new(json, "sub_bytes", json_amount(bytes[CLASS_SUB]));
	json_object_set_new(json, "import_bytes", json_amount(bytes[CLASS_IMPORT]));
	json_object_set_new(json, "virtual_bytes", json_amount(bytes[CLASS_VIRTUAL]));
	json_object_set_new(json, "held_bytes", json_amount(figure->held));
	json_object_set_new(json, "peak_held_bytes", json_known(figure->peak, figure->peak_known));
	json_object_set_new(json, "capacity_bytes",
	                    json_known(figure->capacity, figure->capacity != 0));
	json_object_set_new(json, "buffers", json_known(figure_buffers(figure), classes));
	json_object_set_new(json, "exact", json_boolean(figure->exact));
	return json;
}

void text_command(struct text *text, const char *command, size_t width)
{
	size_t length = strcspn(command, " ");
	const char *slash = memrchr(command, '/', length);
	struct text safe = {0};

	safe_terminal(&safe, slash != NULL ? slash + 1 : command);
	safe_cut(text, safe.length != 0 ? safe.bytes : "-", width, 0);
	text_finish(&safe);
}

static const struct {
	uint32_t type;
	const char *name, *words;
} fault_table[] = {
	{MT_DUPLICATE, "MT_DUPLICATE", "duplicate allocation"},
	{MT_REPLACED, "MT_REPLACED", "size conflict"},
	{MT_UNKNOWN_FREE, "MT_UNKNOWN_FREE", "unknown free"},
	{MT_DOUBLE_FREE, "MT_DOUBLE_FREE", "double free"},
	{MT_OUT_OF_RANGE, "MT_OUT_OF_RANGE", "out of range"},
	{MT_OVER_CAPACITY, "MT_OVER_CAPACITY", "over capacity"},
	{MT_DRIFT, "MT_DRIFT", "drift"},
	{MT_CLASH, "MT_CLASH", "L1 clash"},
	{MT_UNKNOWN_SPACE, "MT_UNKNOWN_SPACE", "unknown space"},
	{MT_WRONG_SPACE, "MT_WRONG_SPACE", "wrong space"},
	{MT_ALLOC_FAILED, "MT_ALLOC_FAILED", "failed allocation"},
	{MT_LOST_EVENTS, "MT_LOST_EVENTS", "lost events"},
};

const char *fault_words(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(fault_table); i++)
		if (fault_table[i].type == type)
			return fault_table[i].words;
	return "unknown fault";
}

const char *fault_name(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(fault_table); i++)
		if (fault_table[i].type == type)
			return fault_table[i].name;
	return "MT_UNKNOWN";
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "json_value.h"

#include "safe.h"

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

json_t *json_address(uint64_t address)
{
	return address != SEGMENT_NO_ADDRESS ? json_hex(address) : json_null();
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

json_t *json_rows(const struct machine *machine, const unsigned char *on)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < machine->devices.count; i++)
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

/* SPDX-License-Identifier: Apache-2.0 */
/* A sheet for machines: JSON and CSV of the same names and raw numbers. */
#include "safe.h"
#include "sheet.h"

#include <inttypes.h>
#include <string.h>

static bool is_exported(const struct sheet_column *column)
{
	return column->type != VALUE_BAR;
}

static bool row_is_exact(const struct sheet *sheet, const struct sheet_row *row)
{
	for (size_t i = 0; i < sheet->column_count; i++)
		if (row->values[i].known && row->values[i].inexact)
			return false;
	return true;
}

static json_t *value_json(const struct value *value, enum value_type type)
{
	if (!value->known)
		return json_null();
	switch (type) {
	case VALUE_TEXT:
		return json_foreign(value->text);
	case VALUE_CHANGE:
		return json_integer(value->change);
	case VALUE_RATE:
	case VALUE_SHARE:
		return json_real(value->real);
	case VALUE_AGE:
		return json_real((double)value->number / 1e9);
	case VALUE_ADDRESS:
		return json_hex(value->number);
	case VALUE_BYTES:
	case VALUE_COUNT:
	case VALUE_NUMBER:
	case VALUE_BAR:
		break;
	}
	return json_amount(value->number);
}

static json_t *row_json(const struct sheet *sheet, const struct sheet_row *row)
{
	json_t *json = json_object();

	for (size_t i = 0; i < sheet->column_count; i++)
		if (is_exported(&sheet->columns[i]))
			json_object_set_new(json, sheet->columns[i].name,
			                    value_json(&row->values[i], sheet->columns[i].type));
	json_object_set_new(json, "exact", json_boolean(row_is_exact(sheet, row)));
	return json;
}

/* The nearest row above that is less deep. */
static json_t *parent_json(const struct sheet *sheet, const size_t *parents, size_t row)
{
	if (sheet->rows.items[row].depth == 0 || parents[row] == SIZE_MAX)
		return json_null();
	return json_integer((json_int_t)parents[row]);
}

static size_t find_parent(const struct sheet *sheet, const size_t *parents, size_t row)
{
	size_t at = row != 0 ? row - 1 : SIZE_MAX;

	while (at != SIZE_MAX && sheet->rows.items[at].depth >= sheet->rows.items[row].depth)
		at = parents[at];
	return at;
}

json_t *sheet_json(const struct sheet *sheet)
{
	bool is_tree = sheet->tree_column != SIZE_MAX;
	size_t *parents = is_tree ? mem_calloc(sheet->rows.count, sizeof(*parents)) : NULL;
	json_t *rows = json_array();

	for (size_t i = 0; i < sheet->rows.count; i++) {
		json_t *json = row_json(sheet, &sheet->rows.items[i]);

		if (is_tree) {
			parents[i] = find_parent(sheet, parents, i);
			json_object_set_new(json, "depth",
			                    json_integer(sheet->rows.items[i].depth));
			json_object_set_new(json, "parent", parent_json(sheet, parents, i));
		}
		json_array_append_new(rows, json);
	}
	vec_release(parents);
	return rows;
}

/* C1 control characters are two bytes of UTF-8. */
static bool is_control(const char *s)
{
	unsigned char first = (unsigned char)s[0], second = (unsigned char)s[1];

	return first < 0x20 || first == 0x7f || (first == 0xc2 && second >= 0x80 && second < 0xa0);
}

/* In quotes, without control characters, and nothing that a spreadsheet would run. */
static void csv_text(struct text *out, const char *foreign)
{
	struct text safe = {0};
	const char *s;

	safe_utf8(&safe, foreign);
	s = text_string(&safe);
	text_add(out, s[0] != '\0' && strchr("=+-@", s[0]) != NULL ? "\"'" : "\"");
	for (; *s != '\0'; s++) {
		if (is_control(s) && (unsigned char)*s == 0xc2) {
			s++;
			text_addf(out, "\\u{%x}", (unsigned char)*s);
		} else if (is_control(s)) {
			text_addf(out, "\\x%02x", (unsigned char)*s);
		} else if (*s == '"') {
			text_add(out, "\"\"");
		} else {
			text_bytes(out, s, 1);
		}
	}
	text_add(out, "\"");
	text_finish(&safe);
}

static void csv_value(struct text *out, const struct value *value, enum value_type type)
{
	if (!value->known)
		return;
	switch (type) {
	case VALUE_TEXT:
		csv_text(out, value->text);
		return;
	case VALUE_CHANGE:
		text_addf(out, "%" PRId64, value->change);
		return;
	case VALUE_RATE:
	case VALUE_SHARE:
		text_addf(out, "%.6g", value->real);
		return;
	case VALUE_AGE:
		text_addf(out, "%" PRIu64 ".%09" PRIu64, value->number / 1000000000u,
		          value->number % 1000000000u);
		return;
	case VALUE_ADDRESS:
		text_addf(out, "0x%" PRIx64, value->number);
		return;
	case VALUE_BYTES:
	case VALUE_COUNT:
	case VALUE_NUMBER:
	case VALUE_BAR:
		break;
	}
	text_addf(out, "%" PRIu64, value->number);
}

static void csv_row(const struct sheet *sheet, const struct sheet_row *row, struct text *out)
{
	for (size_t i = 0; i < sheet->column_count; i++)
		if (is_exported(&sheet->columns[i])) {
			csv_value(out, &row->values[i], sheet->columns[i].type);
			text_add(out, ",");
		}
	text_add(out, row_is_exact(sheet, row) ? "true" : "false");
	if (sheet->tree_column != SIZE_MAX)
		text_addf(out, ",%u", row->depth);
	text_add(out, "\r\n");
}

void sheet_csv(const struct sheet *sheet, struct text *out)
{
	for (size_t i = 0; i < sheet->column_count; i++)
		if (is_exported(&sheet->columns[i]))
			text_addf(out, "%s,", sheet->columns[i].name);
	text_add(out, sheet->tree_column != SIZE_MAX ? "exact,depth\r\n" : "exact\r\n");
	for (size_t i = 0; i < sheet->rows.count; i++)
		csv_row(sheet, &sheet->rows.items[i], out);
}

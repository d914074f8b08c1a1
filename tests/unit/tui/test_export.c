/* SPDX-License-Identifier: Apache-2.0 */
/* What is exported can be read back, whatever bytes are in it, and is never written over a file. */
#include "cmocka_all.h"
#include "tui_fixtures.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME, HELD, CHANGE, AGE, ADDRESS, BAR, SHARE, COLUMNS };

static const struct sheet_column columns[COLUMNS] = {
	{"name", "NAME", VALUE_TEXT, 0, 12, true, true},
	{"held_bytes", "HELD", VALUE_BYTES, 0, 0, false, false},
	{"change_bytes", "CHANGE", VALUE_CHANGE, 0, 0, false, false},
	{"age_seconds", "AGE", VALUE_AGE, 0, 0, false, false},
	{"address", "ADDRESS", VALUE_ADDRESS, 0, 0, false, false},
	{"bar", "", VALUE_BAR, 0, 0, false, false},
	{"share", "SHARE", VALUE_SHARE, 0, 0, false, false},
};

static const char *const hostile[] = {
	"plain",
	"comma, \"quote\"",
	"=1+cmd|' /C calc'!A0",
	"+1",
	"-1",
	"@SUM(1)",
	"two\nlines\r\n",
	"\033]0;title\007",
	"\xff\xfe",
	"\xc2\x9b"
	"31m",
	"\t=1+1",
	"it's",
	"\xe6\xbc\xa2\xe5\xad\x97",
	"\xe2\x80\xae",
	"\\x41",
};

static void make(struct sheet *sheet)
{
	sheet_init(sheet, columns, COLUMNS);
	sheet->tree_column = NAME;
	for (size_t i = 0; i < ARRAY_COUNT(hostile); i++) {
		struct sheet_row *row = sheet_add(sheet, i + 1);

		row->values[NAME] = value_text(hostile[i]);
		row->values[HELD] = value_number(UINT64_C(5000000000) + i);
		row->values[HELD].inexact = i == 1;
		row->values[CHANGE] = value_change(-(int64_t)i);
		row->values[AGE] = value_number(1500000000);
		row->values[ADDRESS] = value_number(0xffffffffffffffffu);
		row->values[BAR] = value_real(0.5);
		row->depth = (uint16_t)(i % 3);
	}
	sheet_add(sheet, 99);
}

static void test_json(void **state)
{
	struct sheet sheet;
	json_t *rows, *row, *again;
	char *bytes;

	(void)state;
	make(&sheet);
	rows = sheet_json(&sheet);
	bytes = json_dumps(rows, 0);
	assert_non_null(bytes); /* all of it is UTF-8 */
	again = json_loads(bytes, 0, NULL);
	assert_true(json_equal(rows, again));
	row = json_array_get(again, 0);
	assert_string_equal(json_string_value(json_object_get(row, "name")), "plain");
	assert_int_equal(json_integer_value(json_object_get(row, "held_bytes")), 5000000000);
	assert_true(json_real_value(json_object_get(row, "age_seconds")) == 1.5);
	assert_string_equal(json_string_value(json_object_get(row, "address")),
	                    "0xffffffffffffffff");
	assert_null(json_object_get(row, "bar"));
	assert_true(json_is_null(json_object_get(row, "share")));
	assert_true(json_is_true(json_object_get(row, "exact")));
	assert_true(json_is_null(json_object_get(row, "parent")));
	row = json_array_get(again, 2);
	assert_int_equal(json_integer_value(json_object_get(row, "change_bytes")), -2);
	assert_int_equal(json_integer_value(json_object_get(row, "depth")), 2);
	assert_int_equal(json_integer_value(json_object_get(row, "parent")), 1);
	assert_true(json_is_false(json_object_get(json_array_get(again, 1), "exact")));
	assert_true(json_is_null(json_object_get(json_array_get(again, 3), "parent")));
	assert_string_equal(json_string_value(json_object_get(json_array_get(again, 8), "name")),
	                    "\\xff\\xfe");
	row = json_array_get(again, ARRAY_COUNT(hostile));
	assert_true(json_is_null(json_object_get(row, "name")));
	assert_true(json_is_null(json_object_get(row, "held_bytes")));
	json_decref(rows);
	json_decref(again);
	free(bytes);
	sheet_finish(&sheet);
}

/* One cell of RFC 4180; returns what comes after it, and its separator. */
static const char *read_cell(const char *at, struct text *cell, char *ret_separator)
{
	text_clear(cell);
	if (*at == '"') {
		for (at++; *at != '"' || at[1] == '"'; at++) {
			assert_true(*at != '\0');
			at += *at == '"';
			text_bytes(cell, at, 1);
		}
		at++;
	} else {
		size_t length = strcspn(at, ",\r\"");

		text_bytes(cell, at, length);
		at += length;
	}
	*ret_separator = *at;
	assert_true(*at == ',' || (*at == '\r' && at[1] == '\n'));
	return at + (*at == ',' ? 1 : 2);
}

static const char *const as_cells[] = {
	"plain",
	"comma, \"quote\"",
	"'=1+cmd|' /C calc'!A0",
	"'+1",
	"'-1",
	"'@SUM(1)",
	"two\\x0alines\\x0d\\x0a",
	"\\x1b]0;title\\x07",
	"\\xff\\xfe",
	"\\u{9b}31m",
	"\\x09=1+1",
	"it's",
	"\xe6\xbc\xa2\xe5\xad\x97",
	"\xe2\x80\xae",
	"\\x41",
};

static void test_csv(void **state)
{
	struct text out = {0}, cell = {0};
	struct sheet sheet;
	const char *at;
	char separator;

	(void)state;
	make(&sheet);
	sheet_csv(&sheet, &out);
	at = text_string(&out);
	assert_int_equal(
		strncmp(at,
	                "name,held_bytes,change_bytes,age_seconds,address,share,exact,depth\r\n",
	                67),
		0);
	at = strchr(at, '\n') + 1;
	for (size_t row = 0; row < ARRAY_COUNT(hostile); row++)
		for (unsigned column = 0; column < 8; column++) {
			at = read_cell(at, &cell, &separator);
			assert_int_equal(separator, column < 7 ? ',' : '\r');
			if (column == 0)
				assert_string_equal(text_string(&cell), as_cells[row]);
			if (column == 2)
				assert_int_equal(atoi(text_string(&cell)), -(int)row);
			if (column == 5)
				assert_string_equal(text_string(&cell), "");
		}
	assert_string_equal(at, ",,,,,,true,0\r\n");
	for (const char *s = text_string(&out); *s != '\0'; s++)
		assert_true((unsigned char)*s >= 0x20 || *s == '\r' || *s == '\n');
	text_finish(&out);
	text_finish(&cell);
	sheet_finish(&sheet);
}

static void check_file(const char *path, bool csv)
{
	char bytes[8] = "";
	FILE *file = fopen(path, "r");
	json_t *json;

	assert_non_null(file);
	if (csv) {
		assert_int_equal(fread(bytes, 1, 7, file), 7);
		assert_null(strchr(bytes, '{'));
	} else {
		json = json_loadf(file, 0, NULL);
		assert_non_null(json);
		assert_true(json_is_string(json_object_get(json, "screen")));
		assert_true(json_is_array(json_object_get(json, "rows")));
		json_decref(json);
	}
	fclose(file);
}

/* Every screen, with names and tags of any bytes in it. */
static void test_screens(void **state)
{
	char dir[] = "/tmp/meshtally-export-XXXXXX", path[128];
	struct tui_fixture fixture;
	struct text said = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	tui_fixture_init(&fixture, "hostile");
	for (enum screen_id id = 0; id < SCREEN_LIMIT; id++)
		for (int csv = 0; csv < 2; csv++) {
			fixture.ui.screen = id;
			tui_fixture_survey(&fixture);
			snprintf(path, sizeof(path), "%s/%d.%s", dir, (int)id,
			         csv ? "CSV" : "json");
			assert_int_equal(picture_export(&fixture.look, path, &said), 0);
			assert_non_null(strstr(text_string(&said), path));
			check_file(path, csv);
			/* A second time it is there already. */
			assert_int_equal(picture_export(&fixture.look, path, &said), -EEXIST);
			assert_non_null(strstr(text_string(&said), "is there already"));
			check_file(path, csv);
			assert_int_equal(unlink(path), 0);
		}
	snprintf(path, sizeof(path), "%s/no/such.json", dir);
	assert_int_equal(picture_export(&fixture.look, path, &said), -ENOENT);
	assert_non_null(strstr(text_string(&said), "No such file or directory"));
	assert_int_equal(rmdir(dir), 0);
	text_finish(&said);
	tui_fixture_finish(&fixture);
}

static void test_too_early(void **state)
{
	struct tui_fixture fixture;
	struct text said = {0};

	(void)state;
	tui_fixture_init(&fixture, "waiting");
	assert_int_equal(picture_export(&fixture.look, "/nowhere", &said), -EAGAIN);
	assert_string_equal(text_string(&said), "nothing has been read yet");
	text_finish(&said);
	tui_fixture_finish(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_screens),
		cmocka_unit_test(test_too_early),
	};

	setlocale(LC_ALL, "");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

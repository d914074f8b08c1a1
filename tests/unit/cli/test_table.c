/* SPDX-License-Identifier: Apache-2.0 */
/* Tables in a given width: optional columns go first, then flexible ones are cut. */
#include "cmocka_all.h"
#include "table.h"

#include <locale.h>

static const struct table_column columns[] = {
	{"SIZE", TABLE_RIGHT, 0, 0},
	{"EMPTY", TABLE_HIDE_EMPTY, 0, 0},
	{"EXTRA", 0, 1, 0},
	{"PATH", TABLE_FLEXIBLE | TABLE_CUT_START, 0, 5},
};

static void expect(size_t width, const char *expected)
{
	struct table table;
	struct text out = {0};

	table_init(&table, columns, ARRAY_COUNT(columns));
	table_cell(&table, "%d", 5);
	table_cell(&table, "-");
	table_cell(&table, "x");
	table_foreign(&table, "model/layer/one");
	table_cell(&table, "%d", 12345);
	table_cell(&table, "-");
	table_cell(&table, "longer");
	table_foreign(&table, "");
	table_print(&table, width, &out);
	assert_string_equal(text_string(&out), expected);
	text_finish(&out);
	table_finish(&table);
}

static void fits(void **state)
{
	(void)state;
	expect(0, " SIZE  EXTRA   PATH\n    5  x       model/layer/one\n12345  longer  -\n");
	expect(30, " SIZE  EXTRA   PATH\n    5  x       model/layer/one\n12345  longer  -\n");
	expect(24, " SIZE  EXTRA   PATH\n    5  x       \xe2\x80\xa6"
	           "ayer/one\n12345  longer  -\n");
	expect(16, " SIZE  PATH\n    5  \xe2\x80\xa6"
	           "ayer/one\n12345  -\n");
	expect(3, " SIZE  PATH\n    5  \xe2\x80\xa6/one\n12345  -\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(fits)};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Figures for people. */
#include "cmocka_all.h"
#include "even.h"
#include "memory.h"
#include "text.h"
#include "units.h"

static const struct {
	uint64_t bytes;
	const char *fixed, *brief;
} table[] = {
	{0, "0  B", "0 B"},
	{1023, "1023  B", "1023 B"},
	{1024, "1.00 KB", "1 KB"},
	{22528, "22.00 KB", "22 KB"},
	{36864, "36.00 KB", "36 KB"},
	{14753792, "14.07 MB", "14.07 MB"},
	{14790656, "14.11 MB", "14.11 MB"},
	{1048575, "1.00 MB", "1 MB"}, /* not 1024.00 KB */
	{UINT64_MAX, "16.00 EB", "16 EB"},
};

static void bytes(void **state)
{
	char buffer[UNITS_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		assert_string_equal(units_bytes(&buffer, table[i].bytes, true), table[i].fixed);
		assert_string_equal(units_bytes_short(&buffer, table[i].bytes), table[i].brief);
	}
	assert_string_equal(units_bytes(&buffer, 2048, false), "~2.00 KB");
	assert_string_equal(units_change(&buffer, 1024, 37888), "+36 KB");
	assert_string_equal(units_change(&buffer, 37888, 1024), "-36 KB");
	assert_string_equal(units_count(&buffer, 14753792), "14,753,792");
	assert_string_equal(units_count(&buffer, 100), "100");
	assert_string_equal(units_percent(&buffer, 1, 0), "-");
	assert_string_equal(units_percent(&buffer, 1, 1000000), "<0.1 %");
	assert_string_equal(units_age(&buffer, 192000000000), "3m12s");
}

static void even(const uint64_t *values, size_t count, const char *expected)
{
	struct machine_device devices[16] = {0};
	const struct machine machine = {.devices = {devices, 16, 16}};
	uint32_t rows[16];
	struct text text = {0};

	for (uint32_t i = 0; i < count; i++)
		rows[i] = i;
	even_text(&text, &machine, rows, values, count);
	assert_string_equal(text_string(&text), expected);
	text_finish(&text);
}

static void names(const uint32_t *rows, size_t count, const char *cell, const char *words)
{
	struct machine_device devices[9] = {[8] = {.unplaced = true}};
	const struct machine machine = {.devices = {devices, 9, 9}};
	struct text text = {0};

	row_names(&text, &machine, rows, count);
	assert_string_equal(text_string(&text), cell);
	text_clear(&text);
	device_names(&text, &machine, rows, count);
	assert_string_equal(text_string(&text), words);
	text_finish(&text);
}

static void what_is_on_no_device_is_named(void **state)
{
	(void)state;
	names((const uint32_t[]){3}, 1, "3", "device 3");
	names((const uint32_t[]){0, 1, 2, 7}, 4, "0-2,7", "devices 0-2,7");
	names((const uint32_t[]){8}, 1, "unplaced", "unplaced");
	names((const uint32_t[]){8, 8}, 2, "unplaced", "unplaced");
	names((const uint32_t[]){7, 8}, 2, "7,unplaced", "device 7 and unplaced");
	names((const uint32_t[]){0, 7, 8}, 3, "0,7,unplaced", "devices 0,7 and unplaced");
	names(NULL, 0, "-", "devices -");
}

/* The odd one is named. */
static void devices_in_one_line(void **state)
{
	(void)state;
	even((const uint64_t[]){14790656, 14753792, 14753792, 14753792}, 4,
	     "devices 1-3: 14.07 MB each; device 0: +36 KB");
	even((const uint64_t[]){1024, 1024}, 2, "devices 0,1: 1 KB each");
	even((const uint64_t[]){0, 22528, 0}, 3, "device 1: 22 KB");
	even((const uint64_t[]){0, 0}, 2, "");
	even((const uint64_t[]){4096, 4096, 1024, 4096, 4096}, 5,
	     "devices 0,1,3,4: 4 KB each; device 2: 1 KB");
	even((const uint64_t[]){4096, 4096, 3072, 4096, 9216}, 5,
	     "devices 0,1,3: 4 KB each; device 2: -1 KB; device 4: 9 KB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes),
		cmocka_unit_test(devices_in_one_line),
		cmocka_unit_test(what_is_on_no_device_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

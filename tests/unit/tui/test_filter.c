/* SPDX-License-Identifier: Apache-2.0 */
/* The language of filters: what may be typed, what it means, and what is said when it means
 * nothing. */
#include "filter.h"
#include "filter_number.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "meshtally.h"

#define MB (1024u * 1024u)

static struct filter parsed(const char *line)
{
	struct text error = {0};
	struct filter filter;

	if (filter_parse(&filter, line, &error) != 0)
		fail_msg("'%s': %s", line, text_string(&error));
	assert_int_equal(error.length, 0);
	assert_string_equal(filter.source, line);
	return filter;
}

static void assert_refused(const char *line, const char *because)
{
	struct text error = {0};
	struct filter filter;

	assert_int_equal(filter_parse(&filter, line, &error), -EINVAL);
	if (strstr(text_string(&error), because) == NULL)
		fail_msg("'%s' is refused with '%s', not with '%s'", line, text_string(&error),
		         because);
	assert_true(filter_is_empty(&filter));
	assert_string_equal(filter.source, "");
	filter_finish(&filter);
	text_finish(&error);
}

static void test_all_terms(void **state)
{
	struct filter filter =
		parsed("dev:3 Kind:L1 tag:attn* size>1M age>10m pid:123 type:double-free embed");

	(void)state;
	assert_string_equal(filter.devices.items[0], "3");
	assert_string_equal(filter.kinds.items[0], "L1");
	assert_string_equal(filter.tags.items[0], "attn*");
	assert_int_equal(filter.pids.items[0], 123);
	assert_string_equal(filter.words.items[0], "embed");
	assert_int_equal(filter.size_bytes.least, MB + 1);
	assert_true(filter.size_bytes.most == UINT64_MAX);
	assert_true(filter.age_ns.least == 600000000001u);
	assert_false(filter_is_empty(&filter));
	assert_true(filter_needs_buffers(&filter));
	filter_finish(&filter);
}

static void test_empty(void **state)
{
	struct filter filter = parsed("  \t ");
	struct filter zero = {0};

	(void)state;
	assert_true(filter_is_empty(&filter));
	assert_true(filter_is_empty(&zero));
	assert_false(filter_needs_buffers(&filter));
	assert_true(filter_has_tag(&filter, "any"));
	assert_true(filter_has_words(&filter, NULL, NULL));
	assert_true(filter_has_fault(&filter, MT_DRIFT));
	filter_finish(&filter);
}

static void test_full_words_and_alternatives(void **state)
{
	struct filter filter = parsed("device:0 dev=0x1f process:7 pid:8 tag:a tag:b/c");

	(void)state;
	assert_int_equal(filter.devices.count, 2);
	assert_int_equal(filter.pids.count, 2);
	assert_true(filter_has_tag(&filter, "a/x"));
	assert_true(filter_has_tag(&filter, "b/c"));
	assert_false(filter_has_tag(&filter, "b"));
	assert_false(filter_has_tag(&filter, "ab"));
	assert_false(filter_needs_buffers(&filter));
	filter_finish(&filter);
}

static void test_quotes(void **state)
{
	struct filter filter = parsed("tag:\"with space\" \"std::vector\" half\"-quoted word\"");

	(void)state;
	assert_string_equal(filter.tags.items[0], "with space");
	assert_int_equal(filter.words.count, 2);
	assert_string_equal(filter.words.items[0], "std::vector");
	assert_string_equal(filter.words.items[1], "half-quoted word");
	filter_finish(&filter);
	assert_refused("tag:\"open", "quote is open");
}

static void test_bounds(void **state)
{
	struct filter filter = parsed("size>1K size>=4K size<=1.5M size<2G age<1h30m");

	(void)state;
	assert_int_equal(filter.size_bytes.least, 4096);
	assert_int_equal(filter.size_bytes.most, 3 * MB / 2);
	assert_true(filter.age_ns.most == 5400000000000u - 1);
	filter_finish(&filter);
	filter = parsed("size:512");
	assert_int_equal(filter.size_bytes.least, 512);
	assert_int_equal(filter.size_bytes.most, 512);
	filter_finish(&filter);
}

static void test_refusals(void **state)
{
	(void)state;
	assert_refused("size>xyz", "size>: expected a size as 512K, 1M or 2G, not 'xyz'");
	assert_refused("size>", "size>: expected a size");
	assert_refused("size>99999999999999999999", "expected a size");
	assert_refused("size>18446744073709551615", "expected a size");
	assert_refused("size<0", "expected a size");
	assert_refused("size>2G size<1M", "leave nothing");
	assert_refused("age>10", "age>: expected a time as 10s, 5m, 2h or 1d, not '10'");
	assert_refused("pid:python", "for a command, type it as a word alone");
	assert_refused("pid:-1", "expected a process id");
	assert_refused("pid:99999999999", "expected a process id");
	assert_refused("type:bug", "expected a fault as double-free");
	assert_refused("dev>3", "with a colon");
	assert_refused("size<>3", "with >, <, >= or <=");
	assert_refused("dev:", "dev:: expected a device");
	assert_refused("sise>1M", "there is no 'sise>': known are dev:, kind:, tag:, pid:, size> "
	                          "<, age> <, type:");
	/* What is typed cannot reach a terminal as an escape. */
	assert_refused("size>\033[31m", "\\x1b[31m");
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {{"0", 0},
	             {"7", 7},
	             {"512K", 512 << 10},
	             {"1m", MB},
	             {"2GiB", 2048ull * MB},
	             {"1.5MB", 3 * MB / 2},
	             {"3b", 3},
	             {"1T", 1ull << 40}};
	static const char *const bad[] = {"", "K", "1.", ".5M", "1X", "1MM", "1 M", "-1", "1e3"};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		assert_true(filter_number_size(sizes[i].text, &value));
		assert_true(value == sizes[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_false(filter_number_size(bad[i], &value));
	assert_true(filter_number_age("3m12s", &value) && value == 192000000000u);
	assert_true(filter_number_age("250ms", &value) && value == 250000000u);
	assert_true(filter_number_age("2d03h", &value) && value == 51 * 3600000000000u);
	assert_false(filter_number_age("9999999999999d", &value));
	assert_false(filter_number_age("", &value));
}

static void test_words(void **state)
{
	struct filter filter = parsed("Attn MODEL");

	(void)state;
	assert_true(filter_has_words(&filter, "model/attn", NULL));
	assert_true(filter_has_words(&filter, "attn", "my_Model.py:3"));
	assert_false(filter_has_words(&filter, "attn", "other"));
	filter_finish(&filter);
}

static void test_fault_types(void **state)
{
	struct filter filter = parsed("type:double_free type:MT_DRIFT");

	(void)state;
	assert_true(filter_has_fault(&filter, MT_DOUBLE_FREE));
	assert_true(filter_has_fault(&filter, MT_DRIFT));
	assert_false(filter_has_fault(&filter, MT_UNKNOWN_FREE));
	filter_finish(&filter);
	filter = parsed("type:free");
	assert_true(filter_has_fault(&filter, MT_DOUBLE_FREE));
	assert_true(filter_has_fault(&filter, MT_UNKNOWN_FREE));
	filter_finish(&filter);
}

static void test_survey(void **state)
{
	struct filter filter = parsed("tag:a* size>1K word");
	struct survey_filter survey;

	(void)state;
	filter_survey(&filter, &survey);
	assert_int_equal(survey.tag_count, 1);
	assert_int_equal(survey.word_count, 1);
	assert_int_equal(survey.least_bytes, 1025);
	assert_int_equal(survey.most_bytes, 0);
	assert_int_equal(survey.most_age_ns, 0);
	filter_finish(&filter);
}

/* A scene of 4 devices, two kinds and one process. */
static struct scene small_scene(void)
{
	struct scene scene = {.from = NULL};

	for (uint64_t i = 0; i < 4; i++) {
		struct machine_device *device = vec_add(&scene.machine.devices);

		device->unique_id = 0x100 + i;
		device->arch = "";
		device->bus = i == 2 ? "0000:03:00.0" : "";
	}
	vec_add(&scene.machine.processes)->pid = 42;
	scene.machine.kind_count = 2;
	scene.machine.kind_names[0] = "DRAM";
	scene.machine.kind_names[1] = "L1";
	return scene;
}

static void small_scene_finish(struct scene *scene)
{
	vec_finish(&scene->machine.devices);
	vec_finish(&scene->machine.processes);
}

static void test_select(void **state)
{
	struct scene scene = small_scene();
	struct filter filter = parsed("dev:0x101 dev:2-9 kind:l1 pid:42");
	struct selection selection;
	struct text missing = {0};

	(void)state;
	filter_select(&filter, &scene, &selection, &missing);
	assert_int_equal(missing.length, 0);
	assert_false(selection_has_device(&selection, 0));
	assert_true(selection_has_device(&selection, 1));
	assert_true(selection_has_device(&selection, 2));
	assert_true(selection_has_device(&selection, 3));
	assert_false(selection_has_kind(&selection, 0));
	assert_true(selection_has_kind(&selection, 1));
	assert_true(selection_has_process(&selection, &scene.machine.processes.items[0]));
	selection_finish(&selection);
	filter_finish(&filter);
	small_scene_finish(&scene);
}

static void test_select_missing(void **state)
{
	struct scene scene = small_scene();
	struct filter filter = parsed("dev:9 kind:HBM pid:7");
	struct selection selection;
	struct text missing = {0};

	(void)state;
	filter_select(&filter, &scene, &selection, &missing);
	assert_string_equal(text_string(&missing),
	                    "no device '9' here: there are 0 to 3; no kind of memory 'HBM' here: "
	                    "there are DRAM, L1; no process '7' here");
	for (uint32_t row = 0; row < 4; row++)
		assert_false(selection_has_device(&selection, row));
	assert_false(selection_has_kind(&selection, 0));
	assert_false(selection_has_kind(&selection, 1));
	selection_finish(&selection);
	filter_select(&filter, &scene, &selection, NULL);
	selection_finish(&selection);
	text_finish(&missing);
	filter_finish(&filter);
	small_scene_finish(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_terms),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_full_words_and_alternatives),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_fault_types),
		cmocka_unit_test(test_survey),
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_select_missing),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}

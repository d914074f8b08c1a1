/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shapes of JSON output are those of docs/api.md: each example there, under "## VERB", has the
 * keys that the verb prints, no more and no fewer. `unit-cli-json VERB` prints what it makes.
 */
#include "cmocka_all.h"
#include "example_places.h"
#include "example_scene.h"
#include "example_sources.h"
#include "listing.h"
#include "run_summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct example example;
static const struct report_query plain = {.by = -1, .limit = 20};

static json_t *make_devices(void)
{
	return devices_json(&example.scene, &plain);
}

static json_t *make_ps(void)
{
	return ps_json(&example.scene, &plain);
}

static json_t *make_ls(void)
{
	return ls_json(&example.scene, &plain);
}

static json_t *make_ls_by(void)
{
	static const struct report_query by_tag = {.by = SUM_BY_TAG, .limit = 20};

	return ls_json(&example.scene, &by_tag);
}

static void find_leaks(struct leaks *leaks)
{
	struct leak_options options = {false};

	leaks_find(leaks, &example.scene.machine, &example.scene.selection, &options);
}

static json_t *make_leaks(void)
{
	struct leaks leaks;
	json_t *json;

	find_leaks(&leaks);
	json = leaks_json(&example.scene, &leaks, &plain);
	leaks_finish(&leaks);
	return json;
}

static json_t *make_faults(void)
{
	struct findings findings;
	json_t *json;

	findings_find(&findings, &example.scene.machine, &example.scene.selection);
	json = faults_json(&example.scene, &findings, &plain);
	findings_finish(&findings);
	return json;
}

static json_t *make_oom(void)
{
	return oom_json(&example.scene, &plain);
}

static json_t *make_peak(void)
{
	return peak_json(&example.scene, &plain);
}

static json_t *make_diff(void)
{
	struct machine_input input = {example.scene.views.items, 1, NULL, true};
	struct compared before, after = {&example.scene.machine, &example.scene.selection};
	struct comparison comparison;
	struct machine machine;
	json_t *json;

	machine_build(&machine, &input);
	before = (struct compared){&machine, &example.scene.selection};
	compare(&comparison, &before, &after);
	json = diff_json(&comparison, 20);
	compare_finish(&comparison);
	machine_finish(&machine);
	return json;
}

static json_t *make_run(void)
{
	bool kept[2] = {true, true};
	struct run_result result = {.program = "program", .run_id = 1, .scene = &example.scene};
	struct leaks leaks;
	json_t *json;

	find_leaks(&leaks);
	result.leaks = &leaks;
	result.kept = kept;
	json = run_summary_json(&result);
	leaks_finish(&leaks);
	return json;
}

static const struct {
	const char *name;
	json_t *(*make)(void);
} shapes[] = {
	{"devices", make_devices}, {"ps", make_ps},       {"ls", make_ls},
	{"ls --by", make_ls_by},   {"leaks", make_leaks}, {"faults", make_faults},
	{"oom", make_oom},         {"peak", make_peak},   {"diff", make_diff},
	{"run", make_run},
};

static const json_t *find(const json_t *array, const char *key)
{
	size_t i;
	json_t *item;

	json_array_foreach(array, i, item)
	{
		const json_t *value = json_object_get(item, key);

		if (value != NULL && !json_is_null(value))
			return value;
	}
	return NULL;
}

static void same_shape(const json_t *documented, const json_t *printed, const char *where);

static void same_keys(const json_t *documented, const json_t *printed, const char *where)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)documented, key, value)
	{
		const json_t *other = json_object_get(printed, key);

		if (other == NULL)
			fail_msg("%s: docs/api.md has \"%s\", which is not printed", where, key);
		if (!json_is_null(value) && !json_is_null(other))
			same_shape(value, other, key);
	}
	json_object_foreach((json_t *)printed, key, value)
	{
		if (json_object_get(documented, key) == NULL)
			fail_msg("%s: \"%s\" is not in docs/api.md", where, key);
	}
}

static void same_shape(const json_t *documented, const json_t *printed, const char *where)
{
	bool numbers = json_is_number(documented) && json_is_number(printed);
	bool truths = json_is_boolean(documented) && json_is_boolean(printed);

	if (!numbers && !truths && json_typeof(documented) != json_typeof(printed))
		fail_msg("%s: another type than in docs/api.md", where);
	if (json_is_object(documented))
		same_keys(documented, printed, where);
	if (json_is_array(documented) && json_array_size(documented) != 0) {
		const json_t *item = json_array_get(documented, 0);

		assert_true(json_array_size(printed) != 0);
		same_shape(item, json_array_get(printed, 0), where);
	}
}

static char *read_api(void)
{
	FILE *stream = fopen(MESHTALLY_SOURCE "/docs/api.md", "r");
	char *bytes = calloc(1, 1 << 18);

	assert_non_null(stream);
	assert_true(fread(bytes, 1, (1 << 18) - 1, stream) > 0);
	fclose(stream);
	return bytes;
}

static void documented(void **state)
{
	char *api = read_api();

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
		char heading[64], *start, *end;
		json_t *example_json, *printed;
		json_error_t error;

		snprintf(heading, sizeof(heading), "\n## %s\n", shapes[i].name);
		start = strstr(api, heading);
		assert_non_null(start);
		start = strstr(start, "```json\n");
		assert_non_null(start);
		start += strlen("```json\n");
		end = strstr(start, "```");
		example_json = json_loadb(start, (size_t)(end - start), 0, &error);
		if (example_json == NULL)
			fail_msg("%s: line %d: %s", shapes[i].name, error.line, error.text);
		printed = shapes[i].make();
		same_shape(example_json, printed, shapes[i].name);
		json_decref(example_json);
		json_decref(printed);
	}
	free(api);
}

/* Nothing in the output is a string that cannot be one, and unknown is null. */
static void values(void **state)
{
	json_t *ps = make_ps(), *process, *devices = make_devices();
	char *text = json_dumps(ps, 0);

	(void)state;
	assert_non_null(text);
	process = json_array_get(json_object_get(ps, "processes"), 2);
	assert_string_equal(json_string_value(json_object_get(process, "source")),
	                    "tt_metal_counters");
	assert_true(json_is_null(json_object_get(process, "faults")));
	assert_non_null(find(json_object_get(devices, "witnesses"), "witness_bytes"));
	free(text);
	json_decref(ps);
	json_decref(devices);
}

static const char *word(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

/* Processes that are seen in several ways, and those whose server is gone. */
static void sources(void **state)
{
	static const char *const expected[] = {"segment", "socket", "socket", "tt_metal_counters",
	                                       "tt_metal_counters"};
	struct example_sources seen;
	json_t *ps, *devices, *processes, *stale, *witness;

	(void)state;
	example_sources_make(&seen);
	ps = ps_json(&seen.scene, &plain);
	devices = devices_json(&seen.scene, &plain);
	processes = json_object_get(ps, "processes");
	assert_int_equal(json_array_size(processes), ARRAY_COUNT(expected));
	for (size_t i = 0; i < ARRAY_COUNT(expected); i++)
		assert_string_equal(word(json_array_get(processes, i), "source"), expected[i]);
	assert_string_equal(word(json_array_get(processes, 2), "state"), "stale");
	assert_true(json_number_value(json_object_get(json_array_get(processes, 2),
	                                              "stale_since_unix_seconds")) ==
	            1795340000.0 - 200);
	assert_true(json_is_null(
		json_object_get(json_array_get(processes, 1), "stale_since_unix_seconds")));

	stale = json_object_get(devices, "stale");
	assert_int_equal(json_array_size(stale), 1);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(json_array_get(stale, 0), "process"), "pid")),
	                 4730);
	assert_true(json_number_value(json_object_get(json_array_get(stale, 0),
	                                              "since_unix_seconds")) == 1795340000.0 - 200);
	witness = json_array_get(json_object_get(devices, "witnesses"), 0);
	assert_string_equal(word(witness, "counted"), "segment");
	assert_string_equal(word(witness, "witness"), "socket");
	assert_int_equal(json_array_size(json_object_get(devices, "unreadable")), 1);
	json_decref(ps);
	json_decref(devices);
	example_sources_finish(&seen);
}

static const json_t *item(const json_t *json, const char *key, size_t number)
{
	const json_t *array = json_object_get(json, key);

	assert_true(json_array_size(array) > number);
	return json_array_get(array, number);
}

static void is_null(const json_t *json, const char *key)
{
	assert_non_null(json_object_get(json, key));
	assert_true(json_is_null(json_object_get(json, key)));
}

/* What is on no device is a row that says so; an address that is not known is null, and with it all
 * that would follow from addresses. */
static void unplaced(void **state)
{
	struct example_places places;
	struct findings findings;
	json_t *devices, *ls, *faults, *oom;
	const json_t *device, *failure, *advice;

	(void)state;
	example_places_make(&places);
	devices = devices_json(&places.scene, &plain);
	ls = ls_json(&places.scene, &plain);
	oom = oom_json(&places.scene, &plain);
	findings_find(&findings, &places.scene.machine, &places.scene.selection);
	faults = faults_json(&places.scene, &findings, &plain);

	assert_int_equal(json_array_size(json_object_get(devices, "devices")), 3);
	device = item(devices, "devices", 1);
	assert_true(json_is_false(json_object_get(device, "unplaced")));
	assert_int_equal(json_integer_value(json_object_get(device, "ordinal")), 1);
	is_null(item(device, "kinds", 0), "holes");
	device = item(devices, "devices", 2);
	assert_true(json_is_true(json_object_get(device, "unplaced")));
	assert_int_equal(json_integer_value(json_object_get(device, "row")), 2);
	is_null(device, "ordinal");
	is_null(device, "unique_id");
	is_null(item(device, "kinds", 0), "capacity_bytes");
	is_null(item(ls, "buffers", 0), "address");
	is_null(item(faults, "faults", 0), "address");
	failure = item(oom, "failures", 0);
	is_null(failure, "free_bytes_per_bank");
	is_null(failure, "largest_hole_bytes_per_bank");
	advice = json_object_get(failure, "advice");
	is_null(advice, "enough");
	is_null(advice, "bytes");
	assert_int_equal(json_array_size(json_object_get(advice, "buffers")), 0);

	json_decref(devices);
	json_decref(ls);
	json_decref(faults);
	json_decref(oom);
	findings_finish(&findings);
	example_places_finish(&places);
}

/* Arrays cut to their first element: what docs/api.md shows. */
static void shorten(json_t *json)
{
	const char *key;
	json_t *value;

	json_object_foreach(json, key, value) shorten(value);
	while (json_is_array(json) && json_array_size(json) > 1)
		json_array_remove(json, 1);
	if (json_is_array(json) && json_array_size(json) == 1)
		shorten(json_array_get(json, 0));
}

static void print_shape(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
		json_t *json = strcmp(shapes[i].name, name) == 0 ? shapes[i].make() : NULL;

		if (json == NULL)
			continue;
		shorten(json);
		json_dumpf(json, stdout, JSON_INDENT(1));
		json_decref(json);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documented),
		cmocka_unit_test(values),
		cmocka_unit_test(sources),
		cmocka_unit_test(unplaced),
	};
	int failed = 0;

	example_make(&example);
	if (argc > 1)
		print_shape(argv[1]);
	else
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	example_finish(&example);
	return failed;
}

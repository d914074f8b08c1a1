/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What verbs print of the made-up machine, at 80 and at 120 columns, against tests/golden. With
 * MESHTALLY_UPDATE_GOLDEN=1 the files are written anew: look at the difference before keeping it.
 */
#include "cmocka_all.h"
#include "example_places.h"
#include "example_scene.h"
#include "example_sources.h"
#include "listing.h"
#include "safe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct example example;
static struct example_sources sources;
static struct example_places places;

typedef void (*draw)(struct text *out, size_t width);

static const struct options plain = {.by = -1, .limit = 20};

static void draw_devices(struct text *out, size_t width)
{
	devices_text(&example.scene, &plain, width, out);
}

static void draw_ps(struct text *out, size_t width)
{
	ps_text(&example.scene, &plain, width, out);
}

static void draw_ls(struct text *out, size_t width)
{
	static const struct options by_tag = {.by = SUM_BY_TAG, .limit = 20};
	static const struct options by_device = {.by = SUM_BY_DEVICE, .limit = 20};

	ls_text(&example.scene, &plain, width, out);
	text_add(out, "\n");
	ls_text(&example.scene, &by_tag, width, out);
	text_add(out, "\n");
	ls_text(&example.scene, &by_device, width, out);
}

static void leaks_of(const struct scene *scene, struct text *out, size_t width)
{
	struct leak_options options = {false};
	struct leaks leaks;

	leaks_find(&leaks, &scene->machine, &scene->selection, &options);
	leaks_text(scene, &leaks, 20, width, out);
	leaks_finish(&leaks);
}

static void draw_leaks(struct text *out, size_t width)
{
	leaks_of(&example.scene, out, width);
}

static void faults_of(const struct scene *scene, struct text *out, size_t width)
{
	struct findings findings;

	findings_find(&findings, &scene->machine, &scene->selection);
	faults_text(scene, &findings, 20, width, out);
	findings_finish(&findings);
}

static void draw_faults(struct text *out, size_t width)
{
	faults_of(&example.scene, out, width);
}

static void draw_oom(struct text *out, size_t width)
{
	oom_text(&example.scene, &plain, width, out);
}

static void draw_peak(struct text *out, size_t width)
{
	peak_text(&example.scene, &plain, width, out);
}

static void draw_top(struct text *out, size_t width)
{
	top_text(&example.scene, &plain, width, out);
}

static void draw_sources(struct text *out, size_t width)
{
	text_add(out, "-- ps\n");
	ps_text(&sources.scene, &plain, width, out);
	text_add(out, "-- top\n");
	top_text(&sources.scene, &plain, width, out);
	text_add(out, "-- devices\n");
	devices_text(&sources.scene, &plain, width, out);
	text_add(out, "-- ls\n");
	ls_text(&sources.scene, &plain, width, out);
}

static void draw_unplaced(struct text *out, size_t width)
{
	static const struct options by_device = {.by = SUM_BY_DEVICE, .limit = 20};
	static const struct options long_form = {.by = -1, .limit = 20, .long_form = true};
	const struct scene *scene = &places.scene;

	text_add(out, "-- devices\n");
	devices_text(scene, &plain, width, out);
	text_add(out, "-- devices --long\n");
	devices_text(scene, &long_form, width, out);
	text_add(out, "-- ps\n");
	ps_text(scene, &plain, width, out);
	text_add(out, "-- ls\n");
	ls_text(scene, &plain, width, out);
	text_add(out, "-- ls --by device\n");
	ls_text(scene, &by_device, width, out);
	text_add(out, "-- leaks\n");
	leaks_of(scene, out, width);
	text_add(out, "-- faults\n");
	faults_of(scene, out, width);
	text_add(out, "-- oom\n");
	oom_text(scene, &plain, width, out);
	text_add(out, "-- peak\n");
	peak_text(scene, &plain, width, out);
	text_add(out, "-- top --once\n");
	top_text(scene, &plain, width, out);
}

/* Of what is on no device alone, and of a machine where that is nothing. */
static void draw_unplaced_alone(struct text *out, size_t width)
{
	static const char *const name = "unplaced";
	struct scene *scene = &places.scene;
	struct text error = {0};

	assert_int_equal(
		scene_select(scene, &(struct selection_names){.devices = &name, .device_count = 1},
	                     &error),
		0);
	text_add(out, "-- devices -d unplaced\n");
	devices_text(scene, &plain, width, out);
	text_add(out, "-- ls -d unplaced\n");
	ls_text(scene, &plain, width, out);
	text_add(out, "-- leaks -d unplaced\n");
	leaks_of(scene, out, width);
	selection_finish(&scene->selection);
	scene->selection = (struct selection){.all_kinds = true};
}

static char *read_golden(const char *path)
{
	FILE *stream = fopen(path, "r");
	char *bytes = calloc(1, 65536);

	if (stream != NULL) {
		if (fread(bytes, 1, 65535, stream) == 0)
			bytes[0] = '\0';
		fclose(stream);
	}
	return bytes;
}

/* No line is wider than asked for, but for single words: paths. */
static void check_width(const char *text, size_t width)
{
	for (; *text != '\0'; text += strcspn(text, "\n") + 1) {
		char line[1024];

		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
		if (safe_width(line) > width)
			fail_msg("wider than %zu: %s", width, line);
		assert_null(strchr(line, '\033'));
	}
}

static void check(const char *name, draw function)
{
	static const size_t widths[] = {80, 120};

	for (size_t i = 0; i < ARRAY_COUNT(widths); i++) {
		struct text out = {0};
		char path[512], *golden;

		function(&out, widths[i]);
		check_width(text_string(&out), widths[i]);
		snprintf(path, sizeof(path), "%s/tests/golden/%s-%zu.txt", MESHTALLY_SOURCE, name,
		         widths[i]);
		if (getenv("MESHTALLY_UPDATE_GOLDEN") != NULL) {
			FILE *stream = fopen(path, "w");

			assert_non_null(stream);
			fputs(text_string(&out), stream);
			fclose(stream);
		}
		golden = read_golden(path);
		assert_string_equal(golden, text_string(&out));
		free(golden);
		text_finish(&out);
	}
}

static void golden(void **state)
{
	(void)state;
	check("devices", draw_devices);
	check("ps", draw_ps);
	check("ls", draw_ls);
	check("leaks", draw_leaks);
	check("faults", draw_faults);
	check("oom", draw_oom);
	check("peak", draw_peak);
	check("top", draw_top);
	check("sources", draw_sources);
	check("unplaced", draw_unplaced);
	check("unplaced-alone", draw_unplaced_alone);
}

static void draw_help(struct text *out, size_t width)
{
	(void)width;
	help_command(out);
	for (size_t i = 0; i < verb_count; i++) {
		text_add(out, "\n");
		help_verb(out, &verbs[i]);
	}
}

static void golden_help(void **state)
{
	(void)state;
	check("help", draw_help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(golden_help),
	};
	int failed;

	example_make(&example);
	example_sources_make(&sources);
	example_places_make(&places);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	example_places_finish(&places);
	example_sources_finish(&sources);
	example_finish(&example);
	return failed;
}

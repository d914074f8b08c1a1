/* SPDX-License-Identifier: Apache-2.0 */
/* The settings file: what is read, what is told, what stays when it is written again. */
#include "cmocka_all.h"
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], path[128];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/meshtally-settings-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/new/er/monitor.conf", dir);
	return 0;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void write_text(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void check_text(const char *expected)
{
	char bytes[4096];
	FILE *file = fopen(path, "r");
	size_t count;

	assert_non_null(file);
	count = fread(bytes, 1, sizeof(bytes) - 1, file);
	bytes[count] = '\0';
	fclose(file);
	assert_string_equal(bytes, expected);
}

static void check_same(const struct settings *a, const struct settings *b)
{
	assert_int_equal(a->refresh_ms, b->refresh_ms);
	assert_int_equal(a->ground, b->ground);
	assert_int_equal(a->screen, b->screen);
	assert_int_equal(a->tree, b->tree);
	assert_int_equal(a->tags_by, b->tags_by);
	assert_memory_equal(a->sorts, b->sorts, sizeof(a->sorts));
	assert_memory_equal(a->descending, b->descending, sizeof(a->descending));
}

static void test_round(void **state)
{
	struct settings settings, again;
	struct text complaints = {0};

	(void)state;
	settings_defaults(&settings);
	settings_load(&settings, path, &complaints); /* there is none: fine */
	assert_int_equal(settings.refresh_ms, 500);
	assert_int_equal(settings.screen, SCREEN_MESH);
	settings.refresh_ms = 2000;
	settings.ground = GROUND_LIGHT;
	settings.screen = SCREEN_TAGS;
	settings.tree = false;
	settings.tags_by = TAGS_BY_AGE;
	strcpy(settings.sorts[SCREEN_TAGS], "share");
	settings.descending[SCREEN_TAGS] = true;
	assert_int_equal(settings_save(&settings, path), 0);
	settings_defaults(&again);
	settings_load(&again, path, &complaints);
	assert_string_equal(text_string(&complaints), "");
	check_same(&settings, &again);
	check_text("# meshtally's monitor: written by its key w\n"
	           "refresh_ms = 2000\nground = light\nscreen = tags\ntree = no\ntags_by = age\n"
	           "sort.mesh = none\nsort.device = none\nsort.processes = none\n"
	           "sort.tags = share down\nsort.growth = none\nsort.faults = none\n");
}

static void test_complaints(void **state)
{
	struct settings settings;
	struct text complaints = {0}, expected = {0};

	(void)state;
	settings_defaults(&settings);
	assert_int_equal(settings_save(&settings, path), 0);
	write_text("# mine\n\n  refresh_ms=50\nbogus\ncolour\033 = red\ntree = maybe\n"
	           "sort.tags = 21\nsort.faults = 1 sideways\nscreen=  Faults \t\r\nrefresh_ms = "
	           "-5\nsort.bogus = 1 up\n= 3");
	settings_load(&settings, path, &complaints);
	text_addf(&expected,
	          "%s:3: refresh_ms is to be a number from 100 to 10000\n"
	          "%s:4: expected NAME = VALUE\n"
	          "%s:5: there is no setting 'colour\\x1b'\n"
	          "%s:6: tree is to be yes or no\n"
	          "%s:7: sort.tags is to be none, or a column's name, as in exports, with up or "
	          "down\n"
	          "%s:8: sort.faults is to be none, or a column's name, as in exports, with up or "
	          "down\n"
	          "%s:10: refresh_ms is to be a number from 100 to 10000\n"
	          "%s:11: there is no setting 'sort.bogus'\n"
	          "%s:12: expected NAME = VALUE\n",
	          path, path, path, path, path, path, path, path, path);
	assert_string_equal(text_string(&complaints), text_string(&expected));
	/* What is good of it counts. */
	assert_int_equal(settings.screen, SCREEN_FAULTS);
	assert_int_equal(settings.refresh_ms, 500);
	text_finish(&complaints);
	text_finish(&expected);
}

static void test_unknown_lines_stay(void **state)
{
	struct settings settings;

	(void)state;
	settings_defaults(&settings);
	assert_int_equal(settings_save(&settings, path), 0);
	write_text("# mine\nof another day = 1\n\nrefresh_ms = 100\ntree = no\nrefresh_ms = 200");
	settings.refresh_ms = 1000;
	assert_int_equal(settings_save(&settings, path), 0);
	check_text("# mine\nof another day = 1\n\nrefresh_ms = 1000\ntree = yes\n"
	           "ground = auto\nscreen = mesh\ntags_by = tag\n"
	           "sort.mesh = none\nsort.device = none\nsort.processes = none\n"
	           "sort.tags = none\nsort.growth = none\nsort.faults = none\n");
}

/* A file that people keep elsewhere, with a link to it, stays there. */
static void test_link(void **state)
{
	struct settings settings;
	struct text complaints = {0};
	char target[128];
	struct stat info;

	(void)state;
	settings_defaults(&settings);
	assert_int_equal(settings_save(&settings, path), 0);
	snprintf(target, sizeof(target), "%s/kept.conf", dir);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	settings.refresh_ms = 5000;
	assert_int_equal(settings_save(&settings, path), 0);
	assert_int_equal(lstat(path, &info), 0);
	assert_true(S_ISLNK(info.st_mode));
	settings_defaults(&settings);
	settings_load(&settings, target, &complaints);
	assert_string_equal(text_string(&complaints), "");
	assert_int_equal(settings.refresh_ms, 5000);
}

static void test_no_place(void **state)
{
	struct settings settings;
	struct text complaints = {0};
	char blocked[160];

	(void)state;
	settings_defaults(&settings);
	snprintf(path, sizeof(path), "%s/plain", dir);
	write_text("x");
	snprintf(blocked, sizeof(blocked), "%s/monitor.conf", path);
	assert_true(settings_save(&settings, blocked) < 0);
	settings_load(&settings, dir, &complaints); /* a directory */
	assert_non_null(strstr(text_string(&complaints), "Is a directory"));
	text_finish(&complaints);
}

static void test_path(void **state)
{
	struct text said = {0};

	(void)state;
	setenv("HOME", "/home/somebody", 1);
	setenv("XDG_CONFIG_HOME", "/etc/mine", 1);
	settings_path(&said);
	assert_string_equal(text_string(&said), "/etc/mine/meshtally/monitor.conf");
	setenv("XDG_CONFIG_HOME", "relative", 1); /* is to be ignored */
	settings_path(&said);
	assert_string_equal(text_string(&said), "/home/somebody/.config/meshtally/monitor.conf");
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("HOME");
	settings_path(&said);
	assert_string_equal(text_string(&said), "");
	text_finish(&said);
}

static void test_ui(void **state)
{
	struct settings settings, again;
	struct ui ui;

	(void)state;
	settings_defaults(&settings);
	settings.screen = SCREEN_GROWTH;
	settings.refresh_ms = 200;
	settings.tags_by = TAGS_BY_KIND;
	strcpy(settings.sorts[SCREEN_FAULTS], "age_seconds");
	ui_init(&ui, 500);
	settings_apply(&settings, &ui);
	assert_int_equal(ui.screen, SCREEN_GROWTH);
	assert_int_equal(ui.refresh_ms, 200);
	again = settings;
	settings_take(&again, &ui);
	check_same(&settings, &again);
	ui_finish(&ui);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_complaints, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_unknown_lines_stay, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_link, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_no_place, make_dir, remove_dir),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_ui),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Options: what is wrong ends with status 2 and a sentence. */
#include "cmocka_all.h"
#include "listing.h"
#include "options.h"
#include "screens.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ARGUMENTS = 12 };

static int parse(struct options *options, const char *const *words, struct text *error)
{
	static char copies[MAX_ARGUMENTS][64];
	static char *argv[MAX_ARGUMENTS + 1];
	int argc = 0;

	for (; words[argc] != NULL; argc++) {
		strncpy(copies[argc], words[argc], sizeof(copies[argc]) - 1);
		copies[argc][strlen(words[argc])] = '\0';
		argv[argc] = copies[argc];
	}
	argv[argc] = NULL;
	return options_parse(options, verb_find(words[0]), argc, argv, error);
}

static const char *const wrong[][MAX_ARGUMENTS] = {
	{"ls", "--sort", "colour"},
	{"ls", "-s"},
	{"ls", "--by=weather"},
	{"ls", "-n", "-3"},
	{"ls", "-n", "three"},
	{"ls", "-p", "0"},
	{"ls", "-p", "12x"},
	{"ls", "-p", "99999999999"},
	{"ls", "--nonsense"},
	{"ls", "-Z"},
	{"ls", "surplus"},
	{"ls", "--from"},
	{"ls", "--fail-on-leak"},
	{"devices", "--sort", "size"},
	{"top", "-r", "1"},
	{"top", "-r", "fast"},
	{"top", "--screen", "weather"},
	{"top", "--json", "--screen", "mesh"},
	{"top", "--json", "--filter", "dev:1"},
	{"top", "--for", "60s"},
	{"growth", "--for", "soon"},
	{"growth", "--for", "0s"},
	{"growth", "--for", "25h"},
	{"growth", "--for", "5 m"},
	{"growth", "--for", "9999999999"},
	{"snapshot"},
	{"snapshot", "a", "b"},
	{"diff", "only-one"},
	{"run"},
	{"run", "--at", "peak", "--", "true"},
	{"run", "--keep", "f", "--at", "noon", "--", "true"},
	{"run", "--keep", "f", "--at", "mark=", "--", "true"},
	{"run", "--keep", "f", "--at", "mark=step", "--", "true"},
	{"run", "--keep", "f", "--at", "mark=step:x", "--", "true"},
};

static void wrong_usage(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		struct text error = {0};
		struct options options;

		assert_int_equal(parse(&options, wrong[i], &error), -EINVAL);
		assert_true(error.length > 10);
		options_finish(&options);
		text_finish(&error);
	}
}

static void right_usage(void **state)
{
	static const char *const words[] = {"ls", "-d", "0x1", "-d",  "mesh@0,1", "--kind=L1",
	                                    "-p", "12", "-s",  "age", "-n0",      NULL};
	struct text error = {0};
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, words, &error), 0);
	assert_int_equal(options.devices.count, 2);
	assert_string_equal(options.devices.items[1], "mesh@0,1");
	assert_int_equal(options.pids.items[0], 12);
	assert_int_equal(options.sort, LIST_BY_AGE);
	assert_int_equal(options.limit, 0);
	options_finish(&options);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} known[] = {{"250ms", 250000000},
	             {"1", 1000000000},
	             {"10s", 10000000000},
	             {"5m", 300000000000},
	             {"24h", 86400000000000}};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
		const char *words[] = {"growth", "--for", known[i].text, NULL};
		struct text error = {0};
		struct options options;

		assert_int_equal(parse(&options, words, &error), 0);
		assert_int_equal(options.for_ns, known[i].ns);
		options_finish(&options);
	}
}

/* The words of --screen are the names of the monitor's screens, in their order. */
static void screens_of_the_monitor(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->bit != OPTION_SCREEN)
			continue;
		for (size_t j = 0; j < SCREEN_LIMIT; j++)
			assert_string_equal(row->words[j], screens[j].name);
		assert_null(row->words[SCREEN_LIMIT]);
		return;
	}
	fail();
}

/* What follows the program's name is the program's. */
static void run_leaves_the_rest_alone(void **state)
{
	static const char *const words[] = {"run",  "--keep", "f",  "--at", "mark=a:b:3",
	                                    "prog", "--json", "-x", NULL};
	static const char *const dashes[] = {"run", "--json=out", "--", "--keep", NULL};
	struct text error = {0};
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, words, &error), 0);
	assert_int_equal(options.argument_count, 3);
	assert_string_equal(options.arguments[1], "--json");
	assert_false(options.json);
	options_finish(&options);
	assert_int_equal(parse(&options, dashes, &error), 0);
	assert_string_equal(options.arguments[0], "--keep");
	assert_string_equal(options.json_file, "out");
	options_finish(&options);
}

static const struct verb *verb_with(const struct option_row *row)
{
	for (size_t i = 0; i < verb_count; i++)
		if ((verbs[i].options & row->bit) != 0)
			return &verbs[i];
	return NULL;
}

/* One word of the table: the parser takes it, and --help tells it. */
static void check_word(const struct verb *verb, const struct option_row *row, size_t word)
{
	const char *example = strchr(row->words[word], '=') != NULL ? "mark=a:1" : row->words[word];
	char option[64];
	const char *words[MAX_ARGUMENTS] = {verb->name, option, example};
	struct text error = {0}, help = {0};
	struct options options;

	snprintf(option, sizeof(option), "--%s", row->name);
	if (verb->least_arguments != 0) {
		words[3] = "--keep=f"; /* which --at needs */
		words[4] = "program";
	}
	assert_int_equal(option_word(row, example), word);
	if (parse(&options, words, &error) != 0)
		fail_msg("%s", text_string(&error));
	help_verb(&help, verb);
	assert_non_null(strstr(text_string(&help), row->words[word]));
	text_finish(&help);
	options_finish(&options);
}

static void words_are_taken_and_told(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		for (size_t j = 0; row->words != NULL && row->words[j] != NULL; j++, count++)
			check_word(verb_with(row), row, j);
	}
	assert_true(count > 10);
}

static void statuses(void **state)
{
	char *none[] = {"meshtally", NULL};
	char *unknown[] = {"meshtally", "bogus", NULL};
	char *bad[] = {"meshtally", "ls", "--bogus", NULL};
	char *missing[] = {"meshtally", "ls", "--from", "/nonexistent/file", NULL};

	(void)state;
	assert_int_equal(command(1, none), STATUS_USAGE);
	assert_int_equal(command(2, unknown), STATUS_USAGE);
	assert_int_equal(command(3, bad), STATUS_USAGE);
	assert_int_equal(command(4, missing), STATUS_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage),
		cmocka_unit_test(right_usage),
		cmocka_unit_test(durations),
		cmocka_unit_test(screens_of_the_monitor),
		cmocka_unit_test(run_leaves_the_rest_alone),
		cmocka_unit_test(words_are_taken_and_told),
		cmocka_unit_test(statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

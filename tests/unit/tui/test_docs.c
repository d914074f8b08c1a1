/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/monitor.md against the tables: keys, options, and filters that are really understood. With
 * MESHTALLY_UPDATE_GOLDEN=1 the table of keys is written anew.
 */
#include "cmocka_all.h"
#include "keys.h"
#include "options.h"
#include "tui_fixtures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE MESHTALLY_SOURCE "/docs/monitor.md"

static char *page;

static int read_page(void **state)
{
	FILE *stream = fopen(PAGE, "r");
	size_t size = 0;

	(void)state;
	if (stream == NULL)
		return -1;
	if (getdelim(&page, &size, '\0', stream) < 0)
		abort();
	fclose(stream);
	return 0;
}

static int free_page(void **state)
{
	(void)state;
	free(page);
	return 0;
}

/* What stands between <!-- NAME --> and <!-- end of NAME -->. */
static char *part(const char *name, size_t *ret_at)
{
	char begin[64], end[64];
	const char *from, *to;

	snprintf(begin, sizeof(begin), "<!-- %s -->\n", name);
	snprintf(end, sizeof(end), "<!-- end of %s -->", name);
	from = strstr(page, begin);
	assert_non_null(from);
	from += strlen(begin);
	to = strstr(from, end);
	assert_non_null(to);
	*ret_at = (size_t)(from - page);
	return strndup(from, (size_t)(to - from));
}

static void add_where(struct text *out, unsigned where)
{
	bool first = true;

	for (enum screen_id id = 0; where != 0 && id < SCREEN_LIMIT; id++) {
		if ((where & 1u << id) == 0)
			continue;
		text_addf(out, "%s%s", first ? "" : ", ", screens[id].title);
		first = false;
	}
	if (where == 0)
		text_add(out, "everywhere");
}

static void add_keys(struct text *out)
{
	text_add(out, "| key | where | what it does |\n|---|---|---|\n");
	for (size_t i = 0; i < key_row_count; i++) {
		const struct key_row *row = &key_rows[i];

		text_addf(out, "| `%s` | ", row->name);
		add_where(out, row->screens);
		text_addf(out, " | %s |\n", row->help != NULL ? row->help : "the same");
	}
}

static void replace(size_t at, size_t length, const char *by)
{
	FILE *stream = fopen(PAGE, "w");

	assert_non_null(stream);
	fprintf(stream, "%.*s%s%s", (int)at, page, by, page + at + length);
	fclose(stream);
}

static void keys(void **state)
{
	struct text wanted = {0};
	size_t at;
	char *there = part("keys", &at);

	(void)state;
	add_keys(&wanted);
	if (getenv("MESHTALLY_UPDATE_GOLDEN") != NULL)
		replace(at, strlen(there), text_string(&wanted));
	else
		assert_string_equal(there, text_string(&wanted));
	free(there);
	text_finish(&wanted);
}

/* The first thing in backquotes of each line of the table. */
static void filters(void **state)
{
	size_t at, count = 0;
	char *there = part("filters", &at), *rest = there, *line;

	(void)state;
	while ((line = strsep(&rest, "\n")) != NULL) {
		struct text error = {0};
		struct filter filter;
		char example[128];

		if (sscanf(line, "| `%127[^`]`", example) != 1)
			continue;
		if (filter_parse(&filter, example, &error) != 0)
			fail_msg("%s: %s", example, text_string(&error));
		filter_finish(&filter);
		text_finish(&error);
		count++;
	}
	assert_true(count >= 8);
	free(there);
}

static void options(void **state)
{
	const struct verb *top = verb_find("top");
	char name[64];

	(void)state;
	for (size_t i = 0; i < option_row_count; i++) {
		if (!option_of_verb(&option_rows[i], top) || option_rows[i].bit == OPTION_HELP)
			continue;
		snprintf(name, sizeof(name), "--%s", option_rows[i].name);
		if (strstr(page, name) == NULL)
			fail_msg("docs/monitor.md does not tell %s", name);
	}
	for (enum screen_id id = 0; id < SCREEN_LIMIT; id++) {
		snprintf(name, sizeof(name), "\n### %s\n", screens[id].title);
		if (strstr(page, name) == NULL)
			fail_msg("docs/monitor.md does not tell of the screen %s", name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(filters),
		cmocka_unit_test(options),
	};

	return cmocka_run_group_tests(tests, read_page, free_page);
}

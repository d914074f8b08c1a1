/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every screen of made-up machines against tests/golden/tui: `cat` shows them as they look in 256
 * colours. With MESHTALLY_UPDATE_GOLDEN=1 the files are written anew: look before keeping them.
 * And what must hold for every picture, whatever is on it and of whatever size.
 */
#include "cmocka_all.h"
#include "paint.h"
#include "tui_fixtures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

enum { ODD_DEVICE = 13 };

struct size {
	int columns, rows;
};

static const struct size golden_sizes[] = {{80, 24}, {120, 40}, {200, 60}, {40, 10}};

static char *read_file(const char *path)
{
	FILE *stream = fopen(path, "r");
	char *bytes = NULL;
	size_t size = 0;

	if (stream == NULL)
		return strdup("");
	if (getdelim(&bytes, &size, '\0', stream) < 0)
		abort();
	fclose(stream);
	return bytes;
}

static void write_file(const char *path, const char *bytes)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	fputs(bytes, stream);
	fclose(stream);
}

/* The first line that differs, as text, says more than two screens full of escapes. */
static void fail_at_line(const char *path, const char *golden, const char *now)
{
	int line = 1;

	for (; *golden != '\0' && *golden == *now; golden++, now++)
		line += *golden == '\n';
	while (line > 1 && golden[-1] != '\n')
		golden--, now--;
	fail_msg("%s differs in line %d:\nwas %.*s\033[0m\nis  %.*s\033[0m\n"
	         "MESHTALLY_UPDATE_GOLDEN=1 writes it anew",
	         path, line, (int)strcspn(golden, "\n"), golden, (int)strcspn(now, "\n"), now);
}

static void check_golden(const char *name, const struct canvas *canvas, bool light)
{
	const struct palette palette = {COLORS_256, light};
	struct text out = {0};
	char path[512], *golden;

	snprintf(path, sizeof(path), "%s/tests/golden/tui/%s-%dx%d%s%s.txt", MESHTALLY_SOURCE, name,
	         canvas->columns, canvas->rows, light ? "-light" : "",
	         canvas->ascii ? "-ascii" : "");
	paint_lines(&out, &palette, canvas);
	if (getenv("MESHTALLY_UPDATE_GOLDEN") != NULL)
		write_file(path, text_string(&out));
	golden = read_file(path);
	if (strcmp(golden, text_string(&out)) != 0)
		fail_at_line(path, golden, text_string(&out));
	free(golden);
	text_finish(&out);
}

static void draw(struct tui_fixture *fixture, struct canvas *canvas, struct size size, bool ascii)
{
	canvas->ascii = ascii;
	canvas_size(canvas, size.rows, size.columns);
	tui_fixture_draw(fixture, canvas, NULL);
}

static void show(struct tui_fixture *fixture, enum screen_id screen)
{
	const struct machine *machine = &fixture->reading.scene.machine;

	fixture->ui.screen = screen;
	if (machine->devices.count > ODD_DEVICE) {
		fixture->ui.device = ODD_DEVICE;
		fixture->ui.device_unique_id = machine->devices.items[ODD_DEVICE].unique_id;
	}
	tui_fixture_survey(fixture);
}

static void golden_mesh(void **state)
{
	struct tui_fixture fixture;
	struct canvas canvas = {0};
	char name[64];

	(void)state;
	tui_fixture_init(&fixture, "mesh32");
	tui_fixture_mark(&fixture, 50);
	for (enum screen_id id = 0; id < SCREEN_LIMIT; id++) {
		show(&fixture, id);
		snprintf(name, sizeof(name), "mesh32-%s", screens[id].name);
		for (size_t i = 0; i < ARRAY_COUNT(golden_sizes); i++) {
			for (int variant = 0; variant < 4; variant++) {
				draw(&fixture, &canvas, golden_sizes[i], variant >= 2);
				check_golden(name, &canvas, variant % 2 == 1);
			}
		}
	}
	canvas_finish(&canvas);
	tui_fixture_finish(&fixture);
}

static void golden_others(void **state)
{
	static const char *const names[] = {"empty",   "waiting",  "file",
	                                    "hostile", "mesh1024", "places"};
	struct canvas canvas = {0};
	char name[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct tui_fixture fixture;

		tui_fixture_init(&fixture, names[i]);
		for (enum screen_id id = 0; id < SCREEN_LIMIT; id++) {
			show(&fixture, id);
			snprintf(name, sizeof(name), "%s-%s", names[i], screens[id].name);
			draw(&fixture, &canvas, golden_sizes[0], false);
			check_golden(name, &canvas, false);
		}
		tui_fixture_finish(&fixture);
	}
	canvas_finish(&canvas);
}

static void type(struct tui_fixture *fixture, const char *keys)
{
	for (; *keys != '\0'; keys++)
		tui_fixture_key(fixture, (unsigned char)*keys);
}

static void golden_states(void **state)
{
	struct tui_fixture fixture;
	struct canvas canvas = {0};

	(void)state;
	tui_fixture_init(&fixture, "mesh32");
	type(&fixture, "?");
	draw(&fixture, &canvas, golden_sizes[0], false);
	check_golden("help", &canvas, false);
	type(&fixture, "?4/tag:model/*");
	draw(&fixture, &canvas, golden_sizes[0], false);
	check_golden("prompt", &canvas, false);
	tui_fixture_key(&fixture, KEY_ENTER);
	draw(&fixture, &canvas, golden_sizes[0], false);
	check_golden("filtered", &canvas, false);
	type(&fixture, "/ size>");
	tui_fixture_key(&fixture, KEY_ENTER);
	draw(&fixture, &canvas, golden_sizes[0], false);
	check_golden("wrong-filter", &canvas, false);
	canvas_finish(&canvas);
	tui_fixture_finish(&fixture);
}

/* Every cell is as wide as it says, and wide ones are whole. */
static void check_cells(const struct canvas *canvas, const char *what)
{
	for (int row = 0; row < canvas->rows; row++) {
		int column = 0;

		while (column < canvas->columns) {
			const struct cell *cell = canvas_cell(canvas, row, column);
			wchar_t wide[CELL_BYTES];
			size_t length = mbstowcs(wide, cell->bytes, CELL_BYTES);

			if (cell->columns == 0 || length == (size_t)-1 || length == 0 ||
			    wcwidth(wide[0]) != cell->columns)
				fail_msg("%s: a cell at %d,%d that is not as wide as it says: '%s'",
				         what, row, column, cell->bytes);
			for (const char *at = cell->bytes; canvas->ascii && *at != '\0'; at++)
				assert_in_range(*at, ' ', '~');
			column += cell->columns;
		}
		if (column != canvas->columns)
			fail_msg("%s: line %d is %d wide, not %d", what, row, column,
			         canvas->columns);
	}
}

/* Nothing is sent but text, ends of lines and SGR; of which, without colours, none that has one. */
static void check_bytes(const struct canvas *canvas, enum color_depth depth, const char *what)
{
	const struct palette palette = {depth, false};
	struct text out = {0};
	const char *at;

	paint_lines(&out, &palette, canvas);
	for (at = text_string(&out); *at != '\0'; at++) {
		const unsigned char *byte = (const unsigned char *)at;

		if (byte[0] == '\033') {
			size_t length = strspn(at + 2, "0123456789;:");

			assert_int_equal(at[1], '[');
			assert_int_equal(at[2 + length], 'm');
			for (const char *code = at + 2; depth == COLORS_NONE && *code != 'm';) {
				assert_in_range(strtol(code, (char **)&code, 10), 0, 29);
				code += *code == ';';
			}
			at += 2 + length;
		} else if ((byte[0] < ' ' && byte[0] != '\n') || byte[0] == 0x7f ||
		           (byte[0] == 0xc2 && byte[1] < 0xa0)) {
			fail_msg("%s: byte %02x", what, byte[0]);
		}
	}
	text_finish(&out);
}

/* Drawn once more, nothing differs: a quiet screen writes nothing. */
static void check_again(struct tui_fixture *fixture, const struct canvas *canvas, const char *what)
{
	const struct paint settings = {.palette = {COLORS_256, false}};
	struct canvas again = {.ascii = canvas->ascii};
	struct hits hits = {0};
	struct text out = {0};
	const struct hit *hit;

	canvas_size(&again, canvas->rows, canvas->columns);
	tui_fixture_draw(fixture, &again, &hits);
	paint(&out, &settings, canvas, &again);
	if (out.length != 0 && canvas->rows != 0)
		fail_msg("%s: %zu bytes where nothing has changed", what, out.length);
	vec_for (hit, &hits.hits)
		if (hit->area.row < 0 || hit->area.row >= canvas->rows || hit->area.column < 0 ||
		    hit->area.column >= canvas->columns)
			fail_msg("%s: something to click on outside of the picture: %d,%d", what,
			         hit->area.row, hit->area.column);
	hits_finish(&hits);
	text_finish(&out);
	canvas_finish(&again);
}

static void check_picture(struct tui_fixture *fixture, const char *name, struct size size,
                          bool ascii)
{
	struct canvas canvas = {0};
	char what[128];

	snprintf(what, sizeof(what), "%s, %s, %dx%d%s", name, screens[fixture->ui.screen].name,
	         size.columns, size.rows, ascii ? ", ASCII" : "");
	draw(fixture, &canvas, size, ascii);
	check_cells(&canvas, what);
	check_bytes(&canvas, COLORS_NONE, what);
	check_bytes(&canvas, COLORS_16, what);
	check_bytes(&canvas, COLORS_TRUE, what);
	check_again(fixture, &canvas, what);
	canvas_finish(&canvas);
}

static void every_picture(void **state)
{
	static const char *const names[] = {"example", "mesh32",  "mesh1024", "hostile",
	                                    "empty",   "waiting", "file",     "places"};
	static const struct size sizes[] = {{0, 0},   {1, 1},   {2, 1},    {1, 5},   {7, 3},
	                                    {20, 6},  {39, 9},  {40, 10},  {80, 24}, {81, 25},
	                                    {132, 5}, {15, 70}, {200, 60}, {310, 90}};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct tui_fixture fixture;

		tui_fixture_init(&fixture, names[i]);
		for (enum screen_id id = 0; id < SCREEN_LIMIT; id++) {
			show(&fixture, id);
			for (size_t j = 0; j < ARRAY_COUNT(sizes); j++)
				for (int ascii = 0; ascii < 2; ascii++)
					check_picture(&fixture, names[i], sizes[j], ascii != 0);
		}
		type(&fixture, "?");
		for (size_t j = 0; j < ARRAY_COUNT(sizes); j++)
			check_picture(&fixture, "help", sizes[j], false);
		tui_fixture_finish(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_mesh),
		cmocka_unit_test(golden_others),
		cmocka_unit_test(golden_states),
		cmocka_unit_test(every_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

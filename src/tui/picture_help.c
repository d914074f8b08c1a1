/* SPDX-License-Identifier: Apache-2.0 */
/* Help: the table of keys, and the words of the filter. */
#include "memory.h"
#include "picture_parts.h"
#include "safe.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_COLUMNS = 17, TWO_COLUMNS = 110, GAP = 3 };

/* A line: a title, or a name with what it is. The strings are constant or the page's. */
struct help_line {
	const char *title, *name, *words;
};

struct help_page {
	VEC(struct help_line) lines;
	VEC(char *) strings;
	int columns;
};

static const struct {
	const char *name, *words;
} filter_rows[] = {
	{"dev:3", "a device; dev:0-7 several, dev:0 dev:3 either of them"},
	{"kind:L1", "a kind of memory: DRAM, L1, ..."},
	{"tag:model/attn", "a tag and what is below it"},
	{"tag:attn*", "a pattern: * any characters, ? one"},
	{"pid:123", "a process"},
	{"size>1M", "buffers of more than 1 MB on each device; also <, >= and <="},
	{"age>10m", "buffers that are older than ten minutes; s, m, h, d"},
	{"type:double-free", "faults of one type"},
	{"attn", "a word alone: in tags, sites and commands"},
	{"\"a b\"", "quotes keep spaces together"},
};

static void add_title(struct help_page *page, const char *title)
{
	if (page->lines.count != 0)
		*vec_add(&page->lines) = (struct help_line){.words = ""};
	*vec_add(&page->lines) = (struct help_line){.title = title};
}

/* Words that need more than a line go on below themselves. */
static void add_words(struct help_page *page, const char *name, const char *words)
{
	int width = page->columns - (name != NULL ? NAME_COLUMNS : 0);
	struct text wrapped = {0};
	char *copy;

	safe_wrap(&wrapped, words, width > 8 ? (size_t)width : 8, 0);
	copy = *vec_add(&page->strings) = mem_strdup(text_string(&wrapped));
	for (char *end; (end = strchr(copy, '\n')) != NULL; copy = end + 1) {
		*end = '\0';
		*vec_add(&page->lines) = (struct help_line){.name = name, .words = copy};
		name = name != NULL ? "" : NULL;
	}
	text_finish(&wrapped);
}

enum key_group { KEYS_OWN, KEYS_OF_ALL, KEYS_MOVING };

/* The rows of the table from Tab on are about going somewhere. */
static void add_keys(struct help_page *page, enum screen_id screen, enum key_group group)
{
	enum key_group shared = KEYS_OF_ALL;

	for (size_t i = 0; i < key_row_count; i++) {
		const struct key_row *row = &key_rows[i];

		if (row->key == KEY_TAB)
			shared = KEYS_MOVING;
		if (row->help != NULL && key_is_for(row, screen) &&
		    group == (row->screens != 0 ? KEYS_OWN : shared))
			add_words(page, row->name, row->help);
	}
}

static void page_make(struct help_page *page, enum screen_id screen, int columns)
{
	*page = (struct help_page){.columns = columns};
	add_title(page, screens[screen].title);
	add_words(page, NULL, screens[screen].help);
	add_keys(page, screen, KEYS_OWN);
	add_title(page, "On every screen");
	add_keys(page, screen, KEYS_OF_ALL);
	add_title(page, "From screen to screen, and in lists");
	add_keys(page, screen, KEYS_MOVING);
	add_title(page, "Filters, after /");
	for (size_t i = 0; i < ARRAY_COUNT(filter_rows); i++)
		add_words(page, filter_rows[i].name, filter_rows[i].words);
	add_words(page, NULL, "Terms hold together; terms of the same name are alternatives.");
	add_title(page, "What figures mean");
	add_words(page, "-", "not known, which is not the same as none");
	add_words(page, "~", "a lower bound, or not quite exact");
	add_words(page, "KB, MB, GB", "1,024 of the one before");
	add_words(page, "held", "what counts against the capacity: with padding, on all banks");
}

static void page_finish(struct help_page *page)
{
	char **string;

	vec_for (string, &page->strings)
		free(*string);
	vec_finish(&page->strings);
	vec_finish(&page->lines);
}

static void draw_help_line(const struct help_line *line, struct canvas *canvas, struct area place)
{
	int at = place.column, end = place.column + place.columns;

	if (line->title != NULL) {
		canvas_text(canvas, place.row, at, place.columns, STYLE_TITLE, line->title);
		return;
	}
	if (line->name != NULL) {
		canvas_text(canvas, place.row, at, place.columns, STYLE_KEY, line->name);
		at += NAME_COLUMNS;
	}
	if (at < end)
		canvas_text(canvas, place.row, at, end - at, STYLE_TEXT, line->words);
}

/* Where the second of two columns begins: at a title, so that both are about as long. */
static size_t half(const struct help_page *page)
{
	size_t best = page->lines.count, middle = page->lines.count / 2;

	for (size_t i = 1; i < page->lines.count; i++) {
		size_t off = i > middle ? i - middle : middle - i;
		size_t best_off = best > middle ? best - middle : middle - best;

		if (page->lines.items[i].title != NULL && off < best_off)
			best = i;
	}
	return best;
}

static void draw_lines(const struct help_page *page, size_t from, size_t end, int top,
                       struct canvas *canvas, struct area area)
{
	for (int row = 0; row < area.rows && from + (size_t)(top + row) < end; row++)
		draw_help_line(&page->lines.items[from + (size_t)(top + row)], canvas,
		               (struct area){area.row + row, area.column, 1, area.columns});
}

void help_draw(const struct look *look, struct canvas *canvas, struct area area)
{
	bool two = area.columns >= TWO_COLUMNS;
	struct ui *ui = look->ui;
	struct help_page page;
	size_t split, longest;
	int most;

	area.column += area.columns > 20 ? 2 : 0;
	area.columns -= area.columns > 20 ? 4 : 0;
	if (two)
		area.columns = (area.columns - GAP) / 2;
	page_make(&page, ui->screen, area.columns);
	split = two ? half(&page) : page.lines.count;
	longest = split > page.lines.count - split ? split : page.lines.count - split;
	most = (int)longest > area.rows ? (int)longest - area.rows : 0;
	if (ui->overlay_top > most)
		ui->overlay_top = most;
	draw_lines(&page, 0, split, ui->overlay_top, canvas, area);
	area.column += area.columns + GAP;
	if (two)
		draw_lines(&page, split, page.lines.count, ui->overlay_top, canvas, area);
	page_finish(&page);
}

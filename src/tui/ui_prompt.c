/* SPDX-License-Identifier: Apache-2.0 */
/* The line of a prompt: UTF-8, edited by whole characters. */
#include "ui_act.h"

#include <string.h>

static bool is_inside(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t before(const struct ui *ui, size_t at)
{
	while (at > 0 && is_inside(ui->line[--at]))
		;
	return at;
}

static size_t after(const struct ui *ui, size_t at)
{
	if (at < ui->line_length)
		at++;
	while (at < ui->line_length && is_inside(ui->line[at]))
		at++;
	return at;
}

static void cut(struct ui *ui, size_t from, size_t to)
{
	memmove(ui->line + from, ui->line + to, ui->line_length - to + 1);
	ui->line_length -= to - from;
	ui->line_cursor = from;
}

static size_t encode(uint32_t code, char (*ret)[4])
{
	size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	if (length == 1) {
		(*ret)[0] = (char)code;
		return 1;
	}
	for (size_t i = length; i-- > 1; code >>= 6)
		(*ret)[i] = (char)(0x80 | (code & 0x3f));
	(*ret)[0] = (char)(0xf00u >> length | code);
	return length;
}

static void insert(struct ui *ui, uint32_t code)
{
	char bytes[4];
	size_t length;

	if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return;
	length = encode(code, &bytes);
	if (ui->line_length + length >= sizeof(ui->line))
		return;
	memmove(ui->line + ui->line_cursor + length, ui->line + ui->line_cursor,
	        ui->line_length - ui->line_cursor + 1);
	memcpy(ui->line + ui->line_cursor, bytes, length);
	ui->line_length += length;
	ui->line_cursor += length;
}

/* To the start of the word before the cursor. */
static size_t word_start(const struct ui *ui)
{
	size_t at = ui->line_cursor;

	while (at > 0 && ui->line[at - 1] == ' ')
		at--;
	while (at > 0 && ui->line[at - 1] != ' ')
		at--;
	return at;
}

void prompt_open(struct ui *ui, enum ui_prompt prompt, const char *line)
{
	size_t length = strlen(line);

	/* Longer than can be edited: whole characters of it. */
	while (length >= sizeof(ui->line) || (length > 0 && is_inside(line[length])))
		length--;
	memcpy(ui->line, line, length);
	ui->line[length] = '\0';
	ui->line_length = ui->line_cursor = length;
	ui->prompt = prompt;
}

static void edit(struct ui *ui, uint32_t key)
{
	switch (key) {
	case KEY_LEFT:
		ui->line_cursor = before(ui, ui->line_cursor);
		break;
	case KEY_RIGHT:
		ui->line_cursor = after(ui, ui->line_cursor);
		break;
	case KEY_HOME:
	case KEY_CTRL('a'):
		ui->line_cursor = 0;
		break;
	case KEY_END:
	case KEY_CTRL('e'):
		ui->line_cursor = ui->line_length;
		break;
	case KEY_BACKSPACE:
	case KEY_CTRL('h'):
		cut(ui, before(ui, ui->line_cursor), ui->line_cursor);
		break;
	case KEY_DELETE:
	case KEY_CTRL('d'):
		cut(ui, ui->line_cursor, after(ui, ui->line_cursor));
		break;
	case KEY_CTRL('u'):
		cut(ui, 0, ui->line_cursor);
		break;
	case KEY_CTRL('k'):
		cut(ui, ui->line_cursor, ui->line_length);
		break;
	case KEY_CTRL('w'):
		cut(ui, word_start(ui), ui->line_cursor);
		break;
	default:
		insert(ui, key);
	}
}

/* As it is typed: an open quote is no mistake yet, but is told as what it is. */
static void check_filter(struct ui *ui)
{
	struct text error = {0};
	struct filter filter;

	if (filter_parse(&filter, ui->line, &error) != 0)
		ui_say(ui, true, "%s", text_string(&error));
	filter_finish(&filter);
	text_finish(&error);
}

static void enter(struct ui *ui, struct ui_wish *wish)
{
	if (ui->prompt == PROMPT_FILTER) {
		if (ui_filter(ui, ui->line))
			ui->prompt = PROMPT_NONE;
	} else {
		ui->prompt = PROMPT_NONE;
		if (ui->line_length != 0)
			wish->export_path = ui->line;
	}
}

void prompt_key(struct ui *ui, uint32_t key, struct ui_wish *wish)
{
	switch (key) {
	case KEY_ESCAPE:
		ui->prompt = PROMPT_NONE;
		return;
	case KEY_CTRL('c'):
		ui->prompt = PROMPT_NONE;
		return;
	case KEY_CTRL('l'):
		wish->redraw_all = true;
		return;
	case KEY_CTRL('z'):
		wish->suspend = true;
		return;
	case KEY_ENTER:
		enter(ui, wish);
		return;
	default:
		edit(ui, key);
	}
	if (ui->prompt == PROMPT_FILTER)
		check_filter(ui);
}

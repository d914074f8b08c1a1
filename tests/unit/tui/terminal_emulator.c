/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal_emulator.h"

#include "memory.h"
#include "safe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct emulator_style plain = {.text = -1, .ground = -1};

static struct emulator_cell *at(const struct emulator *emulator, int row, int column)
{
	if (row < 0 || row >= emulator->rows || column < 0 || column >= emulator->columns)
		return NULL;
	return &emulator->cells[row * emulator->columns + column];
}

const struct emulator_cell *emulator_cell(const struct emulator *emulator, int row, int column)
{
	return at(emulator, row, column);
}

static void clear(struct emulator *emulator, int row, int from, int to)
{
	for (int column = from; column < to && column < emulator->columns; column++)
		*at(emulator, row, column) = (struct emulator_cell){
			.bytes = " ", .columns = 1, .style = emulator->style};
}

void emulator_init(struct emulator *emulator, int rows, int columns)
{
	*emulator = (struct emulator){.rows = rows,
	                              .columns = columns,
	                              .style = plain,
	                              .cursor_shown = true,
	                              .wraps = true};
	emulator->cells = mem_calloc((size_t)(rows * columns), sizeof(*emulator->cells));
	for (int row = 0; row < rows; row++)
		for (int column = 0; column < columns; column++) {
			clear(emulator, row, column, column + 1);
			/* What was there before: all of it must be drawn over. */
			strcpy(at(emulator, row, column)->bytes, "Z");
		}
}

void emulator_finish(struct emulator *emulator)
{
	free(emulator->cells);
}

static void complain(struct emulator *emulator, const char *what, const char *bytes, size_t count)
{
	if (emulator->complaint[0] == '\0')
		snprintf(emulator->complaint, sizeof(emulator->complaint), "%s: %.*s (%02x)", what,
		         count < 40 ? (int)count : 40, bytes[0] == '\033' ? bytes + 1 : bytes,
		         (unsigned char)bytes[0]);
}

/* Half of a wide character that is drawn over takes the other half with it. */
static void split(struct emulator *emulator, int row, int column)
{
	struct emulator_cell *cell = at(emulator, row, column), *other;

	if (cell == NULL || cell->columns == 1)
		return;
	other = at(emulator, row, cell->columns == 2 ? column + 1 : column - 1);
	if (other != NULL) {
		strcpy(other->bytes, " ");
		other->columns = 1;
	}
}

static void combine(struct emulator *emulator, const char *bytes, size_t length)
{
	struct emulator_cell *cell = at(emulator, emulator->row, emulator->column - 1);
	size_t used;

	if (cell != NULL && cell->columns == 0)
		cell--;
	if (cell == NULL) {
		complain(emulator, "combines with nothing", bytes, length);
		return;
	}
	used = strlen(cell->bytes);
	if (used + length < sizeof(cell->bytes)) {
		memcpy(cell->bytes + used, bytes, length);
		cell->bytes[used + length] = '\0';
	}
}

static void put(struct emulator *emulator, const char *bytes, size_t length, int width)
{
	struct emulator_cell *cell;

	if (width == 0) {
		combine(emulator, bytes, length);
		return;
	}
	if (emulator->column + width > emulator->columns) {
		complain(emulator, "beyond the last column", bytes, length);
		return;
	}
	for (int i = 0; i < width; i++) {
		split(emulator, emulator->row, emulator->column + i);
		cell = at(emulator, emulator->row, emulator->column + i);
		*cell = (struct emulator_cell){.columns = i == 0 ? width : 0,
		                               .style = emulator->style};
	}
	cell = at(emulator, emulator->row, emulator->column);
	memcpy(cell->bytes, bytes, length);
	emulator->column += width;
}

static int take_color(const int *numbers, int count, int *i)
{
	if (*i + 2 < count && numbers[*i + 1] == 5) {
		*i += 2;
		return numbers[*i];
	}
	if (*i + 4 < count && numbers[*i + 1] == 2) {
		*i += 4;
		return 0x1000000 + numbers[*i - 2] * 0x10000 + numbers[*i - 1] * 0x100 +
		       numbers[*i];
	}
	return -2;
}

static bool set_style(struct emulator_style *style, const int *numbers, int count)
{
	for (int i = 0; i < count; i++) {
		int number = numbers[i];

		if (number == 0)
			*style = plain;
		else if (number == 1)
			style->bold = true;
		else if (number == 4)
			style->underline = true;
		else if (number == 7)
			style->reverse = true;
		else if (number >= 30 && number <= 37)
			style->text = number - 30;
		else if (number >= 40 && number <= 47)
			style->ground = number - 40;
		else if (number >= 90 && number <= 97)
			style->text = number - 90 + 8;
		else if (number >= 100 && number <= 107)
			style->ground = number - 100 + 8;
		else if (number == 38)
			style->text = take_color(numbers, count, &i);
		else if (number == 48)
			style->ground = take_color(numbers, count, &i);
		else
			return false;
	}
	return style->text != -2 && style->ground != -2;
}

static int parse_numbers(const char *bytes, size_t count, int *numbers, int limit)
{
	int at_number = 0;

	memset(numbers, 0, (size_t)limit * sizeof(*numbers));
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == ';')
			at_number++;
		else if (bytes[i] >= '0' && bytes[i] <= '9' && at_number < limit)
			numbers[at_number] = numbers[at_number] * 10 + (bytes[i] - '0');
		else
			return -1;
	}
	return at_number + 1;
}

static bool set_mode(struct emulator *emulator, int mode, bool on)
{
	if (mode == 25)
		emulator->cursor_shown = on;
	else if (mode == 7)
		emulator->wraps = on;
	else if (mode == 1049)
		emulator->alternate = on;
	else
		return mode == 2026 || mode == 1000 || mode == 1006 || mode == 12;
	return true;
}

static void act(struct emulator *emulator, char last, const int *numbers)
{
	int first = numbers[0] != 0 ? numbers[0] : 1, second = numbers[1] != 0 ? numbers[1] : 1;

	if (last == 'H') {
		emulator->row = first - 1;
		emulator->column = second - 1;
	} else if (last == 'C') {
		emulator->column += first;
	} else if (last == 'K') {
		split(emulator, emulator->row, emulator->column);
		clear(emulator, emulator->row, emulator->column, emulator->columns);
	} else if (last == 'X') {
		split(emulator, emulator->row, emulator->column);
		split(emulator, emulator->row, emulator->column + first - 1);
		clear(emulator, emulator->row, emulator->column, emulator->column + first);
	} else { /* J */
		for (int row = 0; row < emulator->rows; row++)
			clear(emulator, row, 0, emulator->columns);
	}
}

/* From ESC [ to its last byte. */
static void control(struct emulator *emulator, const char *bytes, size_t length)
{
	char last = bytes[length - 1];
	int numbers[24], count;
	bool known;

	if (length > 3 && bytes[2] == '?' && (last == 'h' || last == 'l')) {
		bool all = true;
		int modes = parse_numbers(bytes + 3, length - 4, numbers, 24);

		for (int i = 0; i < modes; i++)
			all = all && set_mode(emulator, numbers[i], last == 'h');
		if (modes < 1 || !all)
			complain(emulator, "not a known mode", bytes, length);
		return;
	}
	count = parse_numbers(bytes + 2, length - 3, numbers, 24);
	if (last == 'm') {
		known = count > 0 && set_style(&emulator->style, numbers, count);
	} else {
		known = count > 0 && strchr("HCKXJtl", last) != NULL;
		if (known && strchr("HCKXJ", last) != NULL)
			act(emulator, last, numbers);
	}
	if (!known || (last != 'm' && at(emulator, emulator->row, emulator->column) == NULL))
		complain(emulator, "not a known sequence, or out of the screen", bytes, length);
}

/* Bytes of the escape sequence at the beginning; 0: not whole. */
static size_t sequence_length(const char *bytes, size_t count)
{
	if (count < 2)
		return 0;
	if (bytes[1] == ']') {
		for (size_t i = 2; i + 1 < count; i++)
			if (bytes[i] == '\033' && bytes[i + 1] == '\\')
				return i + 2;
		return 0;
	}
	if (bytes[1] != '[')
		return 2;
	for (size_t i = 2; i < count; i++)
		if ((unsigned char)bytes[i] >= 0x40)
			return i + 1;
	return 0;
}

/* Not ASCII, nor Latin, Greek, Cyrillic, lines, blocks and "…". */
static bool is_in_dispute(const char *bytes)
{
	uint32_t code = 0;

	safe_decode(bytes, &code);
	return code > 0x52f && (code < 0x2000 || code >= 0x2040) &&
	       (code < 0x2500 || code >= 0x2600);
}

static size_t take(struct emulator *emulator, const char *bytes, size_t count)
{
	char character[8] = "";
	size_t length;
	int width;

	if (bytes[0] == '\033') {
		length = sequence_length(bytes, count);
		if (length > 2 && bytes[1] == '[')
			control(emulator, bytes, length);
		else if (length == 2)
			complain(emulator, "not a known sequence", bytes, length);
		return length;
	}
	if (bytes[0] == '\r') {
		emulator->column = 0;
		return 1;
	}
	if (bytes[0] == '\n') {
		if (++emulator->row >= emulator->rows)
			complain(emulator, "scrolls", bytes, 1);
		return 1;
	}
	memcpy(character, bytes, count < 4 ? count : 4);
	length = safe_next(character, &width);
	if (width < 0 && count < 4)
		return 0;
	if (width < 0)
		complain(emulator, "not a character", bytes, count);
	else if (width == 1 && emulator->thinks_wide && is_in_dispute(character))
		put(emulator, bytes, length, emulator->column + 1 < emulator->columns ? 2 : 1);
	else
		put(emulator, bytes, length, width == 2 && emulator->thinks_narrow ? 1 : width);
	return length;
}

void emulator_feed(struct emulator *emulator, const char *bytes, size_t count)
{
	char *all = mem_calloc(emulator->waiting_count + count + 1, 1);
	size_t total = emulator->waiting_count + count, done = 0, length;

	memcpy(all, emulator->waiting, emulator->waiting_count);
	memcpy(all + emulator->waiting_count, bytes, count);
	while (done < total && emulator->complaint[0] == '\0') {
		length = take(emulator, all + done, total - done);
		if (length == 0)
			break;
		done += length;
	}
	emulator->waiting_count = total - done;
	if (emulator->waiting_count > sizeof(emulator->waiting)) {
		complain(emulator, "never ends", all + done, 40);
		emulator->waiting_count = 0;
	}
	memcpy(emulator->waiting, all + done, emulator->waiting_count);
	free(all);
}

static bool is_same_style(const struct emulator_style *shown, const struct emulator_style *wanted,
                          bool space)
{
	if (shown->ground != wanted->ground || shown->underline != wanted->underline ||
	    shown->reverse != wanted->reverse)
		return false;
	if (space && !wanted->reverse && !wanted->underline)
		return true; /* nobody sees the colour of a space's letters */
	return shown->text == wanted->text && shown->bold == wanted->bold;
}

static struct emulator_style style_of(const struct cell *cell, const struct palette *palette)
{
	struct emulator_style style = plain;
	struct text sgr = {0};
	int numbers[24], count;

	style_sgr(&sgr, palette, (enum style)cell->style, cell->attributes);
	count = parse_numbers(sgr.bytes + 2, sgr.length - 3, numbers, 24);
	set_style(&style, numbers, count);
	text_finish(&sgr);
	return style;
}

static bool cell_differs(const struct emulator *emulator, const struct canvas *canvas,
                         const struct palette *palette, int row, int column)
{
	const struct cell *cell = canvas_cell(canvas, row, column);
	const struct emulator_cell *seen = emulator_cell(emulator, row, column);
	struct emulator_style style = style_of(cell, palette);

	if (emulator->thinks_narrow && cell->columns == 0)
		return strcmp(seen->bytes, " ") != 0; /* nothing old is left there */
	if ((emulator->thinks_narrow || emulator->thinks_wide) &&
	    (cell->columns != 1 || is_in_dispute(cell->bytes)))
		return false;
	if (seen->columns != cell->columns || strcmp(seen->bytes, cell->bytes) != 0)
		return true;
	return cell->columns != 0 &&
	       !is_same_style(&seen->style, &style, strcmp(cell->bytes, " ") == 0);
}

const char *emulator_differs(struct emulator *emulator, const struct canvas *canvas,
                             const struct palette *palette)
{
	bool has_cursor = canvas_cell(canvas, canvas->cursor_row, canvas->cursor_column) != NULL;

	for (int row = 0; row < canvas->rows; row++)
		for (int column = 0; column < canvas->columns; column++)
			if (emulator->complaint[0] == '\0' &&
			    cell_differs(emulator, canvas, palette, row, column))
				snprintf(emulator->complaint, sizeof(emulator->complaint),
				         "row %d, column %d: '%s' is seen, not '%s' (style %d, "
				         "attributes %d)",
				         row, column, emulator_cell(emulator, row, column)->bytes,
				         canvas_cell(canvas, row, column)->bytes,
				         canvas_cell(canvas, row, column)->style,
				         canvas_cell(canvas, row, column)->attributes);
	if (emulator->complaint[0] == '\0' &&
	    (emulator->cursor_shown != has_cursor ||
	     (has_cursor &&
	      (emulator->row != canvas->cursor_row || emulator->column != canvas->cursor_column))))
		snprintf(emulator->complaint, sizeof(emulator->complaint), "the cursor is %s",
		         emulator->cursor_shown ? "in another place, or shown" : "not shown");
	return emulator->complaint;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include "memory.h"
#include "safe.h"

#include <stdlib.h>
#include <string.h>

enum { BELL = 7, CANCEL = 0x18, SUBSTITUTE = 0x1a, ESCAPE = 27, X10_BYTES = 6 };

/* How much of the input is one thing, and what it is. */
enum unit_type { UNIT_PARTIAL, UNIT_NOTHING, UNIT_EVENT };
struct unit {
	enum unit_type type;
	size_t length;
};

static const struct unit partial = {UNIT_PARTIAL, 0};

static struct unit nothing(size_t length)
{
	return (struct unit){UNIT_NOTHING, length};
}

static struct unit key(struct input_event *event, size_t length, uint32_t code)
{
	if (code == 0)
		return nothing(length);
	*event = (struct input_event){.type = INPUT_KEY, .key = code};
	return (struct unit){UNIT_EVENT, length};
}

size_t input_feed(struct input *input, const void *bytes, size_t count)
{
	size_t room = INPUT_MAX - input->count;

	count = count < room ? count : room;
	if (count != 0)
		memcpy(input->bytes + input->count, bytes, count);
	input->count += count;
	return count;
}

bool input_is_partial(const struct input *input)
{
	return input->count != 0 || input->skips != INPUT_SKIPS_NOTHING;
}

static struct unit parse_character(const unsigned char *s, size_t count, struct input_event *event)
{
	size_t length = s[0] < 0xc2 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4, have = 1;
	char bytes[5] = "";
	uint32_t code;

	if (s[0] == '\n')
		return key(event, 1, KEY_ENTER);
	if (s[0] == '\b')
		return key(event, 1, KEY_BACKSPACE);
	if (s[0] < 0x80)
		return key(event, 1, s[0]);
	while (have < count && have < length && (s[have] & 0xc0) == 0x80)
		have++;
	if (have < length && have == count && s[0] < 0xf5)
		return partial;
	memcpy(bytes, s, have);
	if (safe_decode(bytes, &code) == 0)
		return nothing(1);
	return code < 0xa0 ? nothing(length) : key(event, length, code);
}

/* The number before "~" of a key, as in xterm, screen, tmux, the Linux console and rxvt. */
static uint32_t numbered_key(int number)
{
	static const uint32_t keys[] = {
		[1] = KEY_HOME,    [2] = KEY_OTHER,     [3] = KEY_DELETE,   [4] = KEY_END,
		[5] = KEY_PAGE_UP, [6] = KEY_PAGE_DOWN, [7] = KEY_HOME,     [8] = KEY_END,
		[11] = KEY_F1,     [12] = KEY_F1 + 1,   [13] = KEY_F1 + 2,  [14] = KEY_F1 + 3,
		[15] = KEY_F1 + 4, [17] = KEY_F1 + 5,   [18] = KEY_F1 + 6,  [19] = KEY_F1 + 7,
		[20] = KEY_F1 + 8, [21] = KEY_F1 + 9,   [23] = KEY_F1 + 10, [24] = KEY_F1 + 11,
		[34] = KEY_OTHER,
	};

	return number >= 0 && (size_t)number < ARRAY_COUNT(keys) ? keys[number] : 0;
}

/* The letter that ends a key's sequence; after ESC O (SS3) some more. */
static uint32_t lettered_key(unsigned char letter, bool single_shift)
{
	static const struct {
		char letter;
		bool single_shift; /* there alone */
		uint32_t key;
	} keys[] = {
		{'A', false, KEY_UP},       {'B', false, KEY_DOWN},   {'C', false, KEY_RIGHT},
		{'D', false, KEY_LEFT},     {'H', false, KEY_HOME},   {'F', false, KEY_END},
		{'Z', false, KEY_BACK_TAB}, {'P', false, KEY_F1},     {'Q', false, KEY_F1 + 1},
		{'R', false, KEY_F1 + 2},   {'S', false, KEY_F1 + 3}, {'a', false, KEY_UP},
		{'b', false, KEY_DOWN},     {'d', false, KEY_LEFT},   {'M', true, KEY_ENTER},
		{'j', true, '*'},           {'k', true, '+'},         {'m', true, '-'},
		{'n', true, '.'},           {'o', true, '/'},         {'c', true, KEY_RIGHT},
	};

	if (single_shift && letter >= 'p' && letter <= 'y')
		return (uint32_t)('0' + (letter - 'p'));
	for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
		if (keys[i].letter == (char)letter && (single_shift || !keys[i].single_shift))
			return keys[i].key;
	return 0;
}

/* Numbers between semicolons. False: something else is among them. */
static bool parse_numbers(const unsigned char *s, size_t count, int *numbers, size_t limit)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		if (s[i] == ';' && ++at < limit)
			continue;
		if (s[i] < '0' || s[i] > '9' || at >= limit || numbers[at] > 100000)
			return false;
		numbers[at] = numbers[at] * 10 + (s[i] - '0');
	}
	return true;
}

/* "<button;column;row" and M for a press, m for a release. */
static struct unit parse_mouse(const unsigned char *s, size_t length, struct input_event *event)
{
	enum { MODIFIERS = 4 | 8 | 16, WHEEL_UP = 64, WHEEL_DOWN = 65 };
	int numbers[3] = {0}, button;

	if (!parse_numbers(s + 3, length - 4, numbers, 3) || s[length - 1] != 'M' ||
	    numbers[1] < 1 || numbers[2] < 1)
		return nothing(length);
	button = numbers[0] & ~MODIFIERS;
	if (button != 0 && button != WHEEL_UP && button != WHEEL_DOWN)
		return nothing(length);
	*event = (struct input_event){.type = INPUT_MOUSE,
	                              .mouse = button == 0          ? MOUSE_PRESS
	                                       : button == WHEEL_UP ? MOUSE_WHEEL_UP
	                                                            : MOUSE_WHEEL_DOWN,
	                              .row = numbers[2] - 1,
	                              .column = numbers[1] - 1};
	return (struct unit){UNIT_EVENT, length};
}

/* A whole sequence of ESC [, of which the last byte says what it is. */
static struct unit control_unit(const unsigned char *s, size_t length, struct input_event *event)
{
	unsigned char last = s[length - 1];
	int numbers[2] = {0};

	if (s[2] == '<' && (last == 'M' || last == 'm'))
		return parse_mouse(s, length, event);
	if (!parse_numbers(s + 2, length - 3, numbers, 2))
		return nothing(length);
	if (last == '~' || last == '^' || last == '$' || last == '@')
		return key(event, length, numbered_key(numbers[0]));
	/* With numbers Q, R and S may also be answers: "ESC [ 5 ; 7 R" is where the cursor is. */
	if (last >= 'P' && last <= 'S' && length > 3 && numbers[0] != 1)
		return nothing(length);
	return key(event, length, lettered_key(last, false));
}

/* After ESC [. */
static struct unit parse_control(const unsigned char *s, size_t count, struct input_event *event)
{
	bool numbers = true;

	if (count > 2 && s[2] == '[') { /* F1 to F5 of the Linux console */
		if (count == 3)
			return partial;
		if (s[3] >= 'A' && s[3] <= 'E')
			return key(event, 4, KEY_F1 + (uint32_t)(s[3] - 'A'));
		return nothing(s[3] < 0x20 || s[3] >= 0x7f ? 3 : 4);
	}
	if (count > 2 && s[2] == 'M') /* the mouse in the old way: three bytes of any value */
		return count < X10_BYTES ? partial : nothing(X10_BYTES);
	for (size_t at = 2; at < count; at++) {
		if (s[at] == '$' && numbers && at > 2) /* rxvt: with shift */
			return control_unit(s, at + 1, event);
		if (s[at] < 0x20 || s[at] >= 0x7f)
			return nothing(at);
		if (s[at] >= 0x40)
			return control_unit(s, at + 1, event);
		numbers = numbers && s[at] >= '0' && s[at] <= '9';
	}
	return partial;
}

/* After ESC O. */
static struct unit parse_single_shift(const unsigned char *s, size_t count,
                                      struct input_event *event)
{
	size_t at = 2;

	while (at < count && at < 8 && ((s[at] >= '0' && s[at] <= '9') || s[at] == ';'))
		at++;
	if (at == count)
		return partial;
	if (s[at] < 0x40 || s[at] >= 0x7f)
		return nothing(at);
	return key(event, at + 1, lettered_key(s[at], true));
}

/* "rgb:RRRR/GGGG/BBBB", of one to four digits each: how light, from 0 to 1. */
static bool parse_color(const char *color, double *ret_light)
{
	static const double weights[] = {0.2126, 0.7152, 0.0722};
	double light = 0;

	color += strncmp(color, "rgba:", 5) == 0 ? 5 : strncmp(color, "rgb:", 4) == 0 ? 4 : 0;
	for (size_t i = 0; i < ARRAY_COUNT(weights); i++) {
		size_t digits = strspn(color, "0123456789abcdefABCDEF");
		char end = color[digits];

		if (digits < 1 || digits > 4 || (i < 2 ? end != '/' : end != '\0' && end != '/'))
			return false;
		light += weights[i] * (double)strtoul(color, NULL, 16) /
		         (double)((1u << 4 * digits) - 1);
		color += digits + 1;
	}
	*ret_light = light;
	return true;
}

/* ESC ], up to its end: an answer about a colour. */
static struct unit answer_unit(const unsigned char *s, size_t body, size_t length,
                               struct input_event *event)
{
	char answer[64] = "";
	double light;

	if (s[1] != ']' || body - 2 >= sizeof(answer))
		return nothing(length);
	memcpy(answer, s + 2, body - 2);
	if (strlen(answer) != body - 2 || strncmp(answer, "11;", 3) != 0 ||
	    !parse_color(answer + 3, &light))
		return nothing(length);
	*event = (struct input_event){.type = INPUT_GROUND, .light = light > 0.5};
	return (struct unit){UNIT_EVENT, length};
}

/* After ESC and one of ] P X ^ _: up to a bell, or ESC \. */
static struct unit parse_string(const unsigned char *s, size_t count, struct input_event *event)
{
	for (size_t at = 2; at < count; at++) {
		if (s[at] == BELL)
			return answer_unit(s, at, at + 1, event);
		if (s[at] == CANCEL || s[at] == SUBSTITUTE)
			return nothing(at + 1);
		if (s[at] != ESCAPE)
			continue;
		if (at + 1 == count)
			return partial;
		return s[at + 1] == '\\' ? answer_unit(s, at, at + 2, event) : nothing(at);
	}
	return partial;
}

static struct unit parse_escape(const unsigned char *s, size_t count, struct input_event *event)
{
	struct unit unit;

	if (count == 1)
		return partial;
	if (s[1] == '[')
		return parse_control(s, count, event);
	if (s[1] == 'O')
		return parse_single_shift(s, count, event);
	if (strchr("]PX^_", s[1]) != NULL && s[1] != '\0')
		return parse_string(s, count, event);
	if (s[1] == '\\') /* the end of a string that was given up */
		return nothing(2);
	if (s[1] == ESCAPE)
		return key(event, 1, KEY_ESCAPE);
	unit = parse_character(s + 1, count - 1, event); /* with Alt */
	if (unit.type == UNIT_PARTIAL)
		return partial;
	return unit.type == UNIT_EVENT ? key(event, unit.length + 1, KEY_OTHER)
	                               : nothing(unit.length + 1);
}

/* No more is coming: what the bytes are as they stand. */
static struct unit finish_partial(const struct input *input, struct input_event *event)
{
	if (input->bytes[0] == ESCAPE && input->count == 1)
		return key(event, 1, KEY_ESCAPE);
	if (input->bytes[0] == ESCAPE && input->count == 2) /* Alt and [ or O or ] ... */
		return key(event, 2, KEY_OTHER);
	return nothing(input->count);
}

/* What goes on for longer than there is room is dropped up to its end. */
static struct unit drop_long(struct input *input)
{
	input->skips = input->bytes[1] == '[' || input->bytes[1] == 'O' ? INPUT_SKIPS_CONTROL
	                                                                : INPUT_SKIPS_STRING;
	/* An escape at the end may begin what ends it. */
	return nothing(input->bytes[INPUT_MAX - 1] == ESCAPE ? INPUT_MAX - 1 : INPUT_MAX);
}

static size_t skip(struct input *input)
{
	for (size_t at = 0; at < input->count; at++) {
		unsigned char byte = input->bytes[at];

		if (input->skips == INPUT_SKIPS_CONTROL && byte >= 0x20 && byte < 0x40)
			continue;
		if (input->skips == INPUT_SKIPS_STRING && byte != BELL && byte != CANCEL &&
		    byte != SUBSTITUTE && byte != ESCAPE)
			continue;
		if (input->skips == INPUT_SKIPS_CONTROL)
			at += byte >= 0x40 && byte < 0x7f;
		else
			at += byte != ESCAPE;
		input->skips = INPUT_SKIPS_NOTHING;
		return at;
	}
	return input->count;
}

static void take(struct input *input, size_t length)
{
	input->count -= length;
	memmove(input->bytes, input->bytes + length, input->count);
}

bool input_next(struct input *input, bool idle, struct input_event *ret_event)
{
	struct input_event event;

	if (input->skips != INPUT_SKIPS_NOTHING)
		take(input, skip(input));
	while (input->count != 0) {
		struct unit unit = input->bytes[0] == ESCAPE
		                           ? parse_escape(input->bytes, input->count, &event)
		                           : parse_character(input->bytes, input->count, &event);

		if (unit.type == UNIT_PARTIAL && input->count == INPUT_MAX)
			unit = drop_long(input);
		else if (unit.type == UNIT_PARTIAL && idle)
			unit = finish_partial(input, &event);
		if (unit.type == UNIT_PARTIAL)
			return false;
		take(input, unit.length);
		if (unit.type == UNIT_EVENT) {
			*ret_event = event;
			return true;
		}
		if (input->skips != INPUT_SKIPS_NOTHING)
			take(input, skip(input));
	}
	if (idle)
		input->skips = INPUT_SKIPS_NOTHING;
	return false;
}

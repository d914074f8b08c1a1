/* SPDX-License-Identifier: Apache-2.0 */
/* What terminals send, whole and byte by byte. */
#include "cmocka_all.h"
#include "input.h"
#include "memory.h"
#include "text.h"

#include <locale.h>
#include <string.h>

/* An event in words: "a", "Up", "F5", "press 3,4", "light". */
static void tell(struct text *out, const struct input_event *event)
{
	static const char *const names[] = {"Up",       "Down", "Left", "Right",   "PageUp",
	                                    "PageDown", "Home", "End",  "BackTab", "Delete"};
	static const char *const mouse[] = {"press", "wheelup", "wheeldown"};

	if (out->length != 0)
		text_add(out, " ");
	if (event->type == INPUT_GROUND)
		text_add(out, event->light ? "light" : "dark");
	else if (event->type == INPUT_MOUSE)
		text_addf(out, "%s:%d,%d", mouse[event->mouse], event->row, event->column);
	else if (event->key >= KEY_F1 && event->key <= KEY_F12)
		text_addf(out, "F%u", event->key - KEY_F1 + 1);
	else if (event->key == KEY_OTHER)
		text_add(out, "Other");
	else if (event->key >= KEY_UP && event->key <= KEY_DELETE)
		text_add(out, names[event->key - KEY_UP]);
	else if (event->key > ' ' && event->key < 127)
		text_addf(out, "%c", (char)event->key);
	else
		text_addf(out, "%u", event->key);
}

/* Fed so many at a time; what comes of it, and then what is left when nothing more comes. */
static void run(struct text *out, const char *bytes, size_t length, size_t at_a_time)
{
	struct input input = {0};
	struct input_event event;

	while (length != 0) {
		size_t taken = input_feed(&input, bytes, length < at_a_time ? length : at_a_time);

		bytes += taken;
		length -= taken;
		while (input_next(&input, false, &event))
			tell(out, &event);
	}
	while (input_next(&input, true, &event))
		tell(out, &event);
	assert_false(input_is_partial(&input));
	assert_int_equal(input.count, 0);
}

static void check(const char *bytes, size_t length, const char *wanted)
{
	for (size_t at_a_time = 1; at_a_time <= length; at_a_time++) {
		struct text out = {0};

		run(&out, bytes, length, at_a_time);
		if (strcmp(text_string(&out), wanted) != 0)
			print_message("after '%s', %zu at a time:\n", bytes, at_a_time);
		assert_string_equal(text_string(&out), wanted);
		text_finish(&out);
	}
}

static const struct {
	const char *bytes, *events;
} table[] = {
	{"aZ?", "a Z ?"},
	{"\t\r\n \x7f\b", "9 13 13 32 127 127"},
	{"\x03\x1a", "3 26"},
	{"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x99\x82", "233 28450 128578"},
	{"\xc3(\xff\xe6\xbcx\xed\xa0\x80\xc0\xaf\xc2\x9b",
         "( x"}, /* invalid, and CSI as one character */
	/* Arrows and the like: xterm, screen, tmux, Linux, rxvt. */
	{"\033[A\033[B\033[C\033[D", "Up Down Right Left"},
	{"\033OA\033OB\033OC\033OD", "Up Down Right Left"},
	{"\033[1;5A\033[1;2D\033[5A", "Up Left Up"},
	{"\033[a\033Oc", "Up Right"},
	{"\033[H\033[F\033OH\033OF\033[1~\033[4~\033[7~\033[8~",
         "Home End Home End Home End Home End"},
	{"\033[1;5H\033[1;3F\033[7^\033[8$\033[7@", "Home End Home End Home"},
	{"\033[5~\033[6~\033[5;5~\033[3~\033[3;2~\033[3$\033[Z",
         "PageUp PageDown PageUp Delete Delete Delete BackTab"},
	{"\033OP\033OQ\033OR\033OS\033[15~\033[17~\033[18~\033[19~\033[20~\033[21~\033[23~\033[24~",
         "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12"},
	{"\033[11~\033[12~\033[13~\033[14~\033[1;2P\033[1;5S\033O5P", "F1 F2 F3 F4 F1 F4 F1"},
	{"\033[[A\033[[B\033[[E", "F1 F2 F5"},
	{"\033OM\033Ok\033Op\033Oy", "13 + 0 9"},
	{"\033[2~", "Other"},
	/* The mouse. */
	{"\033[<0;12;4M\033[<0;12;4m", "press:3,11"},
	{"\033[<64;1;1M\033[<65;300;200M\033[<68;1;2M",
         "wheelup:0,0 wheeldown:199,299 wheelup:1,0"},
	{"\033[<2;5;5M\033[<1;5;5M\033[<32;5;5M\033[<66;1;1M", ""},
	{"\033[<0;0;4M\033[<0;4M\033[<;;M\033[<0;99999999999;4M\033[<a;1;1M", "; 1 ; 1 M"},
	{"\033[M\x20\x21\x22x\033[M\xff\x1b\x80y", "x y"},
	{"\033[96;12;4M", ""},
	/* Answers. */
	{"\033]11;rgb:ffff/ffff/ffff\033\\", "light"},
	{"\033]11;rgb:1c1c/1c1c/1c1c\007", "dark"},
	{"\033]11;rgb:ff/f0/e0\007x", "light x"},
	{"\033]11;rgba:0/0/0/f\007", "dark"},
	{"\033]11;rgb:f/f\007\033]11;rgb:fffff/f/f\007\033]10;rgb:f/f/f\007\033]11;?\007", ""},
	{"\033[?62;22c\033[5;7R\033[?2026;2$y\033[I\033[O\033[0n\033P1$r0m\033\\z", "z"},
	{"\033]0;a title\033[A", "Up"}, /* a string that another sequence cuts off */
	{"\033[12\033[B", "Down"},
	{"\033[12\003", "3"},
	{"\033]11;rgb\030q", "q"},
	{"\033[99~\033[?1~\033[>1A\033[1$w", "Home w"},
	/* Escape, and Alt. */
	{"\033", "27"},
	{"\033\033", "27 27"},
	{"\033\033[A", "27 Up"},
	{"\033q\033\xc3\xa9w", "Other Other w"},
	{"\033[", "Other"},
	{"\033O", "Other"},
	{"\033]", "Other"},
	{"\033[1;", ""},
	{"\033]11;rgb:", ""},
	{"\xe6\xbc", ""},
};

static void sequences(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		check(table[i].bytes, strlen(table[i].bytes), table[i].events);
	check("a\0b", 3, "a b");
	check("\033\0b", 3, "b");
}

/* A lone escape may be the beginning of something, until nothing has come for a while. */
static void waits(void **state)
{
	struct input input = {0};
	struct input_event event;

	(void)state;
	input_feed(&input, "\033", 1);
	assert_false(input_next(&input, false, &event));
	assert_true(input_is_partial(&input));
	input_feed(&input, "[", 1);
	assert_false(input_next(&input, false, &event));
	input_feed(&input, "Aq", 2);
	assert_true(input_next(&input, false, &event));
	assert_int_equal(event.key, KEY_UP);
	assert_true(input_next(&input, false, &event));
	assert_int_equal(event.key, 'q');
	assert_false(input_next(&input, false, &event));
	assert_false(input_is_partial(&input));
	input_feed(&input, "\033", 1);
	assert_true(input_next(&input, true, &event));
	assert_int_equal(event.key, KEY_ESCAPE);
}

/* Longer than there is room: dropped up to its end, and what comes after it is understood. */
static void too_long(void **state)
{
	static const struct {
		const char *begin, *end, *events;
	} longs[] = {
		{"\033]11;", "\007x", "x"}, {"\033]0;", "\033\\x", "x"},
		{"\033P", "\030x", "x"},    {"\033[", "Ax", "x"},
		{"\033[", "\003x", "3 x"},  {"\033]0;", "\033[Ax", "Up x"},
		{"\033]", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(longs); i++)
		for (size_t more = 230; more < 530; more += 1) {
			struct text bytes = {0}, out = {0};

			text_add(&bytes, longs[i].begin);
			text_fill(&bytes, '7', more);
			text_add(&bytes, longs[i].end);
			run(&out, bytes.bytes, bytes.length, 1 + more % 97);
			/* What is not too long is a key that does not exist. */
			if (strcmp(longs[i].end, "Ax") != 0 || more > 260)
				assert_string_equal(text_string(&out), longs[i].events);
			text_finish(&bytes);
			text_finish(&out);
		}
}

static void feeds_what_there_is_room_for(void **state)
{
	struct input input = {0};
	char bytes[INPUT_MAX + 10];
	struct input_event event;

	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	assert_int_equal(input_feed(&input, bytes, sizeof(bytes)), INPUT_MAX);
	assert_int_equal(input_feed(&input, bytes, 1), 0);
	assert_true(input_next(&input, false, &event));
	assert_int_equal(input_feed(&input, bytes, 5), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequences),
		cmocka_unit_test(waits),
		cmocka_unit_test(too_long),
		cmocka_unit_test(feeds_what_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign bytes on a terminal, and cutting by columns. */
#include "cmocka_all.h"
#include "memory.h"
#include "safe.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *foreign, *terminal;
} table[] = {
	{"plain", "plain"},
	{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
	{"\xe6\xbc\xa2", "\xe6\xbc\xa2"},
	{"a\x1b[31mred", "a\\x1b[31mred"},
	{"line\nbreak\ttab", "line\\x0abreak\\x09tab"},
	{"\xff\xfe", "\\xff\\xfe"},
	{"\xc0\xaf", "\\xc0\\xaf"},                   /* overlong */
	{"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* half a surrogate pair */
	{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond Unicode */
	{"\xe2\x80\xae"
         "abc",
         "\\u{202e}abc"},        /* right to left from here */
	{"\xc2\x9b", "\\u{9b}"}, /* CSI in one character */
	{"cut \xe2\x82", "cut \\xe2\\x82"},
	{"back\\slash", "back\\slash"},
};

static void terminal(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct text text = {0};

		safe_terminal(&text, table[i].foreign);
		assert_string_equal(text_string(&text), table[i].terminal);
		text_finish(&text);
	}
}

static void widths(void **state)
{
	(void)state;
	assert_int_equal(safe_width("abc"), 3);
	assert_int_equal(safe_width("gr\xc3\xbc\xc3\x9f"), 4);
	assert_int_equal(safe_width("\xe6\xbc\xa2\xe5\xad\x97"), 4);
	assert_int_equal(safe_width("e\xcc\x81"), 1);
}

static void cuts(void **state)
{
	static const struct {
		const char *safe;
		size_t width;
		int cut_start;
		const char *result;
	} rows[] = {
		{"abcdef", 6, 0, "abcdef"},
		{"abcdef", 4, 0, "abc\xe2\x80\xa6"},
		{"abcdef", 4, 1,
	         "\xe2\x80\xa6"
	         "def"},
		{"abcdef", 1, 0, "\xe2\x80\xa6"},
		{"abcdef", 0, 0, ""},
		{"\xe6\xbc\xa2\xe5\xad\x97"
	         "ab",
	         4, 0, "\xe6\xbc\xa2\xe2\x80\xa6"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct text text = {0};
		size_t used = safe_cut(&text, rows[i].safe, rows[i].width, rows[i].cut_start);

		assert_string_equal(text_string(&text), rows[i].result);
		assert_true(used <= rows[i].width);
		text_finish(&text);
	}
}

/* Paragraphs: no line is wider, no word is broken, nothing is lost. */
static void wraps(void **state)
{
	static const struct {
		const char *safe;
		size_t width, indent;
		const char *result;
	} rows[] = {
		{"one two three", 0, 2, "one two three\n"},
		{"one two three", 13, 2, "one two three\n"},
		{"one two three", 12, 2, "one two\n  three\n"},
		{"one two three", 7, 2, "one two\n  three\n"},
		{"one two three", 6, 2, "one\n  two\n  three\n"},
		{"  free    3 per", 12, 4, "  free    3\n    per\n"},
		{"/a/long/path is kept", 8, 2, "/a/long/path\n  is\n  kept\n"},
		{"\xe6\xbc\xa2\xe5\xad\x97 ab", 4, 0, "\xe6\xbc\xa2\xe5\xad\x97\nab\n"},
		{"a b", 1, 9, "a\nb\n"},
		{"", 10, 2, "\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct text text = {0};

		safe_wrap(&text, rows[i].safe, rows[i].width, rows[i].indent);
		assert_string_equal(text_string(&text), rows[i].result);
		text_finish(&text);
	}
}

/* Whatever comes in: what comes out is valid UTF-8 and prints in as many columns as said. */
static void any_bytes(void **state)
{
	(void)state;
	srand(3);
	for (int round = 0; round < 20000; round++) {
		struct text text = {0}, again = {0};
		char foreign[24] = "";

		for (int i = 0; i < 23; i++)
			foreign[i] = (char)(1 + rand() % 255);
		safe_terminal(&text, foreign);
		assert_true(mbstowcs(NULL, text_string(&text), 0) != (size_t)-1);
		safe_terminal(&again, text_string(&text));
		assert_string_equal(text_string(&again), text_string(&text));
		text_clear(&text);
		safe_utf8(&text, foreign);
		assert_true(mbstowcs(NULL, text_string(&text), 0) != (size_t)-1);
		text_finish(&text);
		text_finish(&again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal), cmocka_unit_test(widths),    cmocka_unit_test(cuts),
		cmocka_unit_test(wraps),    cmocka_unit_test(any_bytes),
	};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

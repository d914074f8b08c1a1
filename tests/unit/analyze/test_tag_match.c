/* SPDX-License-Identifier: Apache-2.0 */
/* Tags that somebody asks for: plain ones, and patterns. */
#include "cmocka_all.h"
#include "tag_match.h"

#include <stdlib.h>
#include <string.h>

static void plain(void **state)
{
	(void)state;
	assert_true(tag_matches("a/b", "a/b"));
	assert_true(tag_matches("a/b", "a/b/c"));
	assert_false(tag_matches("a/b", "a/bc"));
	assert_false(tag_matches("a/b", "x/a/b"));
	assert_false(tag_matches("a/b", "a"));
	assert_true(tag_matches("", ""));
	assert_false(tag_matches("", "a"));
}

/* Without a slash: any name of the path, and what is below. */
static void names(void **state)
{
	(void)state;
	assert_true(tag_matches("attn*", "attn"));
	assert_true(tag_matches("attn*", "model/layer3/attn_out"));
	assert_true(tag_matches("attn*", "model/attn_out/softmax"));
	assert_false(tag_matches("attn*", "model/my_attn"));
	assert_true(tag_matches("*attn", "model/my_attn/x"));
	assert_false(tag_matches("*attn", "model/my_attn2"));
	assert_true(tag_matches("layer?", "model/layer3/attn"));
	assert_false(tag_matches("layer?", "model/layer31/attn"));
	assert_false(tag_matches("layer?", "model/layer/attn"));
	assert_true(tag_matches("*", ""));
	assert_true(tag_matches("*", "anything/at/all"));
	assert_false(tag_matches("?", ""));
	assert_true(tag_matches("l*r*3", "a/layer13"));
	assert_false(tag_matches("l*r*3", "a/layer31"));
}

/* With a slash: from the beginning. */
static void paths(void **state)
{
	(void)state;
	assert_true(tag_matches("model/*/attn", "model/layer3/attn"));
	assert_true(tag_matches("model/*/attn", "model/layer3/attn/softmax"));
	assert_true(tag_matches("model/*/attn", "model/part1/layer3/attn"));
	assert_false(tag_matches("model/*/attn", "the/model/layer3/attn"));
	assert_false(tag_matches("model/*/attn", "model/attn"));
	assert_true(tag_matches("*/attn", "model/layer3/attn"));
	assert_false(tag_matches("*/attn", "attn"));
	assert_false(tag_matches("model?layer/x*", "model/layer/xy"));
}

/* One character, of however many bytes; and bytes that are none. */
static void characters(void **state)
{
	(void)state;
	assert_true(tag_matches("gr\xc3\xbc?e", "gr\xc3\xbc\xc3\x9f"
	                                        "e"));
	assert_false(tag_matches("gr??e", "gr\xc3\xbc"
	                                  "e"));
	assert_true(tag_matches("a?b", "a\xff"
	                               "b"));
	assert_true(tag_matches("a?", "a\xf0\x9f\x98"));
	assert_true(tag_matches("[a]*", "[a]\x1b[0m"));
	assert_false(tag_matches("[a]*", "a"));
	assert_true(tag_matches("a\\*", "a\\b"));
}

/* What makes a matcher that tries every way run for ever. */
static void long_ones(void **state)
{
	enum { LENGTH = 4000 };
	char *tag = calloc(1, LENGTH + 1), *pattern = calloc(1, 2 * LENGTH + 2);

	(void)state;
	memset(tag, 'a', LENGTH);
	for (size_t i = 0; i < LENGTH / 2; i++)
		memcpy(pattern + 2 * i, "a*", 2);
	assert_true(tag_matches(pattern, tag));
	strcat(pattern, "b");
	assert_false(tag_matches(pattern, tag));
	assert_false(text_has_word(tag, pattern));
	free(tag);
	free(pattern);
}

static void words(void **state)
{
	(void)state;
	assert_true(text_has_word("model/Attn", "aTT"));
	assert_true(text_has_word("x", ""));
	assert_true(text_has_word("", ""));
	assert_false(text_has_word("", "x"));
	assert_false(text_has_word("ab", "abc"));
	assert_true(text_has_word("aab", "ab"));
	assert_false(text_has_word("\xc3\x84", "\xc3\xa4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),      cmocka_unit_test(names),     cmocka_unit_test(paths),
		cmocka_unit_test(characters), cmocka_unit_test(long_ones), cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a tag is one that somebody asked for, and whether a text has a word in it. Pure, on any
 * bytes; the time is at most the product of both lengths. For everything that filters.
 */
#ifndef MESHTALLY_ANALYZE_TAG_MATCH_H
#define MESHTALLY_ANALYZE_TAG_MATCH_H

#include <stdbool.h>

/*
 * A plain `wanted` is a path: that tag, or what is below it. With * (any bytes) or ? (one
 * character, but for '/') in it, it is a pattern. One without a '/' fits any one name of the path
 * (attn* fits model/layer3/attn_out), one with a '/' fits from the beginning (model/?/attn). In
 * both cases it takes in what is below.
 */
bool tag_matches(const char *wanted, const char *tag);

/* Whether `word` is somewhere in `text`, in any case of ASCII letters. */
bool text_has_word(const char *text, const char *word);

#endif

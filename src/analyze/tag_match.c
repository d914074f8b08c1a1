/* SPDX-License-Identifier: Apache-2.0 */
#include "tag_match.h"

#include <string.h>

/* Past one character: a byte, and what continues it in UTF-8. */
static const char *next_character(const char *at)
{
	at++;
	while (((unsigned char)*at & 0xc0) == 0x80)
		at++;
	return at;
}

/* Whether the pattern fits from here to the end of some name. Only the last star is tried again,
 * which is enough: what an earlier one took can only grow. */
static bool fits(const char *pattern, const char *at)
{
	const char *star = NULL, *star_at = NULL;

	for (;;) {
		if (*pattern == '\0' && (*at == '\0' || *at == '/'))
			return true;
		if (*pattern == '*') {
			star = ++pattern;
			star_at = at;
		} else if (*pattern == '?' && *at != '\0' && *at != '/') {
			pattern++;
			at = next_character(at);
		} else if (*pattern != '?' && *pattern != '\0' && *pattern == *at) {
			pattern++;
			at++;
		} else if (star != NULL && *star_at != '\0') {
			pattern = star;
			at = ++star_at;
		} else {
			return false;
		}
	}
}

static bool is_below(const char *tag, const char *wanted)
{
	size_t length = strlen(wanted);

	return strncmp(tag, wanted, length) == 0 && (tag[length] == '\0' || tag[length] == '/');
}

bool tag_matches(const char *wanted, const char *tag)
{
	if (strpbrk(wanted, "*?") == NULL)
		return is_below(tag, wanted);
	if (strchr(wanted, '/') != NULL)
		return fits(wanted, tag);
	for (;;) {
		if (fits(wanted, tag))
			return true;
		tag = strchr(tag, '/');
		if (tag == NULL)
			return false;
		tag++;
	}
}

static char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

bool text_has_word(const char *text, const char *word)
{
	do {
		size_t i = 0;

		while (word[i] != '\0' && lower(text[i]) == lower(word[i]))
			i++;
		if (word[i] == '\0')
			return true;
	} while (*text++ != '\0');
	return false;
}

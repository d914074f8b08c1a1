/* SPDX-License-Identifier: Apache-2.0 */
#include "safe.h"

#include <langinfo.h>
#include <string.h>
#include <wchar.h>

size_t safe_decode(const char *bytes, uint32_t *ret_code)
{
	const unsigned char *s = (const unsigned char *)bytes;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t code = s[0];

	if (length == 0 || s[0] > 0xf4)
		return 0;
	if (length > 1)
		code &= 0x7fu >> length;
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return length;
}

/* Characters that show nothing themselves but change how others are shown. */
static int is_deceptive(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c ||
	       (code >= 0x200b && code < 0x2010) || (code >= 0x2028 && code < 0x202f) ||
	       (code >= 0x2060 && code < 0x2070) || code == 0xfeff ||
	       (code >= 0xfff9 && code < 0xfffc) || (code >= 0xe0000 && code < 0xe0080);
}

static int code_width(uint32_t code)
{
	return code < 0x80 ? 1 : wcwidth((wchar_t)code);
}

static int terminal_is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void safe_terminal(struct text *text, const char *foreign)
{
	const char *s = foreign;
	int utf8 = terminal_is_utf8();
	uint32_t code = 0;

	while (*s != '\0') {
		size_t length = safe_decode(s, &code);

		if (length == 0) {
			text_addf(text, "\\x%02x", (unsigned char)*s++);
			continue;
		}
		if (is_deceptive(code) && code < 0x80)
			text_addf(text, "\\x%02x", code);
		else if (code >= 0x80 && (!utf8 || is_deceptive(code) || code_width(code) < 0))
			text_addf(text, "\\u{%x}", code);
		else
			text_bytes(text, s, length);
		s += length;
	}
}

void safe_shell(struct text *text, const char *foreign)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "%+,-./:=@_";
	int quote = foreign[0] == '\0' || foreign[strspn(foreign, plain)] != '\0';

	if (quote)
		text_add(text, "'");
	safe_terminal(text, foreign);
	if (quote)
		text_add(text, "'");
}

void safe_utf8(struct text *text, const char *foreign)
{
	const char *s = foreign;
	uint32_t code = 0;

	while (*s != '\0') {
		size_t length = safe_decode(s, &code);

		if (length == 0) {
			text_addf(text, "\\x%02x", (unsigned char)*s++);
			continue;
		}
		text_bytes(text, s, length);
		s += length;
	}
}

size_t safe_next(const char *s, int *ret_width)
{
	uint32_t code = 0;
	size_t length = safe_decode(s, &code);

	*ret_width = length == 0 || is_deceptive(code) ? -1 : code_width(code);
	return length != 0 ? length : 1;
}

/* The next character of safe text: its bytes, and its columns. */
static size_t next(const char *s, size_t *ret_width)
{
	uint32_t code = 0;
	size_t length = safe_decode(s, &code);
	int width = length != 0 ? code_width(code) : 1;

	*ret_width = width > 0 ? (size_t)width : 0;
	return length != 0 ? length : 1;
}

size_t safe_width(const char *safe)
{
	size_t total = 0, width;

	while (*safe != '\0') {
		safe += next(safe, &width);
		total += width;
	}
	return total;
}

static size_t cut_at_end(struct text *text, const char *safe, size_t width)
{
	size_t used = 0, columns;

	while (*safe != '\0') {
		size_t length = next(safe, &columns);

		if (used + columns > width)
			break;
		text_bytes(text, safe, length);
		safe += length;
		used += columns;
	}
	return used;
}

size_t safe_cut(struct text *text, const char *safe, size_t width, int cut_start)
{
	const char *mark = terminal_is_utf8() ? "\xe2\x80\xa6" : "~";
	size_t total = safe_width(safe), columns, used;

	if (total <= width) {
		text_add(text, safe);
		return total;
	}
	if (width == 0)
		return 0;
	if (!cut_start) {
		used = cut_at_end(text, safe, width - 1);
		text_add(text, mark);
		return used + 1;
	}
	while (total > width - 1) {
		safe += next(safe, &columns);
		total -= columns;
	}
	text_add(text, mark);
	text_add(text, safe);
	return total + 1;
}

/* Bytes up to the space where a line of `width` ends; all where it need not be broken. */
static size_t line_length(const char *safe, size_t width)
{
	size_t at = strspn(safe, " "), used = at, end = 0, columns;

	while (safe[at] != '\0') {
		if (safe[at] == ' ')
			end = at;
		if (used >= width && end != 0)
			return end;
		at += next(safe + at, &columns);
		used += columns;
	}
	return used > width && end != 0 ? end : at;
}

void safe_wrap(struct text *text, const char *safe, size_t width, size_t indent)
{
	size_t first = 0, length;

	while (width != 0 && safe[length = line_length(safe, width - first)] != '\0') {
		text_bytes(text, safe, length);
		text_add(text, "\n");
		safe += length;
		safe += strspn(safe, " ");
		first = indent < width / 2 ? indent : width / 2;
		text_fill(text, ' ', first);
	}
	text_add(text, safe);
	text_add(text, "\n");
}

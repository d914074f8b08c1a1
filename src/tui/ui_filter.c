/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of the ui, set as a whole or by one term. */
#include "ui.h"

#include <string.h>
#include <strings.h>

/* Longer values are given as a pattern of their beginning, so that the line can still be edited. */
enum { LONGEST_VALUE = 160 };

bool ui_filter(struct ui *ui, const char *source)
{
	struct text error = {0};
	struct filter filter;
	bool good = filter_parse(&filter, source, &error) == 0;

	if (good) {
		filter_finish(&ui->filter);
		ui->filter = filter;
	} else {
		ui_say(ui, true, "%s", text_string(&error));
		filter_finish(&filter);
	}
	text_finish(&error);
	return good;
}

/* To the end of the term: a space that is not in quotes. */
static size_t term_length(const char *at)
{
	bool inside = false;
	size_t length = 0;

	for (; at[length] != '\0' && (inside || at[length] != ' '); length++)
		inside = inside != (at[length] == '"');
	return length;
}

static bool begins_with(const char *at, const char *name)
{
	size_t length = strlen(name);

	return strncasecmp(at, name, length) == 0 && strchr(":<>=", at[length]) != NULL &&
	       at[length] != '\0';
}

/* Some have two names. */
static bool is_term_of(const char *at, const char *name)
{
	return begins_with(at, name) || (strcmp(name, "pid") == 0 && begins_with(at, "process")) ||
	       (strcmp(name, "dev") == 0 && begins_with(at, "device"));
}

static void keep_others(struct text *out, const char *source, const char *name)
{
	for (const char *at = source; *at != '\0';) {
		size_t length = term_length(at);

		if (length != 0 && !is_term_of(at, name)) {
			text_add(out, out->length != 0 ? " " : "");
			text_bytes(out, at, length);
		}
		at += length;
		at += strspn(at, " ");
	}
}

/* In quotes where it needs them; a quote itself is any character of a pattern. */
static void add_value(struct text *out, const char *value)
{
	bool quoted = value[strcspn(value, " \t\r\n")] != '\0';
	size_t length = strlen(value), kept = length;

	while (kept > LONGEST_VALUE ||
	       (kept < length && ((unsigned char)value[kept] & 0xc0) == 0x80))
		kept--;
	text_add(out, quoted ? "\"" : "");
	for (size_t i = 0; i < kept; i++)
		text_bytes(out, value[i] == '"' ? "?" : value + i, 1);
	text_add(out, kept < length ? "*" : "");
	text_add(out, quoted ? "\"" : "");
}

void ui_narrow(struct ui *ui, const char *name, const char *value)
{
	struct text source = {0};

	keep_others(&source, ui->filter.source != NULL ? ui->filter.source : "", name);
	text_addf(&source, "%s%s:", source.length != 0 ? " " : "", name);
	add_value(&source, value);
	ui_filter(ui, text_string(&source));
	text_finish(&source);
}

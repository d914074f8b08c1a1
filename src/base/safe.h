/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of foreign origin (tags, sites, command lines: any bytes) made fit for a terminal and for
 * JSON. Valid UTF-8 is kept; everything else, control characters and characters that change the
 * direction of writing come out as \xNN or \u{NNNN}. A backslash stays as it is.
 */
#ifndef MESHTALLY_BASE_SAFE_H
#define MESHTALLY_BASE_SAFE_H

#include "text.h"

#include <stdint.h>

/* Decodes one character of a NUL-terminated string; 0 if it is not valid UTF-8, else the number of
 * its bytes. */
size_t safe_decode(const char *bytes, uint32_t *ret_code);

/* For a terminal, in the locale of the process: what it cannot show is escaped as well. */
void safe_terminal(struct text *text, const char *foreign);

/* As safe_terminal, and quoted for a shell where needed. */
void safe_shell(struct text *text, const char *foreign);

/* For JSON: valid UTF-8 whatever came in; control characters are left to the JSON printer. */
void safe_utf8(struct text *text, const char *foreign);

/* The bytes of the next character, and its columns; -1: it is none that may be shown. */
size_t safe_next(const char *s, int *ret_width);

/* Columns that safe text takes. */
size_t safe_width(const char *safe);

/* Adds at most `width` columns of safe text; "…" stands for what was cut off at the end or, with
 * cut_start, at the beginning. Returns the columns used. */
size_t safe_cut(struct text *text, const char *safe, size_t width, int cut_start);

/* Adds a paragraph of safe text with a newline, broken at spaces so that no line is wider than
 * `width` (0: no limit); lines from the second on are indented. A word that is too wide stays
 * whole: it may be a path. Spaces that the text begins with, or that are double, stay. */
void safe_wrap(struct text *text, const char *safe, size_t width, size_t indent);

#endif

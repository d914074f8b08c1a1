/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A string that grows. What verbs print is built in one of these, so that it can be tested, and
 * written out once. Zeroed is empty; bytes is NULL until something was added (text_string is not).
 */
#ifndef MESHTALLY_BASE_TEXT_H
#define MESHTALLY_BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

struct text {
	char *bytes; /* NUL-terminated */
	size_t length, capacity;
};

void text_bytes(struct text *text, const char *bytes, size_t length);
void text_add(struct text *text, const char *string);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vaddf(struct text *text, const char *format, va_list arguments);
void text_fill(struct text *text, char byte, size_t count);
const char *text_string(const struct text *text);
void text_clear(struct text *text);
void text_finish(struct text *text);

#endif

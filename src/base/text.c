/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void text_room(struct text *text, size_t more)
{
	size_t need = text->length + more + 1;

	if (need <= text->capacity)
		return;
	text->capacity = need < 256 ? 256 : need * 2;
	text->bytes = mem_resize(text->bytes, text->capacity, 1);
}

void text_bytes(struct text *text, const char *bytes, size_t length)
{
	text_room(text, length);
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

void text_add(struct text *text, const char *string)
{
	text_bytes(text, string, strlen(string));
}

void text_vaddf(struct text *text, const char *format, va_list arguments)
{
	va_list again;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length <= 0)
		return;
	text_room(text, (size_t)length);
	vsnprintf(text->bytes + text->length, (size_t)length + 1, format, arguments);
	text->length += (size_t)length;
}

void text_addf(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_vaddf(text, format, arguments);
	va_end(arguments);
}

void text_fill(struct text *text, char byte, size_t count)
{
	text_room(text, count);
	memset(text->bytes + text->length, byte, count);
	text->length += count;
	text->bytes[text->length] = '\0';
}

const char *text_string(const struct text *text)
{
	return text->bytes != NULL ? text->bytes : "";
}

void text_clear(struct text *text)
{
	text->length = 0;
	if (text->bytes != NULL)
		text->bytes[0] = '\0';
}

void text_finish(struct text *text)
{
	free(text->bytes);
	*text = (struct text){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_end(void *bytes)
{
	if (bytes == NULL) {
		fputs("meshtally: out of memory\n", stderr);
		abort();
	}
	return bytes;
}

void *mem_calloc(size_t count, size_t size)
{
	return or_end(calloc(count != 0 ? count : 1, size));
}

void *mem_resize(void *bytes, size_t count, size_t size)
{
	return or_end(reallocarray(bytes, count != 0 ? count : 1, size));
}

char *mem_strdup(const char *string)
{
	return or_end(strdup(string));
}

void *vec_room(void *items, size_t count, size_t *capacity, size_t size)
{
	if (count == *capacity) {
		*capacity = count != 0 ? count * 2 : 8;
		items = mem_resize(items, *capacity, size);
	}
	memset((char *)items + count * size, 0, size);
	return items;
}

void vec_release(void *items)
{
	free(items);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "composition.h"

#include "lookup.h"

#include <stdlib.h>
#include <string.h>

/* Whether a line is on this device; one whose space is not known any more may be. */
static bool is_on(const struct segment_view *view, const struct view_line *line, uint32_t device)
{
	const struct view_space *space;

	if (line->space >= view->space_count)
		return true;
	space = &view->spaces[line->space];
	for (uint32_t m = 0; m < space->member_count; m++)
		if (space->members[m] == device &&
		    (line->member == ROW_ALL_MEMBERS || line->member == m))
			return true;
	return false;
}

static bool same_line(const void *elements, size_t position, const void *key)
{
	const struct composition_line *a = (const struct composition_line *)elements + position;
	const struct composition_line *b = key;

	return a->class_then == b->class_then && strcmp(a->tag, b->tag) == 0;
}

static void add_line(struct composition *composition, struct lookup *lookup,
                     const struct view_line *from)
{
	struct composition_line key = {from->class_then, from->tag, 0, 0, 0}, *line;
	size_t count = composition->lines.count, at;

	if (key.class_then >= CLASS_LIMIT)
		key.class_then = CLASS_USER;
	at = lookup_place(lookup, composition->lines.items, &key,
	                  hash_string(key.class_then, key.tag), count);
	if (at == count)
		*vec_add(&composition->lines) = key;
	line = &composition->lines.items[at];
	line->bytes += from->bytes;
	line->held += from->held;
	line->buffers += from->buffers;
	composition->bytes += from->bytes;
	composition->held += from->held;
}

static int most_first(const void *a, const void *b)
{
	const struct composition_line *x = a, *y = b;

	if (x->held != y->held)
		return x->held > y->held ? -1 : 1;
	return x->bytes > y->bytes ? -1 : x->bytes < y->bytes;
}

void composition_make(struct composition *composition, const struct segment_view *view,
                      const struct view_line *lines, uint32_t count, uint32_t device)
{
	struct lookup lookup = {.same = same_line};

	*composition = (struct composition){0};
	for (uint32_t i = 0; i < count; i++)
		if (is_on(view, &lines[i], device))
			add_line(composition, &lookup, &lines[i]);
	if (composition->lines.count > 1)
		qsort(composition->lines.items, composition->lines.count,
		      sizeof(*composition->lines.items), most_first);
	lookup_finish(&lookup);
}

void composition_finish(struct composition *composition)
{
	vec_finish(&composition->lines);
}

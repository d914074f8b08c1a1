/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a terminal sends, in pieces of any size: never more events than bytes, nothing
 * but keys and places that there are, and in the end nothing is left over.
 */
#include "input.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const struct input_event *event)
{
	if (event->type == INPUT_KEY) {
		if (event->key == 0 || event->key > KEY_OTHER ||
		    (event->key >= 0x80 && event->key < 0xa0) ||
		    (event->key >= 0xd800 && event->key < 0xe000))
			abort();
	} else if (event->type == INPUT_MOUSE) {
		if (event->mouse > MOUSE_WHEEL_DOWN || event->row < 0 || event->column < 0)
			abort();
	} else if (event->type != INPUT_GROUND) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input *input = calloc(1, sizeof(*input));
	size_t at = 0, events = 0;
	struct input_event event;

	if (input == NULL)
		abort();
	while (at < size) {
		/* Its own bytes say how it comes in pieces, and where there is a pause. */
		size_t piece = 1 + bytes[at] % 61, taken;
		bool idle = bytes[at] % 7 == 0;

		piece = piece < size - at ? piece : size - at;
		taken = input_feed(input, bytes + at, piece);
		if (taken == 0)
			abort();
		at += taken;
		while (input_next(input, idle, &event)) {
			check(&event);
			events++;
		}
		if (idle && input_is_partial(input))
			abort();
	}
	while (input_next(input, true, &event)) {
		check(&event);
		events++;
	}
	if (events > size || input_is_partial(input))
		abort();
	free(input);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a terminal sends, as events: characters, keys, mouse, and its answer about the ground's
 * colour. Foreign bytes: anything may come, in pieces; what makes no sense is dropped. Pure.
 */
#ifndef MESHTALLY_TUI_INPUT_H
#define MESHTALLY_TUI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum input_type { INPUT_KEY, INPUT_MOUSE, INPUT_GROUND };

/* Keys that are not characters; above Unicode. */
enum input_key {
	KEY_UP = 0x110000,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
	KEY_END,
	KEY_BACK_TAB,
	KEY_DELETE,
	KEY_F1, /* to F12 in a row */
	KEY_F12 = KEY_F1 + 11,
	KEY_OTHER
};
enum { KEY_TAB = 9, KEY_ENTER = 13, KEY_ESCAPE = 27, KEY_SPACE = 32, KEY_BACKSPACE = 127 };
#define KEY_CTRL(letter) ((letter)&0x1f)

enum input_mouse { MOUSE_PRESS, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN };

struct input_event {
	enum input_type type;
	uint32_t key; /* INPUT_KEY: a character, or an input_key. Enter is 13, Backspace 127. */
	enum input_mouse mouse;
	int row, column; /* of the mouse, from 0 */
	bool light;      /* INPUT_GROUND */
};

enum { INPUT_MAX = 256 };

/* Of what is longer than there is room, the rest is dropped as it comes. */
enum input_skips { INPUT_SKIPS_NOTHING, INPUT_SKIPS_CONTROL, INPUT_SKIPS_STRING };

/* Zeroed is empty. */
struct input {
	unsigned char bytes[INPUT_MAX];
	size_t count;
	enum input_skips skips;
};

/* Takes as many bytes as there is room for; returns how many. */
size_t input_feed(struct input *input, const void *bytes, size_t count);
/* The next event. `idle`: nothing has come for a while, so that a lone escape is the Escape key. */
/* Call it until it is false. A key with Alt is KEY_OTHER. */
bool input_next(struct input *input, bool idle, struct input_event *ret_event);
/* Whether bytes wait for more of them. */
bool input_is_partial(const struct input *input);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include "ui_act.h"

#define ON(screen) (1u << (screen))
#define MESH       ON(SCREEN_MESH)
#define DEVICE     ON(SCREEN_DEVICE)
#define PROCESSES  ON(SCREEN_PROCESSES)
#define TAGS       ON(SCREEN_TAGS)
#define GROWTH     ON(SCREEN_GROWTH)
#define FAULTS     ON(SCREEN_FAULTS)

/* In the order of the footer: what matters most comes first, since not all of it fits. */
const struct key_row key_rows[] = {
	{'?', KEY_F1, "? F1", 0, "help", "these pages", act_help},
	{'h', 0, "h", 0, NULL, NULL, act_help},
	{'q', KEY_CTRL('c'), "q", 0, "quit", "leave; also Ctrl-C", act_quit},
	{'/', 0, "/", 0, "filter", "show only what fits, as dev:3 kind:L1 tag:attn*", act_filter},

	{KEY_ENTER, 0, "Enter", MESH, "open", "look into the device", NULL},
	{KEY_LEFT, 0, "Left", MESH, NULL, "to the device on the left", NULL},
	{KEY_RIGHT, 0, "Right", MESH, NULL, "to the device on the right", NULL},
	{'l', 0, "l", MESH, "list", "tiles, or a plain list", NULL},
	{'v', 0, "v", MESH, NULL, "heat by another kind of memory", NULL},

	{KEY_ENTER, 0, "Enter", DEVICE, "this tag", "show only buffers of this one's tag", NULL},
	{KEY_LEFT, 0, "Left", DEVICE, "previous", "the device before", NULL},
	{KEY_RIGHT, 0, "Right", DEVICE, "next", "the device after", NULL},
	{'v', 0, "v", DEVICE, "memory", "map another kind of memory", NULL},
	{'[', 0, "[", DEVICE, NULL, "a shorter time: 60, 10 minutes, 1 minute", NULL},
	{']', 0, "]", DEVICE, "time", "a longer time: 1, 10, 60 minutes", NULL},

	{KEY_ENTER, 0, "Enter", PROCESSES, "only this", "show only this process", NULL},
	{KEY_SPACE, 0, "Space", PROCESSES, NULL, "fold or unfold its children", NULL},
	{'t', 0, "t", PROCESSES, "tree", "children below their parents, or a plain list", NULL},
	{'d', KEY_DELETE, "d", PROCESSES, "dismiss", "no more of a process that has ended", NULL},
	{'D', 0, "D", PROCESSES, NULL, "no more of all that have ended", NULL},

	{KEY_ENTER, 0, "Enter", TAGS, "open", "fold or unfold; at the end: show only this", NULL},
	{KEY_SPACE, 0, "Space", TAGS, NULL, "fold or unfold what is below", NULL},
	{'b', 0, "b", TAGS, "by", "by tag, kind, process, device or age", NULL},

	{'b', 0, "b", GROWTH, "by", "by tag and site, or single buffers", NULL},
	{KEY_ENTER, 0, "Enter", GROWTH, "this tag", "show only what has this tag", NULL},
	{KEY_ENTER, 0, "Enter", FAULTS, "only this", "show only faults of this process", NULL},
	{'f', 0, "f", FAULTS, "type", "show another type of fault, or all", NULL},

	{'s', 0, "s", 0, "sort", "sort by the next column", act_sort},
	{'S', 0, "S", 0, NULL, "the other way round", act_reverse},
	{'p', 0, "p", 0, "pause", "stop, or go on with, reading", act_pause},
	{'m', 0, "m", 0, "mark", "set the mark: Growth and Tags tell what has come since",
         act_mark},
	{'M', 0, "M", 0, NULL, "take the mark away", act_unmark},
	{'e', 0, "e", 0, "export", "write what is seen to a file, JSON or CSV", act_export},
	{'+', '=', "+", 0, NULL, "more time between two readings, up to 10 s", act_slower},
	{'-', '_', "-", 0, NULL, "less time, down to 0.1 s", act_faster},
	{'r', 0, "r", 0, NULL, "read now", act_read},
	{'w', 0, "w", 0, NULL, "keep screen, sorting and refresh for the next time", act_save},

	{KEY_TAB, 0, "Tab", 0, NULL, "the next screen", act_next_screen},
	{KEY_BACK_TAB, 0, "Shift-Tab", 0, NULL, "the screen before", act_previous_screen},
	{'1', 0, "1", 0, NULL, "Mesh", act_mesh},
	{'2', 0, "2", 0, NULL, "Device", act_device},
	{'3', 0, "3", 0, NULL, "Processes", act_processes},
	{'4', 0, "4", 0, NULL, "Tags", act_tags},
	{'5', 0, "5", 0, NULL, "Growth", act_growth},
	{'6', 0, "6", 0, NULL, "Faults", act_faults},
	{KEY_ESCAPE, 0, "Esc", 0, NULL, "back; or no filter", act_back},
	{KEY_UP, 'k', "Up k", 0, NULL, "one up", act_up},
	{KEY_DOWN, 'j', "Down j", 0, NULL, "one down", act_down},
	{KEY_PAGE_UP, 0, "Page Up", 0, NULL, "a page up", act_page_up},
	{KEY_PAGE_DOWN, 0, "Page Down", 0, NULL, "a page down", act_page_down},
	{KEY_HOME, 'g', "Home g", 0, NULL, "to the first", act_first},
	{KEY_END, 'G', "End G", 0, NULL, "to the last", act_last},
	{KEY_CTRL('z'), 0, "Ctrl-Z", 0, NULL, "suspend; `fg` comes back", act_suspend},
	{KEY_CTRL('l'), 0, "Ctrl-L", 0, NULL, "draw everything anew", act_redraw},
};

const size_t key_row_count = ARRAY_COUNT(key_rows);

bool key_is_for(const struct key_row *row, enum screen_id screen)
{
	return row->screens == 0 || (row->screens & ON(screen)) != 0;
}

const struct key_row *key_find(uint32_t key, enum screen_id screen)
{
	const struct key_row *found = NULL;

	for (size_t i = 0; i < key_row_count; i++) {
		const struct key_row *row = &key_rows[i];

		if ((row->key == key || (row->other_key != 0 && row->other_key == key)) &&
		    key_is_for(row, screen) && (found == NULL || row->screens != 0))
			found = row;
	}
	return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What keys do on every screen, for the table in keys.c; and what ui.c shares with its parts. */
#ifndef MESHTALLY_TUI_UI_ACT_H
#define MESHTALLY_TUI_UI_ACT_H

#include "keys.h"

typedef void ui_act(struct ui *ui, const struct look *look, const struct sheet *sheet,
                    struct ui_wish *wish);

ui_act act_help, act_quit, act_suspend, act_redraw, act_read, act_pause, act_slower, act_faster;
ui_act act_next_screen, act_previous_screen, act_back;
ui_act act_mesh, act_device, act_processes, act_tags, act_growth, act_faults;
ui_act act_up, act_down, act_page_up, act_page_down, act_first, act_last;
ui_act act_sort, act_reverse, act_mark, act_unmark, act_filter, act_export, act_save;

enum { REFRESH_LEAST_MS = 100, REFRESH_MOST_MS = 10000 };

/* Sorts by a column as it is done at first, or the other way round if it is sorted by it. */
void ui_sort_by(struct ui *ui, const struct sheet *sheet, size_t column);
/* Buffers are the first of many: those that are listed depend on what the device's are sorted by.
 */
void ui_order_buffers(struct ui *ui, const struct sheet *sheet);
/* Without a way back. */
void ui_show(struct ui *ui, enum screen_id screen);

/* The line of a prompt (ui_prompt.c). */
void prompt_open(struct ui *ui, enum ui_prompt prompt, const char *line);
void prompt_key(struct ui *ui, uint32_t key, struct ui_wish *wish);

#endif

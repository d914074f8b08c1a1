/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the screens that are lists share: lines of words above the list, and below it, where there
 * is room, what is known of the row under the cursor. For the screens; from the thread that draws.
 */
#ifndef MESHTALLY_TUI_LIST_SCREEN_H
#define MESHTALLY_TUI_LIST_SCREEN_H

#include "screens.h"

/* A line of safe text, with a label in front of it or none. */
struct said_line {
	const char *label;
	enum style style;
	struct text words;
};

/* Zeroed is empty. */
struct said {
	struct text title; /* of details: safe */
	VEC(struct said_line) lines;
};

/* The words of a new line, valid until the next one. */
struct text *said_line(struct said *said, const char *label, enum style style);
void said_finish(struct said *said);

/* The list with what is said above and below it. details NULL: nothing is under the cursor. */
void list_screen_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                      struct area area, struct hits *hits, const struct said *head,
                      const struct said *details);

/* A process by what stays the same: of its segment, or of counters, which have none, its pid. */
uint64_t process_identity(const struct machine_process *process);
/* Its command without the folder of the program: what people call it. A part of the same string. */
const char *process_name(const struct machine_process *process);
/* Whether it has ended, and nobody wants to see it any more. */
bool process_is_dismissed(const struct ui *ui, const struct machine_process *process);
/* What a process has of a kind on the devices that the filter lets through. */
bool look_process_figure(const struct look *look, const struct machine_process *process,
                         uint32_t kind, struct machine_figure *ret_figure);
/* Whether the filter lets a process through, by pid and devices. */
bool look_shows_process(const struct look *look, const struct machine_process *process);
/* Columns whose number or names depend on what was read: they live as long as the sheet. */
struct sheet_column *sheet_own_columns(struct sheet *sheet, size_t count);
/* "20 s ago", in steps that grow with it, so that a picture on which nothing happens stays the
 * same; "a moment ago". */
void say_ago(struct text *words, uint64_t ns);
/* What is not known yet because single buffers are still being read. */
void say_survey_pending(const struct look *look, struct text *words);
extern const char words_in_totals[];
/* Lines where a filter asks for what totals do not tell, and for how old a survey is. */
void say_totals_filter(const struct look *look, struct said *head);
void say_survey_age(const struct look *look, struct text *words);

#endif

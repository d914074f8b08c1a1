/* SPDX-License-Identifier: Apache-2.0 */
/* What picture_draw is put together from. Each draws into the area that it is given. */
#ifndef MESHTALLY_TUI_PICTURE_PARTS_H
#define MESHTALLY_TUI_PICTURE_PARTS_H

#include "keys.h"

/* Tabs, and how fresh it is what is seen. */
void header_tabs(const struct look *look, struct canvas *canvas, struct area line,
                 struct hits *hits);
/* The filter; or the machine in a line, with the keys of the screens that tell more. */
void header_summary(const struct look *look, struct canvas *canvas, struct area line,
                    struct hits *hits);

/* The state in a few words, which stay the same while all is quiet; or in fewer. */
void status_words(const struct look *look, bool few, struct text *words, enum style *ret_style);

/* What was said last, or keys. */
void footer_draw(const struct look *look, struct canvas *canvas, struct area line,
                 struct hits *hits);
/* The prompt and, in a second line where there is one, what is wrong with it. */
void footer_prompt(const struct look *look, struct canvas *canvas, struct area lines);

void help_draw(const struct look *look, struct canvas *canvas, struct area area);

/* Whether there is nothing to show on any screen, and what to type then. */
bool picture_is_empty(const struct look *look);
void empty_words(const struct look *look, struct text *words);

#endif

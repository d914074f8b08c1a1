/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the growth screen knows of a survey, and what it says above its list and of the row under
 * the cursor. Made for one picture, from the thread that draws.
 */
#ifndef MESHTALLY_TUI_GROWTH_WORDS_H
#define MESHTALLY_TUI_GROWTH_WORDS_H

#include "list_screen.h"

extern const char growth_no_tag[];

/* What is shown of a survey, and which columns are worth having. */
struct growth_list {
	const struct look *look;
	const struct survey *survey;
	bool has_mark;                    /* and the survey knows of it */
	bool has_steps;                   /* some program has marked some */
	size_t places[SHEET_MAX_COLUMNS]; /* by column: where it is in the sheet; SIZE_MAX nowhere
	                                   */
	uint64_t stayed_bytes, stayed_records, stayed_device_buffers;
	size_t growing;
	const struct survey_growth *worst; /* of what grows with every step; NULL none */
};

void growth_list_init(struct growth_list *list, const struct look *look);
/* Of all steps that are known. */
uint64_t growth_left(const struct survey_growth *growth);
/* What each of the steps that are over has left on the average. */
uint64_t growth_per_step(const struct survey_growth *growth);
uint64_t growth_group_key(const struct survey_growth *growth);
uint64_t growth_buffer_key(const struct survey_buffer *buffer);
uint64_t growth_age_ns(const struct look *look, uint64_t time_ns);

void growth_head(const struct growth_list *list, struct said *head);
/* What is under the cursor; false: nothing. */
bool growth_selected(const struct growth_list *list, const struct sheet *sheet, struct said *said);

#endif

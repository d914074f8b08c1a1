/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to show: "dev:3 kind:L1 tag:attn* size>1M age>10m pid:123". Terms are separated by spaces
 * and hold together; terms of the same name are alternatives (dev:0 dev:3). A word alone looks for
 * tags, sites and commands that have it in them. Foreign text: anything may be typed.
 */
#ifndef MESHTALLY_TUI_FILTER_H
#define MESHTALLY_TUI_FILTER_H

#include "scene.h"
#include "survey.h"

struct filter_bounds {
	uint64_t least, most; /* 0 and UINT64_MAX: none */
};

struct filter {
	char *source;                            /* as typed */
	VEC(char *) devices, kinds, tags, words; /* tags: patterns with * and ? */
	VEC(int32_t) pids;
	VEC(char *) types; /* of faults: type:double-free */
	struct filter_bounds size_bytes, age_ns;
};

/* 0; or -EINVAL with a sentence that says what is wrong, where, and what would do. The filter is
 * empty then. */
int filter_parse(struct filter *filter, const char *source, struct text *error);
void filter_finish(struct filter *filter);
bool filter_is_empty(const struct filter *filter);
/* Whether single buffers must be looked at to answer it (size, age). */
bool filter_needs_buffers(const struct filter *filter);

/* Puts the devices, kinds and processes of the filter into a selection of this scene. Names that
 * nothing has select nothing; ret_missing (may be NULL) says so in a sentence. The selection is
 * finished with selection_finish(); filter must outlive it. */
void filter_select(const struct filter *filter, const struct scene *scene,
                   struct selection *ret_selection, struct text *ret_missing);

bool filter_has_tag(const struct filter *filter, const char *tag);
bool filter_has_words(const struct filter *filter, const char *a, const char *b);
bool filter_has_fault(const struct filter *filter, uint32_t type);
/* For the survey, which sees single buffers. */
void filter_survey(const struct filter *filter, struct survey_filter *ret_filter);

#endif

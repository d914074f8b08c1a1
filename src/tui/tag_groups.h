/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live bytes by tag (a tree), kind, process, device or age, as the filter lets them through. For
 * the tags screen; made for one picture.
 */
#ifndef MESHTALLY_TUI_TAG_GROUPS_H
#define MESHTALLY_TUI_TAG_GROUPS_H

#include "lookup.h"
#include "ui.h"

struct tag_group {
	const char *path; /* of tags: any bytes, as long as the reading; path_length of them */
	size_t path_length, label_from;
	const struct machine_process *process; /* by process */
	uint32_t number;                       /* kind, row or age */
	size_t parent, first_child, next;      /* SIZE_MAX none; children: the largest first */
	uint64_t own_bytes, own_held, own_buffers;
	uint64_t bytes, held, buffers; /* with what is below */
	uint64_t mark_bytes;           /* likewise at the mark: by tag alone */
	bool inexact;
};

struct tag_groups {
	VEC(struct tag_group) groups;
	struct lookup by_key;
	size_t first;                     /* of those without a parent */
	uint64_t bytes, buffers, largest; /* of all; bytes of the largest one */
	bool has_change;                  /* mark_bytes are those of the same selection */
	bool exact;
	/* While they are made. */
	const struct look *look;
	const struct machine_process *process; /* of `nodes` */
	size_t *nodes;                         /* by tag of its view: group + 1 */
};

void tag_groups_make(struct tag_groups *groups, const struct look *look);
void tag_groups_finish(struct tag_groups *groups);

/* "10 s to 1 min" */
const char *age_words(enum survey_age age);

#endif

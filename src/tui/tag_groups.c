/* SPDX-License-Identifier: Apache-2.0 */
#include "tag_groups.h"

#include "row_walk.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST_TAG = 64 };

struct group_key {
	const char *path;
	size_t path_length;
	const struct machine_process *process;
	uint32_t number;
};

static bool same_group(const void *elements, size_t position, const void *key)
{
	const struct tag_group *group = (const struct tag_group *)elements + position;
	const struct group_key *wanted = key;

	return group->number == wanted->number && group->process == wanted->process &&
	       group->path_length == wanted->path_length &&
	       (wanted->path_length == 0 ||
	        memcmp(group->path, wanted->path, wanted->path_length) == 0);
}

static size_t group_for(struct tag_groups *groups, const struct group_key *key)
{
	uint64_t hash = hash_number((uintptr_t)key->process, key->number);
	size_t count = groups->groups.count, at;

	hash = hash_bytes(hash, key->path, key->path_length);
	at = lookup_place(&groups->by_key, groups->groups.items, key, hash, count);
	if (at == count)
		*vec_add(&groups->groups) = (struct tag_group){.path = key->path,
		                                               .path_length = key->path_length,
		                                               .process = key->process,
		                                               .number = key->number,
		                                               .parent = SIZE_MAX};
	return at;
}

/* The end of the first part of a path that goes on from `from`; the whole, where it has no more. A
 * slash that nothing is before or behind of is part of a name. */
static size_t part_end(const char *path, size_t from)
{
	size_t at = from;

	while (path[at] == '/')
		at++;
	while (path[at] != '\0' && (path[at] != '/' || path[at + 1] == '/' || path[at + 1] == '\0'))
		at++;
	return at;
}

/* The node of a tag, with all that are above it. */
static size_t node_for(struct tag_groups *groups, const char *path)
{
	size_t from = 0, parent = SIZE_MAX, node, depth = 0;

	for (;;) {
		size_t end =
			++depth < DEEPEST_TAG ? part_end(path, from) : from + strlen(path + from);
		size_t count = groups->groups.count;

		node = group_for(groups, &(struct group_key){path, end, NULL, 0});
		if (node == count) {
			groups->groups.items[node].parent = parent;
			groups->groups.items[node].label_from = from;
		}
		if (path[end] == '\0')
			return node;
		parent = node;
		from = end + 1;
	}
}

/* A function, so that the number is known, and all have their place, before it is looked up. */
static struct tag_group *group_at(const struct tag_groups *groups, size_t number)
{
	return &groups->groups.items[number];
}

static struct tag_group *group_of_tag(struct tag_groups *groups, const struct row_part *part)
{
	const struct segment_view *view = part->process->view;

	if (view == NULL)
		return group_at(groups, node_for(groups, ""));
	if (groups->process != part->process) {
		free(groups->nodes);
		groups->nodes = mem_calloc(view->tag_count + 1u, sizeof(*groups->nodes));
		groups->process = part->process;
	}
	if (groups->nodes[part->tag] == 0)
		groups->nodes[part->tag] = node_for(groups, view->tags[part->tag].path) + 1;
	return &groups->groups.items[groups->nodes[part->tag] - 1];
}

static void add_to(struct tag_groups *groups, struct tag_group *group, const struct row_part *part,
                   uint64_t devices)
{
	group->own_bytes += part->bytes * devices;
	group->own_held += part->held * devices;
	group->own_buffers += part->buffers * devices;
	group->inexact = group->inexact || !part->exact;
	groups->exact = groups->exact && part->exact;
	groups->bytes += part->bytes * devices;
	groups->buffers += part->buffers * devices;
}

static void found(void *arg, const struct row_part *part)
{
	struct tag_groups *groups = arg;
	struct group_key key = {.number = 0};

	switch (groups->look->ui->tags_by) {
	case TAGS_BY_TAG:
		add_to(groups, group_of_tag(groups, part), part, part->row_count);
		return;
	case TAGS_BY_KIND:
		key.number = part->kind;
		break;
	case TAGS_BY_PROCESS:
		key.process = part->process;
		break;
	case TAGS_BY_DEVICE:
		for (uint32_t i = 0; i < part->row_count; i++) {
			key.number = part->rows[i];
			add_to(groups, group_at(groups, group_for(groups, &key)), part, 1);
		}
		return;
	case TAGS_BY_AGE:
	case TAGS_BY_LIMIT:
		return;
	}
	add_to(groups, group_at(groups, group_for(groups, &key)), part, part->row_count);
}

/* Of single buffers; those without a time, or without a record, are what is left. */
static void add_ages(struct tag_groups *groups)
{
	const struct survey *survey = groups->look->reading->survey;

	for (uint32_t age = 0; survey != NULL && age < SURVEY_AGES; age++) {
		const struct survey_age_sum *sum = &survey->ages[age];
		struct tag_group *group = vec_add(&groups->groups);

		*group = (struct tag_group){.number = age,
		                            .parent = SIZE_MAX,
		                            .own_bytes = sum->total_bytes,
		                            .own_buffers = sum->device_buffers,
		                            .inexact = !survey->exact};
		groups->bytes += sum->total_bytes;
		groups->buffers += sum->device_buffers;
	}
	if (survey != NULL && survey->bytes > groups->bytes) {
		*vec_add(&groups->groups) = (struct tag_group){
			.number = SURVEY_AGES,
			.parent = SIZE_MAX,
			.own_bytes = survey->bytes - groups->bytes,
			.own_buffers = survey->device_buffers > groups->buffers
		                               ? survey->device_buffers - groups->buffers
		                               : 0,
			.inexact = !survey->exact};
		groups->bytes = survey->bytes;
		groups->buffers = survey->device_buffers;
	}
}

/* What a tag had at the mark, also where nothing of it is left now. */
static void add_mark(struct tag_groups *groups)
{
	const struct ui *ui = groups->look->ui;
	const struct filter *filter = &ui->filter;
	const struct sum *sum;

	groups->has_change = ui->mark.set && ui->tags_by == TAGS_BY_TAG &&
	                     filter->devices.count == 0 && filter->kinds.count == 0 &&
	                     filter->pids.count == 0 && filter->words.count == 0;
	if (!groups->has_change)
		return;
	vec_for (sum, &ui->mark.tags.sums)
		if (filter_has_tag(filter, sum->tag))
			group_at(groups, node_for(groups, sum->tag))->mark_bytes +=
				sum->total_bytes;
}

static int largest_first(const void *a, const void *b, void *context)
{
	const struct tag_groups *groups = context;
	const struct tag_group *x = &groups->groups.items[*(const size_t *)a];
	const struct tag_group *y = &groups->groups.items[*(const size_t *)b];
	size_t length = x->path_length < y->path_length ? x->path_length : y->path_length;
	int order;

	if (groups->look->ui->tags_by == TAGS_BY_AGE || groups->look->ui->tags_by == TAGS_BY_DEVICE)
		return x->number < y->number ? -1 : x->number > y->number;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	order = length != 0 ? memcmp(x->path, y->path, length) : 0;
	if (order != 0 || x->path_length != y->path_length)
		return order != 0 ? order : x->path_length < y->path_length ? -1 : 1;
	return *(const size_t *)a < *(const size_t *)b ? -1 : 1;
}

/* Parents are always before their children. */
static void add_up(struct tag_groups *groups)
{
	for (size_t i = 0; i < groups->groups.count; i++) {
		struct tag_group *group = &groups->groups.items[i];

		group->bytes = group->own_bytes;
		group->held = group->own_held;
		group->buffers = group->own_buffers;
	}
	for (size_t i = groups->groups.count; i-- > 0;) {
		const struct tag_group *group = &groups->groups.items[i];
		struct tag_group *parent;

		if (group->parent == SIZE_MAX)
			continue;
		parent = &groups->groups.items[group->parent];
		parent->bytes += group->bytes;
		parent->held += group->held;
		parent->buffers += group->buffers;
		parent->mark_bytes += group->mark_bytes;
		parent->inexact = parent->inexact || group->inexact;
	}
}

static void find_largest(struct tag_groups *groups)
{
	const struct tag_group *group;

	vec_for (group, &groups->groups)
		if (group->bytes > groups->largest)
			groups->largest = group->bytes;
}

static void link_children(struct tag_groups *groups)
{
	size_t count = groups->groups.count;
	size_t *order = mem_calloc(count + 1, sizeof(*order));

	for (size_t i = 0; i < count; i++) {
		order[i] = i;
		groups->groups.items[i].first_child = groups->groups.items[i].next = SIZE_MAX;
	}
	if (count > 1)
		qsort_r(order, count, sizeof(*order), largest_first, groups);
	groups->first = SIZE_MAX;
	for (size_t i = count; i-- > 0;) {
		struct tag_group *group = &groups->groups.items[order[i]];
		size_t *head = group->parent != SIZE_MAX
		                       ? &groups->groups.items[group->parent].first_child
		                       : &groups->first;

		group->next = *head;
		*head = order[i];
	}
	free(order);
}

void tag_groups_make(struct tag_groups *groups, const struct look *look)
{
	*groups = (struct tag_groups){
		.look = look, .by_key = {.same = same_group}, .first = SIZE_MAX, .exact = true};
	if (look->ui->tags_by == TAGS_BY_AGE)
		add_ages(groups);
	else
		row_walk(look, found, groups);
	add_mark(groups);
	add_up(groups);
	find_largest(groups);
	link_children(groups);
	free(groups->nodes);
	groups->nodes = NULL;
}

void tag_groups_finish(struct tag_groups *groups)
{
	vec_finish(&groups->groups);
	lookup_finish(&groups->by_key);
}

const char *age_words(enum survey_age age)
{
	static const char *const words[SURVEY_AGES + 1] = {
		[AGE_SECOND] = "up to 1 s",      [AGE_10_SECONDS] = "1 s to 10 s",
		[AGE_MINUTE] = "10 s to 1 min",  [AGE_10_MINUTES] = "1 min to 10 min",
		[AGE_HOUR] = "10 min to 1 h",    [AGE_DAY] = "1 h to 1 day",
		[AGE_OLDER] = "more than a day", [SURVEY_AGES] = "not known",
	};

	return words[(unsigned)age <= SURVEY_AGES ? (unsigned)age : SURVEY_AGES];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What has stayed since a mark, and of which steps of the program there is something left. */
#include "survey_internal.h"

#include <stdlib.h>
#include <string.h>

/* Sites alone can be as many as buffers are: from GROUPS_SITES on new groups have none, from
 * GROUPS_TAGS on no tag either. */
enum { GROUPS_SITES = 32768, GROUPS_TAGS = 65536, MARK_NAMES = 8, LEAST_STEPS = 3 };

struct group_key {
	uint32_t process, tag, kind, class_now;
	const char *site; /* in the pool */
};

static bool same_group(const void *elements, size_t position, const void *key)
{
	const struct growth_group *group = (const struct growth_group *)elements + position;
	const struct group_key *wanted = key;

	return group->process == wanted->process && group->tag == wanted->tag &&
	       group->out.kind == wanted->kind && group->out.class_now == wanted->class_now &&
	       (group->out.site == wanted->site || strcmp(group->out.site, wanted->site) == 0);
}

/* The name that most marks have, of equals the one that was first: steps are those, and not what
 * is marked now and then. */
static const char *step_name(const struct segment_view *view)
{
	const char *names[MARK_NAMES];
	size_t counts[MARK_NAMES] = {0}, known = 0, best = 0;

	for (uint32_t i = 0; i < view->mark_count; i++) {
		size_t n = 0;

		while (n < known && strcmp(names[n], view->marks[i].name) != 0)
			n++;
		if (n == MARK_NAMES)
			continue;
		names[n] = view->marks[i].name;
		known += n == known;
		counts[n]++;
	}
	for (size_t n = 1; n < known; n++)
		best = counts[n] > counts[best] ? n : best;
	return known != 0 ? names[best] : "";
}

void survey_growth_process(struct survey_pass *pass)
{
	const struct survey_request *request = pass->request;
	struct survey_now *now = &pass->now;
	const char *name = step_name(now->view);

	pass->growth.by_key.same = same_group;
	now->since_start = true;
	for (size_t i = 0; request->has_mark && i < request->since_count; i++)
		if (request->since[i].identity == now->view->identity) {
			now->since_start = false;
			now->since =
				(struct growth_since){request->since[i].op, request->since[i].time};
		}
	for (uint32_t i = now->view->mark_count; i > 0 && now->steps < SURVEY_STEPS; i--)
		if (strcmp(now->view->marks[i - 1].name, name) == 0)
			now->step_starts[now->steps++] = (struct growth_since){
				now->view->marks[i - 1].op, now->view->marks[i - 1].time};
	now->grows = request->has_mark || now->steps != 0;
}

static struct survey_growth *group_for(struct survey_pass *pass, struct group_key key)
{
	struct survey_groups *growth = &pass->growth;
	size_t count = growth->groups.count, at;
	uint64_t hash = hash_number((uint64_t)key.process << 32 | key.tag,
	                            (uint64_t)key.kind << 8 | key.class_now);
	struct growth_group *group;

	hash = hash_string(hash, key.site);
	at = count < GROUPS_SITES
	             ? lookup_place(&growth->by_key, growth->groups.items, &key, hash, count)
	             : lookup_find(&growth->by_key, growth->groups.items, &key, hash);
	if (at != SIZE_MAX && at < count)
		return &growth->groups.items[at].out;
	if (at == SIZE_MAX && key.site[0] != '\0') {
		key.site = "";
		return group_for(pass, key);
	}
	if (at == SIZE_MAX && count >= GROUPS_TAGS && key.tag != 0) {
		key.tag = 0;
		return group_for(pass, key);
	}
	if (at == SIZE_MAX)
		lookup_place(&growth->by_key, growth->groups.items, &key, hash, count);
	group = vec_add(&growth->groups);
	group->process = key.process;
	group->tag = key.tag;
	group->out.identity = pass->now.view->identity;
	group->out.pid = pass->now.process->pid;
	group->out.command = pass->now.process->command;
	group->out.kind = key.kind;
	group->out.class_now = (uint8_t)key.class_now;
	group->out.tag = survey_tag(pass, key.tag);
	group->out.site = key.site;
	group->out.steps = pass->now.steps;
	return &group->out;
}

/* A buffer that was moved has the op of that, and the time of its allocation. */
static bool came_after(const struct view_buffer *buffer, const struct growth_since *since)
{
	if (buffer->op <= since->op)
		return false;
	return since->time == 0 || buffer->time == 0 || (int64_t)(buffer->time - since->time) > 0;
}

bool survey_growth_has(const struct survey_pass *pass, const struct view_buffer *buffer)
{
	return (buffer->class_now == CLASS_USER || buffer->class_now == CLASS_CACHE) &&
	       (pass->now.since_start || came_after(buffer, &pass->now.since));
}

void survey_growth_add(struct survey_pass *pass, const struct survey_candidate *candidate)
{
	const struct survey_now *now = &pass->now;
	const struct view_buffer *buffer = candidate->buffer;
	bool stayed = pass->request->has_mark && survey_growth_has(pass, buffer);
	struct survey_growth *out;
	uint32_t step = 0;

	if (buffer->class_now == CLASS_SYSTEM)
		return;
	while (step < now->steps && !came_after(buffer, &now->step_starts[step]))
		step++;
	if (!stayed && step == now->steps)
		return;
	out = group_for(pass,
	                (struct group_key){now->number, buffer->tag, now->kinds[buffer->kind],
	                                   buffer->class_now, survey_site(pass, buffer->site)});
	if (step < now->steps)
		out->step_bytes[step] += candidate->total_bytes;
	if (!stayed)
		return;
	out->stayed_records++;
	out->stayed_device_buffers += candidate->devices;
	out->stayed_bytes += candidate->total_bytes;
	if (buffer->time_ns != 0 && (out->oldest_ns == 0 || buffer->time_ns < out->oldest_ns))
		out->oldest_ns = buffer->time_ns;
}

static uint64_t all_steps(const struct survey_growth *growth)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < growth->steps; i++)
		bytes += growth->step_bytes[i];
	return bytes;
}

static int largest_first(const void *a, const void *b)
{
	const struct survey_growth *x = a, *y = b;
	uint64_t x_steps = all_steps(x), y_steps = all_steps(y);
	int order;

	if (x->stayed_bytes != y->stayed_bytes)
		return x->stayed_bytes > y->stayed_bytes ? -1 : 1;
	if (x_steps != y_steps)
		return x_steps > y_steps ? -1 : 1;
	order = strcmp(x->tag, y->tag);
	order = order != 0 ? order : strcmp(x->site, y->site);
	if (order != 0)
		return order;
	if (x->identity != y->identity)
		return x->identity < y->identity ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (int)x->class_now - (int)y->class_now;
}

static bool grows_each_step(const struct survey_growth *growth)
{
	for (uint32_t i = 1; i < growth->steps; i++)
		if (growth->step_bytes[i] == 0)
			return false;
	return growth->steps >= LEAST_STEPS;
}

void survey_growth_finish(struct survey_pass *pass, struct string_pool *kept)
{
	const struct growth_group *group;
	struct survey *survey = pass->survey;

	vec_for (group, &pass->growth.groups) {
		struct survey_growth *out = vec_add(&survey->growth);

		*out = group->out;
		out->tag = string_pool_keep(kept, out->tag);
		out->site = string_pool_keep(kept, out->site);
		out->command = string_pool_keep(kept, out->command);
		out->grows_each_step = grows_each_step(out);
	}
	if (survey->growth.count > 1)
		qsort(survey->growth.items, survey->growth.count, sizeof(*survey->growth.items),
		      largest_first);
	vec_finish(&pass->growth.groups);
	lookup_finish(&pass->growth.by_key);
}

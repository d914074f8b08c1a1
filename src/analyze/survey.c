/* SPDX-License-Identifier: Apache-2.0 */
#include "cores.h"
#include "meshtally.h"
#include "survey_internal.h"
#include "tag_match.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POOL_LEAST = 4 << 20 };

static const uint64_t age_limits_ns[SURVEY_AGES - 1] = {
	[AGE_SECOND] = UINT64_C(1000000000),  [AGE_10_SECONDS] = UINT64_C(10000000000),
	[AGE_MINUTE] = UINT64_C(60000000000), [AGE_10_MINUTES] = UINT64_C(600000000000),
	[AGE_HOUR] = UINT64_C(3600000000000), [AGE_DAY] = UINT64_C(86400000000000),
};

static uint64_t cpu_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Names are alternatives: of several, those that nothing has do no harm. */
static void select_names(struct survey_pass *pass)
{
	const struct survey_request *request = pass->request;
	struct selection *selection = &pass->selection;
	char reason[SELECTION_REASON];
	size_t devices = 0, kinds = 0;

	selection->pids = request->pids;
	selection->pid_count = request->pid_count;
	selection->all_kinds = request->kind_count == 0;
	if (request->device_count != 0)
		selection->devices = mem_calloc(pass->machine->devices.count, sizeof(bool));
	for (size_t i = 0; i < request->device_count; i++) {
		uint32_t row;

		if (selection_device(pass->machine, request->devices[i], &row, &reason) != 0)
			continue;
		selection->devices[row] = true;
		devices++;
	}
	for (size_t i = 0; i < request->kind_count; i++) {
		uint32_t kind = machine_kind(pass->machine, request->kinds[i]);

		if (kind == UINT32_MAX)
			continue;
		selection->kinds[kind] = true;
		kinds++;
	}
	pass->nothing = (request->device_count != 0 && devices == 0) ||
	                (request->kind_count != 0 && kinds == 0);
}

/* Ages as times of birth, so that nothing is subtracted for each buffer. */
static void set_ages(struct survey_pass *pass)
{
	const struct survey_filter *filter = &pass->request->filter;
	uint64_t now = pass->now_ns;

	for (size_t i = 0; i < SURVEY_AGES - 1; i++)
		pass->ages_ns[i] = now > age_limits_ns[i] ? now - age_limits_ns[i] : 0;
	pass->asks_age = filter->least_age_ns != 0 || filter->most_age_ns != 0;
	pass->latest_ns = filter->least_age_ns == 0    ? UINT64_MAX
	                  : now > filter->least_age_ns ? now - filter->least_age_ns
	                                               : 0;
	pass->earliest_ns = filter->most_age_ns != 0 && now > filter->most_age_ns
	                            ? now - filter->most_age_ns
	                            : 1;
}

struct survey_pass *survey_begin(const struct machine *machine,
                                 const struct survey_request *request, uint64_t now_ns)
{
	struct survey_pass *pass = mem_calloc(1, sizeof(*pass));
	const struct machine_process *process;

	pass->cpu_ns = cpu_now_ns();
	pass->machine = machine;
	pass->request = request;
	pass->now_ns = now_ns;
	pass->list.order = request->order;
	pass->pool_limit = POOL_LEAST;
	pass->survey = mem_calloc(1, sizeof(*pass->survey));
	pass->survey->refs = 1;
	pass->survey->exact = true;
	pass->survey->realtime_ns = now_ns;
	pass->survey->has_mark = request->has_mark;
	for (size_t i = 0; i < machine->devices.count; i++)
		*vec_add(&pass->survey->lowest_l1) = UINT64_MAX;
	string_pool_init(&pass->pool);
	select_names(pass);
	set_ages(pass);
	survey_map_begin(pass);
	pass->survey->focus_row = pass->focus_row;
	vec_for (process, &machine->processes) {
		pass->cores = pass->cores || (process->view != NULL && process->counted &&
		                              !process->dead && cores_in_use(process->view));
		if (process->view == NULL && !pass->nothing &&
		    listing_wants(&pass->selection, process, request->dead))
			pass->survey->exact = false;
	}
	return pass;
}

static bool is_listed(const struct survey_pass *pass, const struct machine_process *process)
{
	return !pass->nothing && process->view != NULL &&
	       listing_wants(&pass->selection, process, pass->request->dead);
}

static bool has_row(const struct machine_process *process, uint32_t row)
{
	for (uint32_t d = 0; row != UINT32_MAX && d < process->view->device_count; d++)
		if (process->rows[d] == row)
			return true;
	return false;
}

/* Whether its L1 buffers bound the headroom of some device. */
static bool bounds_cores(const struct survey_pass *pass, const struct machine_process *process)
{
	return pass->cores && !process->dead && process->view->kind_count > MT_L1 &&
	       figure_buffers(&process->figures[process->kinds[MT_L1]]) != 0;
}

bool survey_wants(const struct survey_pass *pass, const struct machine_process *process)
{
	if (process->view == NULL)
		return false;
	return is_listed(pass, process) ||
	       (process->counted &&
	        (has_row(process, pass->focus_row) || bounds_cores(pass, process)));
}

/* --- what can be known before the buffers --------------------------------------------------- */

/* The row of a device of the newer view; those that the older one did not have yet are in none. */
static uint32_t row_of(const struct survey_now *now, uint32_t device)
{
	return device < now->view->device_count && device < now->process->view->device_count
	               ? now->process->rows[device]
	               : UINT32_MAX;
}

static void fill_space(struct survey_pass *pass, struct survey_space *space,
                       const struct view_space *from)
{
	struct space_members *selected = &space->selected;

	space->open = from->state == SPACE_OPEN || from->state == SPACE_READY;
	space->lowest_l1 = UINT64_MAX;
	space->focus_member = selected->first_row = UINT32_MAX;
	for (uint32_t m = 0; m < from->member_count; m++) {
		uint32_t row = row_of(&pass->now, from->members[m]);

		space->rows[m] = row;
		if (row == UINT32_MAX)
			continue;
		if (row == pass->focus_row && space->focus_member == UINT32_MAX)
			space->focus_member = m;
		if (!selection_has_device(&pass->selection, row))
			continue;
		selected->members[selected->count] = m;
		selected->rows[selected->count++] = row;
		if (row < selected->first_row)
			selected->first_row = row;
	}
}

static void fill_spaces(struct survey_pass *pass)
{
	struct survey_now *now = &pass->now;
	size_t members = 0;
	uint32_t *at;

	for (uint32_t i = 0; i < now->view->space_count; i++)
		members += now->view->spaces[i].member_count;
	now->spaces = mem_calloc(now->view->space_count, sizeof(*now->spaces));
	now->members = at = mem_calloc(members, 3 * sizeof(*at));
	for (uint32_t i = 0; i < now->view->space_count; i++) {
		const struct view_space *from = &now->view->spaces[i];

		now->spaces[i].selected.members = at;
		now->spaces[i].selected.rows = at + from->member_count;
		now->spaces[i].rows = at + 2 * (size_t)from->member_count;
		now->spaces[i].member_count = from->member_count;
		at += 3 * (size_t)from->member_count;
		fill_space(pass, &now->spaces[i], from);
	}
}

static void fill_kinds(struct survey_pass *pass)
{
	struct survey_now *now = &pass->now;
	struct map_memory *memory;

	now->kind_count = now->view->kind_count < now->process->view->kind_count
	                          ? now->view->kind_count
	                          : now->process->view->kind_count;
	for (uint32_t k = 0; k < now->kind_count; k++) {
		now->kinds[k] = now->process->kinds[k];
		now->kind_listed[k] = selection_has_kind(&pass->selection, now->kinds[k]);
		vec_for (memory, &pass->memories)
			if (memory->kind == now->kinds[k] && now->process->counted)
				now->memories[k] = memory;
	}
}

static uint8_t verdict_on(const struct survey_pass *pass, const char *tag)
{
	const struct survey_filter *filter = &pass->request->filter;
	bool fits = filter->tag_count == 0;

	for (size_t i = 0; i < filter->tag_count && !fits; i++)
		fits = tag_matches(filter->tags[i], tag);
	if (!fits)
		return TAG_NO;
	for (size_t i = 0; i < filter->word_count; i++)
		if (!pass->now.word_done[i] && !text_has_word(tag, filter->words[i]))
			return TAG_ASK_SITE;
	return TAG_YES;
}

static void fill_verdicts(struct survey_pass *pass)
{
	const struct survey_filter *filter = &pass->request->filter;
	struct survey_now *now = &pass->now;

	now->tags = mem_calloc(now->view->tag_count, sizeof(*now->tags));
	if (filter->tag_count == 0 && filter->word_count == 0)
		return;
	now->word_done = mem_calloc(filter->word_count, sizeof(*now->word_done));
	for (size_t i = 0; i < filter->word_count; i++)
		now->word_done[i] = text_has_word(now->process->command, filter->words[i]);
	now->verdicts = mem_calloc(now->view->tag_count, sizeof(*now->verdicts));
	for (uint32_t i = 0; i < now->view->tag_count; i++)
		now->verdicts[i] = verdict_on(pass, now->view->tags[i].path);
}

/* The lowest address per space becomes that of its devices. */
static void settle_lowest(struct survey_pass *pass)
{
	const struct survey_space *spaces = pass->now.spaces;

	for (uint32_t i = 0; i < pass->now.space_count; i++)
		for (uint32_t m = 0;
		     spaces[i].lowest_l1 != UINT64_MAX && m < spaces[i].member_count; m++) {
			uint64_t *lowest;

			if (spaces[i].rows[m] == UINT32_MAX)
				continue;
			lowest = &pass->survey->lowest_l1.items[spaces[i].rows[m]];
			*lowest = spaces[i].lowest_l1 < *lowest ? spaces[i].lowest_l1 : *lowest;
		}
}

static void leave_process(struct survey_pass *pass)
{
	settle_lowest(pass);
	free(pass->now.spaces);
	free(pass->now.members);
	free(pass->now.verdicts);
	free(pass->now.tags);
	free(pass->now.word_done);
	memset(&pass->now, 0, sizeof(pass->now));
	memset(pass->sites, 0, sizeof(pass->sites));
}

void survey_process(struct survey_pass *pass, const struct machine_process *process,
                    const struct segment_view *view)
{
	struct survey *survey = pass->survey;
	struct survey_now *now = &pass->now;

	leave_process(pass);
	now->process = process;
	now->view = view;
	now->number = pass->processes++;
	now->listed = is_listed(pass, process);
	now->bounds = process->counted && !process->dead;
	now->space_count = view->space_count;
	now->tag_count = view->tag_count;
	fill_spaces(pass);
	fill_kinds(pass);
	fill_verdicts(pass);
	survey_growth_process(pass);
	if (!now->listed)
		return;
	survey->exact = survey->exact && view->exact && (view->state & SEGMENT_STATE_INEXACT) == 0;
	survey->no_detail += view->no_detail_buffers;
}

/* --- a buffer ------------------------------------------------------------------------------- */

const char *survey_tag(struct survey_pass *pass, uint32_t tag)
{
	if (pass->now.tags[tag] == NULL)
		pass->now.tags[tag] = string_pool_keep(&pass->pool, pass->now.view->tags[tag].path);
	return pass->now.tags[tag];
}

const char *survey_site(struct survey_pass *pass, const char *site)
{
	size_t at = ((uintptr_t)site >> 3) % SITE_CACHE;

	if (pass->sites[at].site == site && strcmp(pass->sites[at].kept, site) == 0)
		return pass->sites[at].kept;
	pass->sites[at].site = site;
	return pass->sites[at].kept = string_pool_keep(&pass->pool, site);
}

/* Strings of lines that were pushed out are still in the pool. Once they may be most of it, those
 * in use move to a new one. */
static void renew_pool(struct survey_pass *pass)
{
	struct string_pool pool;
	struct survey_line *line;
	struct growth_group *group;

	string_pool_init(&pool);
	vec_for (line, &pass->list.lines) {
		line->out.tag = string_pool_keep(&pool, line->out.tag);
		line->out.site = string_pool_keep(&pool, line->out.site);
	}
	vec_for (group, &pass->growth.groups) {
		group->out.tag = string_pool_keep(&pool, group->out.tag);
		group->out.site = string_pool_keep(&pool, group->out.site);
	}
	memset(pass->sites, 0, sizeof(pass->sites));
	if (pass->now.tag_count != 0)
		memset(pass->now.tags, 0, pass->now.tag_count * sizeof(*pass->now.tags));
	string_pool_finish(&pass->pool);
	pass->pool = pool;
	pass->pool_limit = pool.bytes * 2 > POOL_LEAST ? pool.bytes * 2 : POOL_LEAST;
}

static bool has_words(const struct survey_pass *pass, const struct view_buffer *buffer)
{
	const struct survey_filter *filter = &pass->request->filter;
	const char *tag = pass->now.view->tags[buffer->tag].path;

	for (size_t i = 0; i < filter->word_count; i++)
		if (!pass->now.word_done[i] && !text_has_word(tag, filter->words[i]) &&
		    !text_has_word(buffer->site, filter->words[i]))
			return false;
	return true;
}

static bool passes(const struct survey_pass *pass, const struct view_buffer *buffer)
{
	const struct survey_filter *filter = &pass->request->filter;

	if (buffer->bytes < filter->least_bytes ||
	    (filter->most_bytes != 0 && buffer->bytes > filter->most_bytes))
		return false;
	/* Of what has no time the age is not known. */
	if (pass->asks_age &&
	    (buffer->time_ns < pass->earliest_ns || buffer->time_ns > pass->latest_ns))
		return false;
	if (pass->now.verdicts == NULL || pass->now.verdicts[buffer->tag] == TAG_YES)
		return true;
	return pass->now.verdicts[buffer->tag] == TAG_ASK_SITE && has_words(pass, buffer);
}

static bool is_on_focus(const struct survey_space *space, const struct view_buffer *buffer)
{
	return space->focus_member != UINT32_MAX &&
	       (buffer->member_bytes == NULL || buffer->member_bytes[space->focus_member] != 0);
}

/* What does not depend on who is selected: the map, and the lowest of L1. */
static void add_memory(struct survey_pass *pass, struct survey_space *space,
                       const struct view_buffer *buffer)
{
	struct map_memory *memory = pass->now.memories[buffer->kind];

	if (buffer->kind == MT_L1 && pass->now.bounds && space->open && !buffer->incomplete &&
	    buffer->address < space->lowest_l1)
		space->lowest_l1 = buffer->address;
	if (memory != NULL && buffer->span != 0 && is_on_focus(space, buffer))
		holes_add(&memory->extents, &memory->memory, buffer);
}

static void count(struct survey_pass *pass, const struct survey_candidate *candidate)
{
	struct survey *survey = pass->survey;
	uint64_t born_ns = candidate->buffer->time_ns;
	struct survey_age_sum *age;
	unsigned at = 0;

	survey->records++;
	survey->device_buffers += candidate->devices;
	survey->bytes += candidate->total_bytes;
	if (pass->now.grows)
		survey_growth_add(pass, candidate);
	if (born_ns == 0)
		return;
	for (size_t i = 0; i < SURVEY_AGES - 1; i++)
		at += born_ns < pass->ages_ns[i];
	age = &survey->ages[at];
	age->records++;
	age->device_buffers += candidate->devices;
	age->total_bytes += candidate->total_bytes;
}

void survey_add(struct survey_pass *pass, const struct view_buffer *buffer)
{
	const struct survey_now *now = &pass->now;
	struct survey_candidate candidate = {.buffer = buffer};
	struct survey_space *space;
	bool counted = buffer->class_now < CLASS_COUNTED_LIMIT;

	if (buffer->closed || buffer->space >= now->space_count ||
	    buffer->kind >= now->kind_count || buffer->tag >= now->tag_count)
		return;
	space = &now->spaces[buffer->space];
	if (counted)
		add_memory(pass, space, buffer);
	if (!now->listed || space->selected.count == 0 || !now->kind_listed[buffer->kind] ||
	    !passes(pass, buffer))
		return;
	if (pass->request->lists && pass->request->has_focus && !is_on_focus(space, buffer))
		return;
	candidate.space = space;
	candidate.total_bytes = buffer_total_bytes(buffer, &space->selected, &candidate.devices);
	if (candidate.devices == 0 && buffer->bytes != 0)
		return;
	if (counted)
		count(pass, &candidate);
	if (pass->request->lists && (!pass->request->has_mark || survey_growth_has(pass, buffer)))
		survey_list_offer(pass, &candidate);
	if (pass->pool.bytes > pass->pool_limit)
		renew_pool(pass);
}

void survey_inexact(struct survey_pass *pass, uint64_t events)
{
	pass->survey->exact = pass->survey->exact && events == 0;
	pass->survey->off_by_events += events;
}

struct survey *survey_end(struct survey_pass *pass)
{
	struct survey *survey = pass->survey;
	struct string_pool kept;

	leave_process(pass);
	string_pool_init(&kept);
	survey_list_finish(pass, &kept);
	survey_growth_finish(pass, &kept);
	survey_map_finish(pass);
	survey->arena = string_pool_leave(&kept);
	string_pool_finish(&pass->pool);
	selection_finish(&pass->selection);
	survey->cost_ns = cpu_now_ns() - pass->cpu_ns;
	free(pass);
	return survey;
}

struct survey *survey_hold(struct survey *survey)
{
	__atomic_add_fetch(&survey->refs, 1, __ATOMIC_RELAXED);
	return survey;
}

void survey_release(struct survey *survey)
{
	/* The last one sees all that the others did. */
	if (survey == NULL || __atomic_sub_fetch(&survey->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	vec_finish(&survey->list);
	vec_finish(&survey->maps);
	vec_finish(&survey->growth);
	vec_finish(&survey->lowest_l1);
	arena_destroy(survey->arena);
	free(survey);
}

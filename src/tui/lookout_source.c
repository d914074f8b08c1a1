/* SPDX-License-Identifier: Apache-2.0 */
#include "lookout_source.h"

#include "scene_cache.h"
#include "tui_clock.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

#define UNTRACKED_GAP_NS      (5 * UINT64_C(1000000000))
#define UNTRACKED_LONG_GAP_NS (120 * UINT64_C(1000000000))

static void nothing_loaded(void *arg, const struct segment_view *view)
{
	(void)arg;
	(void)view;
}

static bool is_dismissed(const struct lookout_source *source, uint64_t identity)
{
	for (size_t i = 0; i < source->dismissed.count; i++)
		if (source->dismissed.items[i] == identity)
			return true;
	return false;
}

static void drop_kept(struct lookout_source *source, size_t number)
{
	segment_view_destroy(source->kept.items[number]);
	memmove(source->kept.items + number, source->kept.items + number + 1,
	        (--source->kept.count - number) * sizeof(struct segment_view *));
}

static bool is_shared(const struct lookout_source *source, const struct segment_view *view)
{
	const struct source_seen *seen;

	vec_for (seen, &source->seen)
		if (seen->view == view)
			return true;
	return false;
}

/* A program that ends takes its segment away while it still lives for a moment: it has ended, if it
 * says so. One that goes on and has lost its file is never heard of again, so that nothing true
 * could be said of it. */
static bool settle_life(const struct lookout_source *source, struct segment_view *last)
{
	enum { ENDS = SEGMENT_STATE_EXITING | SEGMENT_STATE_DEAD | SEGMENT_STATE_STOPPED };

	if (last->life != LIFE_ALIVE)
		return true;
	if ((last->state & ENDS) == 0 || is_shared(source, last))
		return false;
	last->life = last->state & SEGMENT_STATE_STOPPED ? LIFE_STOPPED : LIFE_ENDED;
	return true;
}

/* The hook's view is the cache's, which lets go of it: another reference stays. It was read for
 * this last look, so that nobody else has it yet. */
static void keep_gone(void *arg, const struct segment_view *last)
{
	struct lookout_source *source = arg;

	if (is_dismissed(source, last->identity) ||
	    !settle_life(source, (struct segment_view *)last))
		return;
	if (source->kept.count == SOURCE_KEPT_LIMIT)
		drop_kept(source, 0);
	*vec_add(&source->kept) = segment_view_hold((struct segment_view *)last);
}

static bool same_identity(const void *elements, size_t position, const void *key)
{
	return ((const struct source_seen *)elements)[position].identity == *(const uint64_t *)key;
}

/* In a file it is when it was written, for ever. */
static uint64_t written_ns(const struct scene *scene)
{
	uint64_t written_ns = 0;

	for (size_t i = 0; i < scene->views.count; i++)
		if (scene->views.items[i]->read_ns > written_ns)
			written_ns = scene->views.items[i]->read_ns;
	return written_ns != 0 ? written_ns : scene->now_ns;
}

static int open_file(struct lookout_source *source, struct text *error)
{
	const struct scene_request request = {.depth = VIEW_BUFFERS, .from = source->from};
	struct scene scene;
	int result = scene_read(&scene, &request, error);

	for (size_t i = 0; i < scene.views.count && result >= 0; i++)
		*vec_add(&source->file) = segment_view_hold(scene.views.items[i]);
	source->file_now_ns = written_ns(&scene);
	scene_close(&scene);
	return result;
}

int lookout_source_open(struct lookout_source *source, const char *from, struct text *error)
{
	const struct scene_cache_hooks hooks = {nothing_loaded, keep_gone, source};

	*source = (struct lookout_source){.from = from, .by_identity.same = same_identity};
	if (from != NULL)
		return open_file(source, error);
	source->cache = scene_cache_create(&hooks);
	return 0;
}

static void forget_seen(struct lookout_source *source)
{
	struct source_seen *seen;

	vec_for (seen, &source->seen)
		segment_view_destroy(seen->view);
	vec_finish(&source->seen);
	lookup_finish(&source->by_identity);
	source->by_identity.same = same_identity;
}

void lookout_source_close(struct lookout_source *source)
{
	reading_destroy(source->first);
	scene_cache_destroy(source->cache);
	forget_seen(source);
	facts_memory_finish(&source->facts);
	while (source->kept.count != 0)
		drop_kept(source, source->kept.count - 1);
	for (size_t i = 0; i < source->file.count; i++)
		segment_view_destroy(source->file.items[i]);
	vec_finish(&source->kept);
	vec_finish(&source->file);
	vec_finish(&source->dismissed);
	untracked_finish(&source->untracked);
}

void source_dismiss(struct lookout_source *source, uint64_t identity)
{
	for (size_t i = source->kept.count; i-- > 0;)
		if (source->kept.items[i]->identity == identity)
			drop_kept(source, i);
	if (!is_dismissed(source, identity))
		*vec_add(&source->dismissed) = identity;
}

static void add_view(struct scene *scene, struct segment_view *view)
{
	*vec_add(&scene->views) = segment_view_hold(view);
}

/* A process that is dismissed and lives after all, as one whose pid was seen wrong, is shown. */
static bool is_left_out(const struct lookout_source *source, const struct segment_view *view)
{
	return view->life != LIFE_ALIVE && is_dismissed(source, view->identity);
}

static void read_live(struct lookout_source *source, struct scene *scene)
{
	size_t kept = 0;

	scene->dir_count = segment_dirs(scene->dirs, SCENE_MAX_DIRS);
	scene_cache_read(source->cache, scene);
	for (size_t i = 0; i < scene->views.count; i++) {
		struct segment_view *view = scene->views.items[i];

		if (is_left_out(source, view))
			segment_view_destroy(view);
		else
			scene->views.items[kept++] = view;
	}
	scene->views.count = kept;
	for (size_t i = 0; i < source->kept.count; i++)
		add_view(scene, source->kept.items[i]);
	tt_counters_scan(tt_counters_dir(), &scene->counters);
	scene->now_ns = units_now_ns();
}

static void read_file(struct lookout_source *source, struct scene *scene)
{
	for (size_t i = 0; i < source->file.count; i++)
		add_view(scene, source->file.items[i]);
	scene->now_ns = source->file_now_ns;
}

static struct source_seen count_events(const struct segment_view *view, uint64_t now_ns)
{
	struct source_seen seen = {.identity = view->identity, .op = view->op};

	seen.view = segment_view_hold((struct segment_view *)view);
	seen.last_ns = view->last_ns < now_ns ? view->last_ns : now_ns;
	for (uint32_t i = 0; i < view->row_count; i++) {
		seen.allocs += view->rows[i].allocs;
		seen.frees += view->rows[i].frees;
		seen.records += view->rows[i].buffers;
	}
	return seen;
}

static double per_second(uint64_t before, uint64_t now, uint64_t ns)
{
	return now > before && ns != 0 ? (double)(now - before) * 1e9 / (double)ns : 0;
}

/* What the process has done. A view that is as before says nothing new. */
static struct source_seen look_at(const struct lookout_source *source,
                                  const struct segment_view *view, uint64_t now_ns,
                                  const struct source_seen **ret_before)
{
	size_t at = lookup_find(&source->by_identity, source->seen.items, &view->identity,
	                        hash_number(0, view->identity));
	const struct source_seen *before = at != SIZE_MAX ? &source->seen.items[at] : NULL;

	*ret_before = before;
	if (before == NULL || before->view != view)
		return count_events(view, now_ns);
	segment_view_hold(before->view);
	return *before;
}

/* What it did since the reading before. */
static struct source_seen compare(const struct lookout_source *source,
                                  const struct machine_process *process, uint64_t passed_ns,
                                  struct reading *reading, struct process_rates *rates)
{
	const struct source_seen *before;
	struct source_seen now = look_at(source, process->view, reading->scene.now_ns, &before);

	if (!process->dead && now.last_ns > reading->last_event_ns)
		reading->last_event_ns = now.last_ns;
	if (before == NULL || source->from != NULL)
		return now;
	rates->known = true;
	rates->allocs = per_second(before->allocs, now.allocs, passed_ns);
	rates->frees = per_second(before->frees, now.frees, passed_ns);
	if (!process->dead && now.op > before->op)
		reading->events += now.op - before->op;
	return now;
}

static void add_rates(struct lookout_source *source, struct reading *reading)
{
	const struct machine *machine = &reading->scene.machine;
	uint64_t passed_ns = reading->monotonic_ns - source->seen_ns;
	struct source_seen *now = mem_calloc(machine->processes.count, sizeof(*now));
	size_t count = 0;

	reading->rates = mem_calloc(machine->processes.count, sizeof(*reading->rates));
	for (size_t i = 0; i < machine->processes.count; i++) {
		const struct machine_process *process = &machine->processes.items[i];

		if (process->view == NULL)
			continue;
		now[count++] = compare(source, process, passed_ns, reading, &reading->rates[i]);
	}
	forget_seen(source);
	for (size_t i = 0; i < count; i++) {
		size_t at = lookup_place(&source->by_identity, source->seen.items, &now[i].identity,
		                         hash_number(0, now[i].identity), source->seen.count);

		if (at == source->seen.count)
			*vec_add(&source->seen) = now[i];
		else
			segment_view_destroy(now[i].view);
	}
	free(now);
	source->seen_ns = reading->monotonic_ns;
}

/* Comparing all buffers is dear, and comes out the same each time: what was found at first is said
 * again of the processes of this reading, which have the same numbers. */
static void find_in_file(struct lookout_source *source, struct reading *reading)
{
	const struct machine *first, *now = &reading->scene.machine;
	const struct finding *finding;

	if (source->first == NULL) {
		findings_find(&reading->findings, now, &reading->scene.selection);
		source->first = reading_hold(reading);
		return;
	}
	first = &source->first->scene.machine;
	reading->findings.more = source->first->findings.more;
	vec_for (finding, &source->first->findings.findings) {
		struct finding *copy = vec_add(&reading->findings.findings);

		*copy = *finding;
		copy->on = mem_calloc(now->devices.count, 1);
		memcpy(copy->on, finding->on, now->devices.count);
		if (finding->process != NULL)
			copy->process =
				now->processes.items + (finding->process - first->processes.items);
		if (finding->other_process != NULL)
			copy->other_process = now->processes.items +
			                      (finding->other_process - first->processes.items);
	}
}

/* Looking at every process of the machine costs: often only where nothing else is seen. */
static void add_untracked(struct lookout_source *source, struct reading *reading)
{
	bool is_empty = reading->scene.machine.processes.count == 0;
	uint64_t gap_ns = is_empty ? UNTRACKED_GAP_NS : UNTRACKED_LONG_GAP_NS;
	const struct untracked_program *program;

	if (source->untracked_ns == 0 || reading->monotonic_ns - source->untracked_ns >= gap_ns) {
		untracked_finish(&source->untracked);
		untracked_find(&source->untracked, &reading->scene);
		source->untracked_ns = reading->monotonic_ns;
	}
	vec_for (program, &source->untracked.programs)
		*vec_add(&reading->untracked.programs) = *program;
	reading->untracked.hidden = source->untracked.hidden;
}

/* Of all that is shown as totals: counters tell of no events. */
static uint64_t hash_figures(const struct reading *reading)
{
	const struct machine *machine = &reading->scene.machine;
	uint64_t hash = hash_number(source_signature(reading), machine->processes.count);
	const struct machine_device *device;

	vec_for (device, &machine->devices)
		for (uint32_t kind = 0; kind < machine->kind_count; kind++)
			hash = hash_number(hash, device->figures[kind].held);
	return hash;
}

/* As far as segments tell it; counters do not. */
static uint64_t last_change(const struct reading *reading)
{
	const struct machine_process *process;
	uint64_t last_ns = 0;

	vec_for (process, &reading->scene.machine.processes) {
		const struct segment_view *view = process->view;
		uint64_t end_ns = view != NULL ? view->end.realtime_ns : reading->scene.now_ns;

		last_ns = end_ns > last_ns ? end_ns : last_ns;
		if (view != NULL && view->last_ns > last_ns)
			last_ns = view->last_ns;
	}
	return last_ns != 0 && last_ns < reading->scene.now_ns ? last_ns : reading->scene.now_ns;
}

static void note_change(struct lookout_source *source, struct reading *reading)
{
	uint64_t hash = hash_figures(reading);

	if (source->changed_ns == 0)
		source->changed_ns = last_change(reading);
	else if (hash != source->figures_hash)
		source->changed_ns = reading->scene.now_ns;
	source->figures_hash = hash;
	reading->changed_ns = source->changed_ns;
}

struct reading *lookout_source_read(struct lookout_source *source)
{
	struct reading *reading = mem_calloc(1, sizeof(*reading));
	struct scene *scene = &reading->scene;
	struct machine_input input;

	reading->refs = 1;
	reading->from = scene->from = source->from;
	if (source->from != NULL)
		read_file(source, scene);
	else
		read_live(source, scene);
	input = (struct machine_input){scene->views.items, scene->views.count, &scene->counters,
	                               source->from != NULL};
	machine_build(&scene->machine, &input);
	scene->selection.all_kinds = true;
	reading->monotonic_ns = tui_monotonic_ns();
	add_rates(source, reading);
	note_change(source, reading);
	if (source->from == NULL)
		reading->facts = process_facts_read(&source->facts, &scene->machine);
	if (source->from == NULL)
		add_untracked(source, reading);
	else
		find_in_file(source, reading);
	return reading;
}

uint64_t source_signature(const struct reading *reading)
{
	uint64_t hash = reading->scene.views.count;

	for (size_t i = 0; i < reading->scene.views.count; i++) {
		const struct segment_view *view = reading->scene.views.items[i];

		hash = hash_number(hash_number(hash, view->identity), view->op);
		hash = hash_number(hash, (uint64_t)view->life);
	}
	return hash;
}

uint64_t source_records(const struct lookout_source *source)
{
	const struct source_seen *seen;
	uint64_t records = 0;

	vec_for (seen, &source->seen)
		records += seen->records;
	return records;
}

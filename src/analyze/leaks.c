/* SPDX-License-Identifier: Apache-2.0 */
#include "leaks.h"

#include "lookup.h"

#include <stdlib.h>
#include <string.h>

const char *const verdict_words[VERDICT_LIMIT] = {"leaked", "lost",   "killed",
                                                  "cache",  "system", "open"};

/* Of the user's buffers in a space that is open. */
static enum verdict verdict_of_life(const struct segment_view *view)
{
	switch (view->life) {
	case LIFE_ENDED:
		/* What was closed before the end is not told over a socket. */
		return view->is_proxy ? VERDICT_OPEN : VERDICT_LEAKED;
	case LIFE_KILLED:
		return VERDICT_KILLED;
	case LIFE_EXEC:
	case LIFE_STOPPED:
		return VERDICT_OPEN;
	case LIFE_ALIVE:
	case LIFE_IMAGE:
		break;
	}
	return VERDICT_LIMIT;
}

enum verdict leak_verdict(const struct segment_view *view, const struct view_buffer *buffer)
{
	const struct view_space *space = &view->spaces[buffer->space];
	enum verdict verdict = verdict_of_life(view);

	if (buffer->class_now >= CLASS_COUNTED_LIMIT)
		return VERDICT_LIMIT;
	if (space->state == SPACE_LOST)
		verdict = VERDICT_LOST;
	else if (space->state == SPACE_CLOSED || buffer->closed)
		verdict = VERDICT_LEAKED;
	if (verdict == VERDICT_LIMIT || buffer->class_now == CLASS_USER)
		return verdict;
	return buffer->class_now == CLASS_CACHE ? VERDICT_CACHE : VERDICT_SYSTEM;
}

static bool same_leak(const void *elements, size_t position, const void *key)
{
	const struct leak *a = (const struct leak *)elements + position, *b = key;

	return a->process == b->process && a->verdict == b->verdict && a->kind == b->kind &&
	       a->bytes == b->bytes && strcmp(a->tag, b->tag) == 0 && strcmp(a->site, b->site) == 0;
}

static struct leak *leak_for(struct leaks *leaks, struct lookup *lookup, const struct leak *key)
{
	uint64_t hash = hash_string(hash_number(key->bytes, key->kind), key->tag);
	size_t at;

	hash = hash_string(hash_number(hash, key->verdict), key->site);
	hash = hash_number(hash, (uintptr_t)key->process);
	at = lookup_place(lookup, leaks->leaks.items, key, hash, leaks->leaks.count);
	if (at == leaks->leaks.count) {
		struct leak *leak = vec_add(&leaks->leaks);

		*leak = *key;
		leak->on = mem_calloc(leaks->device_count, 1);
	}
	return &leaks->leaks.items[at];
}

static void add_to_devices(struct leaks *leaks, const struct machine *machine, struct leak *leak,
                           const struct view_buffer *buffer, const struct space_members *space)
{
	uint64_t **bytes = &leaks->device_bytes[leak->verdict];

	if (*bytes == NULL)
		*bytes = mem_calloc(machine->kind_count * leaks->device_count, sizeof(**bytes));
	for (uint32_t n = 0; n < space->count; n++) {
		uint64_t here = buffer_bytes_on(buffer, space, n);

		(*bytes)[leak->kind * leaks->device_count + space->rows[n]] += here;
		if (here != 0 || buffer->member_bytes == NULL)
			leak->on[space->rows[n]] = 1;
	}
}

static void add_buffer(struct leaks *leaks, const struct machine *machine, struct lookup *lookup,
                       const struct machine_process *process, const struct view_buffer *buffer,
                       const struct space_members *space)
{
	struct leak key = {.process = process, .verdict = leak_verdict(process->view, buffer)};
	struct leak_total *total = &leaks->totals[key.verdict];
	uint32_t devices;
	uint64_t bytes = buffer_total_bytes(buffer, space, &devices);
	struct leak *leak;

	if (devices == 0)
		return;
	key.kind = process->kinds[buffer->kind];
	key.tag = process->view->tags[buffer->tag].path;
	key.site = buffer->site;
	key.bytes = buffer->bytes;
	key.oldest_ns = buffer->time_ns;
	key.first_id = buffer->id;
	leak = leak_for(leaks, lookup, &key);
	leak->records++;
	leak->device_buffers += devices;
	leak->total_bytes += bytes;
	if (buffer->time_ns < leak->oldest_ns)
		leak->oldest_ns = buffer->time_ns;
	total->records++;
	total->device_buffers += devices;
	total->bytes += bytes;
	add_to_devices(leaks, machine, leak, buffer, space);
}

static int worst_first(const void *a, const void *b)
{
	const struct leak *x = a, *y = b;

	if (x->verdict != y->verdict)
		return x->verdict < y->verdict ? -1 : 1;
	if (x->total_bytes != y->total_bytes)
		return x->total_bytes > y->total_bytes ? -1 : 1;
	if (strcmp(x->tag, y->tag) != 0)
		return strcmp(x->tag, y->tag);
	return x->oldest_ns < y->oldest_ns ? -1 : x->oldest_ns > y->oldest_ns;
}

void leaks_find(struct leaks *leaks, const struct machine *machine,
                const struct selection *selection, const struct leak_options *options)
{
	struct lookup lookup = {.same = same_leak};
	const struct machine_process *process;

	*leaks = (struct leaks){.device_count = machine->devices.count};
	vec_for (process, &machine->processes) {
		struct space_members *spaces;

		if (process->view == NULL || (options->dead_only && !process->dead) ||
		    !selection_has_process(selection, process))
			continue;
		spaces = selection_spaces(selection, process);
		for (uint32_t i = 0; i < process->view->buffer_count; i++) {
			const struct view_buffer *buffer = &process->view->buffers[i];

			if (leak_verdict(process->view, buffer) != VERDICT_LIMIT &&
			    selection_has_kind(selection, process->kinds[buffer->kind]))
				add_buffer(leaks, machine, &lookup, process, buffer,
				           &spaces[buffer->space]);
		}
		selection_spaces_finish(spaces, process);
	}
	if (leaks->leaks.count > 1)
		qsort(leaks->leaks.items, leaks->leaks.count, sizeof(*leaks->leaks.items),
		      worst_first);
	lookup_finish(&lookup);
}

void leaks_finish(struct leaks *leaks)
{
	for (size_t i = 0; i < leaks->leaks.count; i++)
		free(leaks->leaks.items[i].on);
	vec_finish(&leaks->leaks);
	for (size_t i = 0; i < VERDICT_LIMIT; i++)
		free(leaks->device_bytes[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which device of which process is the same chip. */
#include "machine_internal.h"

#include <stdlib.h>
#include <string.h>

/* What is known of which chip a device is: its unique id; else bus address and ordinal; else the
 * ordinal in one process, or in those with the same mask. */
struct identity {
	bool unplaced; /* no chip: all of them are one row */
	uint64_t unique_id;
	const char *bus;
	int32_t ordinal;
	size_t only; /* number of the process; SIZE_MAX: it is the same chip in all of them */
};

/* A device of a view, or a file of the counters. */
struct place {
	struct identity identity;
	const struct view_device *device; /* NULL: of the counters */
	size_t number;                    /* in order of reading */
	uint32_t *row;
};

struct resolving {
	const struct machine_input *input;
	const size_t *subjects;
	VEC(struct place) places;
	size_t *first; /* by view: of its first device in places */
};

/* Identities that were found for one device: with two different ones it has none. */
struct meeting {
	struct identity identity;
	bool found, two;
};

static bool is_known(const struct identity *identity)
{
	return identity->only == SIZE_MAX;
}

static int compare_identities(const struct identity *a, const struct identity *b)
{
	int order;

	if (a->unplaced || b->unplaced)
		return (int)a->unplaced - (int)b->unplaced;
	if (a->unique_id != b->unique_id)
		return a->unique_id < b->unique_id ? -1 : 1;
	if (a->unique_id != 0)
		return 0;
	order = strcmp(a->bus, b->bus);
	if (order != 0)
		return order;
	if (a->ordinal != b->ordinal)
		return a->ordinal < b->ordinal ? -1 : 1;
	return a->only < b->only ? -1 : a->only > b->only;
}

static void meet(struct meeting *meeting, const struct identity *identity)
{
	meeting->two = meeting->two ||
	               (meeting->found && compare_identities(&meeting->identity, identity) != 0);
	meeting->identity = *identity;
	meeting->found = true;
}

static void take(struct meeting *meeting, struct place *place)
{
	if (meeting->found && !meeting->two)
		place->identity = meeting->identity;
}

static bool is_over(const struct segment_view *view)
{
	return view->life != LIFE_ALIVE && view->life != LIFE_IMAGE;
}

/* Whether the subject of a view goes by this pid. A proxy knows two of a process in another pid
 * namespace: its own there is what that puts into a segment. */
static bool goes_by(const struct segment_view *view, const struct segment_process *name)
{
	if (view->subject.pid == name->pid && view->subject.pid_ns == name->pid_ns)
		return true;
	return view->inner_pid_ns != 0 && view->inner_pid == name->pid &&
	       view->inner_pid_ns == name->pid_ns;
}

/* The same process: the pid in the same pid namespace, and the same start. Two that live are the
 * same without it. */
static bool is_same_subject(const struct segment_view *a, const struct segment_view *b)
{
	if (!goes_by(a, &b->subject) && !goes_by(b, &a->subject))
		return false;
	if (a->subject.start_ticks == b->subject.start_ticks)
		return true;
	return (a->subject.start_ticks == 0 || b->subject.start_ticks == 0) && !is_over(a) &&
	       !is_over(b);
}

static size_t *number_subjects(const struct machine_input *input)
{
	size_t *subjects = mem_calloc(input->view_count, sizeof(*subjects));

	for (size_t i = 0; i < input->view_count; i++) {
		subjects[i] = i;
		for (size_t j = 0; j < i && subjects[i] == i; j++)
			if (is_same_subject(input->views[i], input->views[j]))
				subjects[i] = subjects[j];
	}
	return subjects;
}

static void add_place(struct resolving *work, struct identity identity,
                      const struct view_device *device, uint32_t *row)
{
	size_t number = work->places.count;

	*vec_add(&work->places) = (struct place){identity, device, number, row};
}

/* What each says of itself. */
static void list_places(struct resolving *work, struct machine_places *to)
{
	const struct tt_counters *counters = work->input->counters;

	for (size_t i = 0; i < work->input->view_count; i++) {
		const struct segment_view *view = work->input->views[i];

		work->first[i] = work->places.count;
		to->rows[i] = mem_calloc(view->device_count, sizeof(*to->rows[i]));
		for (uint32_t d = 0; d < view->device_count; d++) {
			const struct view_device *device = &view->devices[d];
			bool known = device->unique_id != 0 || device->bus[0] != '\0';
			struct identity identity = {device->unplaced, device->unique_id,
			                            device->bus, device->ordinal,
			                            known ? SIZE_MAX : work->subjects[i]};

			add_place(work, identity, device, &to->rows[i][d]);
		}
	}
	for (size_t i = 0; counters != NULL && i < counters->devices.count; i++) {
		const struct tt_device *chip = &counters->devices.items[i];
		struct identity identity = {.unique_id = chip->unique_id,
		                            .bus = "",
		                            .ordinal = chip->device_id,
		                            .only = SIZE_MAX};

		add_place(work, identity, NULL, &to->counters[i]);
	}
}

/* The same ordinal in another file of the same process, that says more. */
static void learn_from_siblings(struct resolving *work, size_t view, struct place *place)
{
	struct meeting meeting = {0};

	for (size_t i = 0; i < work->input->view_count; i++) {
		const struct segment_view *sibling = work->input->views[i];

		if (i == view || work->subjects[i] != work->subjects[view] ||
		    sibling->life == LIFE_EXEC)
			continue;
		for (uint32_t d = 0; d < sibling->device_count; d++) {
			const struct view_device *device = &sibling->devices[d];
			struct identity identity = {false, device->unique_id, device->bus,
			                            device->ordinal, SIZE_MAX};

			if (device->unplaced || device->ordinal != place->device->ordinal ||
			    (device->unique_id == 0 &&
			     (device->bus[0] == '\0' || is_known(&place->identity))) ||
			    (device->bus[0] != '\0' && place->device->bus[0] != '\0' &&
			     strcmp(device->bus, place->device->bus) != 0))
				continue;
			meet(&meeting, &identity);
		}
	}
	take(&meeting, place);
}

static bool lists_process(const struct tt_device *chip, int32_t pid)
{
	for (uint32_t i = 0; i < chip->process_count; i++)
		if (chip->processes[i].pid == pid && !chip->processes[i].dead)
			return true;
	return false;
}

/* The counters of a chip that know the process, and give the chip the same ordinal. */
static void learn_from_counters(struct resolving *work, size_t view, struct place *place)
{
	const struct tt_counters *counters = work->input->counters;
	const struct tt_device *chip;
	struct meeting meeting = {0};

	if (counters == NULL || is_over(work->input->views[view]))
		return;
	vec_for (chip, &counters->devices) {
		struct identity identity = {.unique_id = chip->unique_id,
		                            .bus = "",
		                            .ordinal = chip->device_id,
		                            .only = SIZE_MAX};

		if (chip->device_id == place->device->ordinal &&
		    lists_process(chip, work->input->views[view]->subject.pid))
			meet(&meeting, &identity);
	}
	take(&meeting, place);
}

static int by_ordinal_in_class(const struct place *x, const struct place *y)
{
	if (x->device->ordinal != y->device->ordinal)
		return x->device->ordinal < y->device->ordinal ? -1 : 1;
	return 0;
}

static int by_mask(const struct place *x, const struct place *y)
{
	if (x->device->ordinals != y->device->ordinals)
		return x->device->ordinals < y->device->ordinals ? -1 : 1;
	return by_ordinal_in_class(x, y);
}

static int by_bus(const struct place *x, const struct place *y)
{
	int order = strcmp(x->device->bus, y->device->bus);

	return order != 0 ? order : by_ordinal_in_class(x, y);
}

static bool has_mask(const struct place *place)
{
	return place->device != NULL && !place->device->unplaced && place->device->ordinals != 0;
}

static bool has_bus_alone(const struct place *place)
{
	return place->device != NULL && !place->device->unplaced && place->device->unique_id == 0 &&
	       place->device->bus[0] != '\0';
}

/* Devices that are one chip, for one of these reasons: which, any of them may have learnt. */
struct same_chip {
	bool (*belongs)(const struct place *place);
	int (*compare)(const struct place *x, const struct place *y);
};

static const struct same_chip same_chips[] = {
	{has_mask, by_mask},     /* the same ordinal by masks that are known to be equal */
	{has_bus_alone, by_bus}, /* the same bus address and ordinal, and nothing better */
};

static int compare_in_class(const void *a, const void *b, void *arg)
{
	const struct place *x = *(struct place *const *)a, *y = *(struct place *const *)b;
	const struct same_chip *class = arg;
	int order = class->compare(x, y);

	if (order != 0)
		return order;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int strength(const struct identity *identity)
{
	return identity->unique_id != 0 ? 2 : is_known(identity) ? 1 : 0;
}

/* All of them are what those say who know best. Where those do not agree, nothing is merged. */
static void merge(struct place *const *places, size_t count)
{
	struct meeting meeting = {0};
	int best = 0;

	for (size_t i = 0; i < count; i++)
		if (strength(&places[i]->identity) > best)
			best = strength(&places[i]->identity);
	for (size_t i = 0; i < count; i++)
		if (strength(&places[i]->identity) == best && (best != 0 || !meeting.found))
			meet(&meeting, &places[i]->identity);
	for (size_t i = 0; i < count; i++)
		if (best == 0 || strength(&places[i]->identity) < best)
			take(&meeting, places[i]);
}

static void merge_class(struct resolving *work, const struct same_chip *class)
{
	struct same_chip chosen = *class;
	VEC(struct place *) places = {0};
	struct place *place;
	size_t start = 0;

	vec_for (place, &work->places)
		if (class->belongs(place))
			*vec_add(&places) = place;
	if (places.count > 1)
		qsort_r(places.items, places.count, sizeof(*places.items), compare_in_class,
		        &chosen);
	for (size_t i = 1; i <= places.count; i++) {
		if (i < places.count && class->compare(places.items[i - 1], places.items[i]) == 0)
			continue;
		merge(places.items + start, i - start);
		start = i;
	}
	vec_finish(&places);
}

static void resolve(struct resolving *work)
{
	for (size_t i = 0; i < work->input->view_count; i++)
		for (uint32_t d = 0; d < work->input->views[i]->device_count; d++) {
			struct place *place = &work->places.items[work->first[i] + d];

			if (place->identity.unplaced)
				continue;
			if (place->identity.unique_id == 0)
				learn_from_siblings(work, i, place);
			if (place->identity.unique_id == 0)
				learn_from_counters(work, i, place);
		}
	for (size_t i = 0; i < ARRAY_COUNT(same_chips); i++)
		merge_class(work, &same_chips[i]);
}

static int by_identity(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = compare_identities(&x->identity, &y->identity);

	if (order != 0)
		return order;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* A chip: places that are the same, next to each other; the first is the one that was read first.
 */
struct chip {
	const struct place *places;
	size_t count;
};

static int32_t chip_ordinal(const struct chip *chip)
{
	const struct place *place = &chip->places[0];

	return place->device != NULL ? place->device->ordinal : place->identity.ordinal;
}

/* The unplaced come last. */
static int by_ordinal(const void *a, const void *b)
{
	const struct chip *x = a, *y = b;
	int32_t of_x = chip_ordinal(x), of_y = chip_ordinal(y);

	if (x->places[0].identity.unplaced != y->places[0].identity.unplaced)
		return x->places[0].identity.unplaced ? 1 : -1;
	if (of_x != of_y)
		return of_x < of_y ? -1 : 1;
	return compare_identities(&x->places[0].identity, &y->places[0].identity);
}

static void add_device(struct machine *machine, const struct chip *chip)
{
	uint32_t number = (uint32_t)machine->devices.count;
	struct machine_device *row = vec_add(&machine->devices);
	const struct identity *identity = &chip->places[0].identity;

	row->unplaced = identity->unplaced;
	row->unique_id = identity->unique_id;
	row->ordinal = chip_ordinal(chip);
	row->bus = identity->bus;
	row->arch = "";
	for (size_t i = 0; i < chip->count; i++) {
		const struct view_device *device = chip->places[i].device;

		*chip->places[i].row = number;
		if (device == NULL)
			continue;
		row->arch = row->arch[0] == '\0' ? device->arch : row->arch;
		row->bus = row->bus[0] == '\0' ? device->bus : row->bus;
	}
}

static void add_devices(struct resolving *work, struct machine *machine)
{
	VEC(struct chip) chips = {0};
	struct chip *chip;

	if (work->places.count > 1)
		qsort(work->places.items, work->places.count, sizeof(*work->places.items),
		      by_identity);
	for (size_t i = 0; i < work->places.count; i++) {
		const struct place *place = &work->places.items[i];

		if (i == 0 || compare_identities(&place[-1].identity, &place->identity) != 0)
			*vec_add(&chips) = (struct chip){place, 0};
		chips.items[chips.count - 1].count++;
	}
	if (chips.count > 1)
		qsort(chips.items, chips.count, sizeof(*chips.items), by_ordinal);
	vec_for (chip, &chips)
		add_device(machine, chip);
	vec_finish(&chips);
}

void machine_places_make(struct machine_places *places, struct machine *machine,
                         const struct machine_input *input)
{
	size_t files = input->counters != NULL ? input->counters->devices.count : 0;
	struct resolving work = {.input = input};

	places->subjects = number_subjects(input);
	places->rows = mem_calloc(input->view_count, sizeof(*places->rows));
	places->counters = mem_calloc(files, sizeof(*places->counters));
	work.subjects = places->subjects;
	work.first = mem_calloc(input->view_count, sizeof(*work.first));
	list_places(&work, places);
	resolve(&work);
	add_devices(&work, machine);
	vec_finish(&work.places);
	free(work.first);
}

void machine_places_finish(struct machine_places *places, const struct machine_input *input)
{
	for (size_t i = 0; i < input->view_count; i++)
		free(places->rows[i]);
	free(places->rows);
	free(places->subjects);
	free(places->counters);
}

/* Whether what this segment says goes for what is now: a program that replaced itself, or turned
 * tracking off, says nothing of it. */
static bool goes_for(const struct segment_view *segment, const struct segment_view *proxy)
{
	if (segment->is_proxy || segment->life == LIFE_EXEC || segment->life == LIFE_STOPPED)
		return false;
	return !is_over(segment) || is_over(proxy);
}

bool machine_is_witness(const struct machine_places *places, const struct machine_input *input,
                        size_t view, uint32_t row)
{
	if (!input->views[view]->is_proxy)
		return false;
	for (size_t i = 0; i < input->view_count; i++) {
		const struct segment_view *segment = input->views[i];

		if (places->subjects[i] != places->subjects[view] ||
		    !goes_for(segment, input->views[view]))
			continue;
		for (uint32_t d = 0; d < segment->device_count; d++)
			if (places->rows[i][d] == row)
				return true;
	}
	return false;
}

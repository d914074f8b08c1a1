/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics_totals.h"

#include "safe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a segment has said of {space, member, kind, tag}; classes may change and are together. */
struct totals_row {
	uint32_t space; /* handle */
	uint32_t tag;
	uint16_t member;
	uint8_t kind;
	uint64_t allocs, frees;
	const struct view_row *row; /* one of those in it, while they are compared */
};

/* The id alone, else the bus, else the ordinal: names come and go, a chip does not. */
static bool same_device(const void *elements, size_t position, const void *key)
{
	const struct totals_device *device = (const struct totals_device *)elements + position;
	const struct device_key *wanted = key;

	if (device->unplaced || wanted->unplaced)
		return device->unplaced == wanted->unplaced;
	if (device->unique_id != 0 || wanted->unique_id != 0)
		return device->unique_id == wanted->unique_id;
	return device->ordinal == wanted->ordinal && strcmp(device->bus, wanted->bus) == 0 &&
	       strcmp(device->arch, wanted->arch) == 0;
}

static bool same_line(const void *elements, size_t position, const void *key)
{
	const struct totals_line *line = (const struct totals_line *)elements + position;
	const struct totals_line *wanted = key;

	return line->device == wanted->device && strcmp(line->kind, wanted->kind) == 0;
}

void totals_init(struct totals *totals)
{
	*totals = (struct totals){.by_device.same = same_device, .by_line.same = same_line};
}

static void segment_finish(struct totals_segment *segment)
{
	free(segment->rows);
	vec_finish(&segment->devices);
	vec_finish(&segment->witnessed);
}

void totals_finish(struct totals *totals)
{
	for (size_t i = 0; i < totals->devices.count; i++) {
		free(totals->devices.items[i].arch);
		free(totals->devices.items[i].bus);
	}
	for (size_t i = 0; i < totals->segments.count; i++)
		segment_finish(&totals->segments.items[i]);
	vec_finish(&totals->devices);
	vec_finish(&totals->lines);
	vec_finish(&totals->segments);
	lookup_finish(&totals->by_device);
	lookup_finish(&totals->by_line);
}

/* As it is written: what comes out the same is the same, or two lines would have one name. */
static char *written(const char *foreign)
{
	struct text safe = {0};
	char *copy;

	safe_utf8(&safe, foreign);
	copy = mem_strdup(text_string(&safe));
	text_finish(&safe);
	return copy;
}

static uint32_t find_device(struct totals *totals, const struct device_key *key)
{
	static const struct device_key other = {false, 0, -1, "other", ""};
	uint64_t hash = key->unique_id != 0
	                        ? hash_number(1, key->unique_id)
	                        : hash_string(hash_number(2, (uint32_t)key->ordinal), key->bus);
	size_t at = lookup_find(&totals->by_device, totals->devices.items, key, hash);

	if (at != SIZE_MAX)
		return (uint32_t)at;
	if (totals->devices.count >= TOTALS_DEVICES && key != &other)
		return find_device(totals, &other);
	at = lookup_place(&totals->by_device, totals->devices.items, key, hash,
	                  totals->devices.count);

	*vec_add(&totals->devices) =
		(struct totals_device){key->unplaced, key->unique_id, key->ordinal,
	                               mem_strdup(key->arch), mem_strdup(key->bus)};
	return (uint32_t)at;
}

uint32_t totals_device(struct totals *totals, const struct device_key *device)
{
	static const struct device_key unplaced = {true, 0, -1, "", ""};
	char *arch, *bus;
	struct device_key key = *device;
	uint32_t found;

	if (device->unplaced)
		return find_device(totals, &unplaced);
	key.arch = arch = written(device->arch);
	key.bus = bus = written(device->bus);
	found = find_device(totals, &key);
	free(arch);
	free(bus);
	return found;
}

static uint32_t find_line(struct totals *totals, const struct totals_line *key)
{
	struct totals_line other = {.device = key->device, .kind = "other"};
	uint64_t hash = hash_string(hash_number(3, key->device), key->kind);
	size_t at = lookup_find(&totals->by_line, totals->lines.items, key, hash);

	if (at != SIZE_MAX)
		return (uint32_t)at;
	if (totals->lines.count >= TOTALS_LINES && strcmp(key->kind, other.kind) != 0)
		return find_line(totals, &other);
	at = lookup_place(&totals->by_line, totals->lines.items, key, hash, totals->lines.count);
	*vec_add(&totals->lines) = *key;
	return (uint32_t)at;
}

uint32_t totals_line(struct totals *totals, uint32_t device, const char *kind)
{
	struct totals_line key = {.device = device};
	char *safe_kind = written(kind);

	snprintf(key.kind, sizeof(key.kind), "%s", safe_kind);
	free(safe_kind);
	return find_line(totals, &key);
}

#define COMPARE(x, y)                                                                              \
	if ((x) != (y))                                                                            \
	return (x) < (y) ? -1 : 1

static int compare_rows(const void *a, const void *b)
{
	const struct totals_row *x = a, *y = b;

	COMPARE(x->space, y->space);
	COMPARE(x->member, y->member);
	COMPARE(x->kind, y->kind);
	COMPARE(x->tag, y->tag);
	return 0;
}

/* The rows of a view, sorted, classes added up. */
static struct totals_row *rows_of(const struct segment_view *view, size_t *ret_count)
{
	struct totals_row *rows = mem_calloc(view->row_count + 1, sizeof(*rows));
	size_t count = 0;

	for (uint32_t i = 0; i < view->row_count; i++) {
		const struct view_row *row = &view->rows[i];

		rows[i] = (struct totals_row){view->spaces[row->space].handle,
		                              row->tag,
		                              row->member,
		                              row->kind,
		                              row->allocs,
		                              row->frees,
		                              row};
	}
	qsort(rows, view->row_count, sizeof(*rows), compare_rows);
	for (uint32_t i = 0; i < view->row_count; i++) {
		if (count != 0 && compare_rows(&rows[count - 1], &rows[i]) == 0) {
			rows[count - 1].allocs += rows[i].allocs;
			rows[count - 1].frees += rows[i].frees;
		} else {
			rows[count++] = rows[i];
		}
	}
	*ret_count = count;
	return rows;
}

/* A row that has less than before is a new one in the place of the old. */
static uint64_t grown(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : now;
}

/* The metrics' devices of a view, and its lines by kind, found when first needed. */
struct line_table {
	struct totals *totals;
	const struct segment_view *view;
	const struct totals_segment *segment; /* NULL: not known */
	uint32_t *devices;                    /* index + 1; by device of the view */
	uint32_t *lines;                      /* index + 1; by [kind * devices + device] */
};

static void table_make(struct line_table *table, struct totals *totals,
                       const struct segment_view *view)
{
	*table = (struct line_table){.totals = totals, .view = view};
	table->devices = mem_calloc((size_t)view->device_count + 1, sizeof(*table->devices));
	table->lines = mem_calloc((size_t)view->kind_count * view->device_count + 1,
	                          sizeof(*table->lines));
}

static uint32_t table_device(struct line_table *table, uint32_t device)
{
	const struct view_device *known = &table->view->devices[device];

	if (table->devices[device] == 0)
		table->devices[device] =
			totals_device(table->totals,
		                      &(struct device_key){known->unplaced, known->unique_id,
		                                           known->ordinal, known->arch,
		                                           known->bus}) +
			1;
	return table->devices[device] - 1;
}

static void table_finish(struct line_table *table)
{
	free(table->devices);
	free(table->lines);
}

static struct totals_line *table_line(struct line_table *table, uint32_t device, uint32_t kind)
{
	uint32_t *line = &table->lines[kind * table->view->device_count + device];

	if (*line == 0)
		*line = totals_line(table->totals, table_device(table, device),
		                    table->view->kind_names[kind]) +
		        1;
	return &table->totals->lines.items[*line - 1];
}

static bool has_device(const uint32_t *devices, size_t count, uint32_t device)
{
	for (size_t i = 0; i < count; i++)
		if (devices[i] == device)
			return true;
	return false;
}

/* Whether the m-th member of a row's space has the row, and nobody else tells of it. */
static bool row_counts_on(struct line_table *table, const struct view_row *row, uint32_t m)
{
	const struct view_space *space = &table->view->spaces[row->space];
	const struct totals_segment *segment = table->segment;

	if ((row->member != ROW_ALL_MEMBERS && row->member != m) ||
	    space->members[m] >= table->view->device_count)
		return false;
	return segment == NULL || segment->witnessed.count == 0 ||
	       !has_device(segment->witnessed.items, segment->witnessed.count,
	                   table_device(table, space->members[m]));
}

static void add_row(struct line_table *table, const struct view_row *row, uint64_t allocs,
                    uint64_t frees)
{
	const struct view_space *space = &table->view->spaces[row->space];

	for (uint32_t m = 0; m < space->member_count; m++) {
		struct totals_line *line;

		if (!row_counts_on(table, row, m))
			continue;
		line = table_line(table, space->members[m], row->kind);
		line->allocs += allocs;
		line->frees += frees;
	}
}

static struct totals_segment *segment_of(struct totals *totals, uint64_t identity, bool make)
{
	struct totals_segment *segment;

	vec_for (segment, &totals->segments)
		if (segment->identity == identity)
			return segment;
	if (!make)
		return NULL;
	segment = vec_add(&totals->segments);
	segment->identity = identity;
	return segment;
}

static bool goes_by(const struct totals_subject *subject, const struct segment_process *name)
{
	if (subject->process.pid == name->pid && subject->process.pid_ns == name->pid_ns)
		return true;
	return subject->inner_pid_ns != 0 && subject->inner_pid == name->pid &&
	       subject->inner_pid_ns == name->pid_ns;
}

/* A start that is not known may be any. */
static bool same_subject(const struct totals_subject *a, const struct totals_subject *b)
{
	return (goes_by(a, &b->process) || goes_by(b, &a->process)) &&
	       (a->process.start_ticks == b->process.start_ticks || a->process.start_ticks == 0 ||
	        b->process.start_ticks == 0);
}

static void add_devices(struct totals_segment *proxy, const struct totals_segment *segment)
{
	const uint32_t *device;

	vec_for (device, &segment->devices)
		if (!has_device(proxy->witnessed.items, proxy->witnessed.count, *device))
			*vec_add(&proxy->witnessed) = *device;
}

/* Who this is, and whether the same process is known in another way. */
static void note_subject(struct totals_segment *segment, struct line_table *table)
{
	const struct segment_view *view = table->view;
	struct totals_segment *other;

	segment->subject =
		(struct totals_subject){view->subject, view->inner_pid, view->inner_pid_ns};
	segment->is_proxy = view->is_proxy;
	/* Devices of a segment only come. */
	for (size_t i = segment->devices.count; i < view->device_count; i++)
		*vec_add(&segment->devices) = table_device(table, (uint32_t)i);
	/* What replaced itself, or turned tracking off, says nothing of what came then. */
	if (!view->is_proxy && (view->life == LIFE_EXEC || view->life == LIFE_STOPPED))
		return;
	vec_for (other, &table->totals->segments)
		if (other->is_proxy != segment->is_proxy &&
		    same_subject(&other->subject, &segment->subject))
			add_devices(segment->is_proxy ? segment : other,
			            segment->is_proxy ? other : segment);
}

static void add_faults(struct totals *totals, struct totals_segment *segment,
                       const struct segment_view *view)
{
	for (size_t i = 0; i < SEGMENT_FAULT_TYPES; i++) {
		totals->faults[i] += grown(segment->faults[i], view->faults_by_type[i]);
		segment->faults[i] = view->faults_by_type[i];
	}
}

void totals_loaded(void *arg, const struct segment_view *view)
{
	struct totals *totals = arg;
	struct totals_segment *segment = segment_of(totals, view->identity, true);
	size_t count, before = 0;
	struct totals_row *rows = rows_of(view, &count);
	struct line_table table;

	table_make(&table, totals, view);
	note_subject(segment, &table);
	table.segment = segment;
	for (size_t i = 0; i < count; i++) {
		const struct totals_row zero = {0}, *old = &zero;
		uint64_t allocs, frees;

		while (before < segment->row_count &&
		       compare_rows(&segment->rows[before], &rows[i]) < 0)
			before++;
		if (before < segment->row_count &&
		    compare_rows(&segment->rows[before], &rows[i]) == 0)
			old = &segment->rows[before];
		allocs = grown(old->allocs, rows[i].allocs);
		frees = grown(old->frees, rows[i].frees);
		if (allocs != 0 || frees != 0)
			add_row(&table, rows[i].row, allocs, frees);
		rows[i].row = NULL;
	}
	free(segment->rows);
	segment->rows = rows;
	segment->row_count = count;
	add_faults(totals, segment, view);
	table_finish(&table);
}

enum verdict totals_verdict(const struct segment_view *view, const struct view_row *row)
{
	const struct view_buffer like = {
		.space = row->space, .class_now = row->class_now, .closed = row->closed};

	return leak_verdict(view, &like);
}

uint64_t totals_row_bytes(const struct segment_view *view, const struct view_row *row)
{
	const struct view_space *space = &view->spaces[row->space];
	uint64_t members = 0;

	if (row->member != ROW_ALL_MEMBERS)
		return row->bytes;
	for (uint32_t m = 0; m < space->member_count; m++)
		members += space->members[m] < view->device_count;
	return row->bytes * members;
}

/* A row's bytes where nobody else tells of them. */
static uint64_t left_bytes(struct line_table *table, const struct view_row *row)
{
	const struct view_space *space = &table->view->spaces[row->space];
	uint64_t members = 0;

	for (uint32_t m = 0; m < space->member_count; m++)
		members += row_counts_on(table, row, m);
	return row->bytes * members;
}

void totals_gone(void *arg, const struct segment_view *last)
{
	struct totals *totals = arg;
	struct totals_segment *segment = segment_of(totals, last->identity, false);
	struct line_table table;

	table_make(&table, totals, last);
	table.segment = segment;
	for (uint32_t i = 0; i < last->row_count; i++) {
		enum verdict verdict = totals_verdict(last, &last->rows[i]);

		if (verdict != VERDICT_LIMIT)
			totals->left_bytes[verdict] += left_bytes(&table, &last->rows[i]);
	}
	table_finish(&table);
	totals->ended += segment == NULL || segment->witnessed.count == 0;
	if (segment == NULL)
		return;
	segment_finish(segment);
	*segment = totals->segments.items[--totals->segments.count];
}

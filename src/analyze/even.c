/* SPDX-License-Identifier: Apache-2.0 */
#include "even.h"

#include "memory.h"
#include "selection.h"
#include "units.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MAX_ODD = 4 };

/* The value that most devices have; of those that are as frequent, the smallest but zero. */
static uint64_t most_common(const uint64_t *bytes, size_t count)
{
	uint64_t best = 0;
	size_t best_times = 0;

	for (size_t i = 0; i < count; i++) {
		size_t times = 0;

		for (size_t j = 0; j < count; j++)
			times += bytes[j] == bytes[i];
		if (bytes[i] != 0 &&
		    (times > best_times || (times == best_times && bytes[i] < best))) {
			best = bytes[i];
			best_times = times;
		}
	}
	return best;
}

/* How many of the rows (ascending) are devices. */
static size_t count_devices(const struct machine *machine, const uint32_t *rows, size_t count)
{
	while (count > 0 && rows[count - 1] >= machine_chips(machine))
		count--;
	return count;
}

void row_names(struct text *text, const struct machine *machine, const uint32_t *rows, size_t count)
{
	size_t devices = count_devices(machine, rows, count);

	units_ranges(text, rows, devices);
	if (devices < count)
		text_addf(text, "%s%s", devices != 0 ? "," : "", unplaced_name);
	else if (count == 0)
		text_add(text, "-");
}

void device_names(struct text *text, const struct machine *machine, const uint32_t *rows,
                  size_t count)
{
	size_t devices = count_devices(machine, rows, count);

	if (devices != 0 || count == 0) {
		text_add(text, devices == 1 ? "device " : "devices ");
		row_names(text, machine, rows, devices);
	}
	if (devices < count)
		text_addf(text, "%s%s", devices != 0 ? " and " : "", unplaced_name);
}

/* "devices 1-7" of those that have this value; returns how many. */
static size_t name_devices(struct text *text, const struct machine *machine, const uint32_t *rows,
                           const uint64_t *bytes, size_t count, uint64_t value)
{
	uint32_t *alike = mem_calloc(count, sizeof(*alike));
	size_t number = 0;

	for (size_t i = 0; i < count; i++)
		if (bytes[i] == value)
			alike[number++] = rows[i];
	device_names(text, machine, alike, number);
	free(alike);
	return number;
}

/* What is far off is told by itself: a difference would be the larger figure of the two. */
static bool is_near(uint64_t base, uint64_t bytes)
{
	return bytes > base / 2 && bytes / 2 < base;
}

void even_text(struct text *text, const struct machine *machine, const uint32_t *rows,
               const uint64_t *bytes, size_t count)
{
	uint64_t base = most_common(bytes, count), seen[MAX_ODD];
	char figure[UNITS_SIZE];
	size_t odd = 0, number;

	if (base == 0)
		return;
	number = name_devices(text, machine, rows, bytes, count, base);
	text_addf(text, ": %s%s", units_bytes_short(&figure, base), number > 1 ? " each" : "");
	for (size_t i = 0; i < count; i++) {
		size_t known = 0;

		while (known < odd && seen[known] != bytes[i])
			known++;
		if (bytes[i] == base || known < odd || bytes[i] == 0)
			continue;
		if (odd == MAX_ODD) {
			text_add(text, "; others differ");
			return;
		}
		seen[odd++] = bytes[i];
		text_add(text, "; ");
		number = name_devices(text, machine, rows, bytes, count, bytes[i]);
		text_addf(text, ": %s",
		          is_near(base, bytes[i]) ? units_change(&figure, base, bytes[i])
		                                  : units_bytes_short(&figure, bytes[i]));
	}
}

void even_rows(struct text *text, const struct machine *machine, const unsigned char *on)
{
	uint32_t *rows = mem_calloc(machine->devices.count, sizeof(*rows));
	size_t number = 0;

	for (uint32_t row = 0; row < machine->devices.count; row++)
		if (on[row])
			rows[number++] = row;
	row_names(text, machine, rows, number);
	free(rows);
}

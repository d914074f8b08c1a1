/* SPDX-License-Identifier: Apache-2.0 */
/* The half of the fixture that looks from outside. */
#include "client_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Calls per segment of the directory; returns how many. */
static unsigned segments_of(pid_t pid, char *ret_path, size_t size)
{
	DIR *dir = opendir(fixture_dir);
	const struct dirent *entry;
	unsigned count = 0;

	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);

		if (entry->d_name[0] == '.' || length < 5 ||
		    strcmp(entry->d_name + length - 4, SEGMENT_SUFFIX) != 0)
			continue;
		if (pid && atoi(entry->d_name) != pid)
			continue;
		count++;
		if (ret_path)
			snprintf(ret_path, size, "%s/%s", fixture_dir, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return count;
}

bool segment_path(pid_t pid, char *ret_path, size_t size)
{
	return segments_of(pid, ret_path, size) == 1;
}

unsigned segment_count(void)
{
	return segments_of(0, NULL, 0);
}

struct segment_view *outside_while_busy(pid_t pid, enum view_depth depth)
{
	struct segment_reject reject = {.reason = "?"};
	struct segment_view *view = NULL;
	char path[600];
	int error;

	if (!segment_path(pid, path, sizeof path))
		check_failed(__FILE__, __LINE__, "process %d has %u segments", (int)pid,
		             segments_of(pid, NULL, 0));
	error = segment_view_load(path, (uid_t)-1, depth, &view, &reject);
	if (error)
		check_failed(__FILE__, __LINE__, "%s: %s (%s)", path, strerror(-error),
		             reject.reason);
	if (view->corrupt_records || view->counters_differ)
		check_failed(__FILE__, __LINE__, "%s: corrupt %llu, counters differ %d", path,
		             (unsigned long long)view->corrupt_records, view->counters_differ);
	return view;
}

struct segment_view *outside_of(pid_t pid, enum view_depth depth)
{
	struct segment_view *view = outside_while_busy(pid, depth);

	if (!view->exact)
		check_failed(__FILE__, __LINE__, "the view of process %d is not exact", (int)pid);
	return view;
}

struct segment_view *outside(void)
{
	return outside_of(getpid(), VIEW_BUFFERS);
}

uint32_t device_of(const struct segment_view *view, unsigned chip_number)
{
	for (uint32_t i = 0; i < view->device_count; i++) {
		if (view->devices[i].unique_id == chip_unique_id(chip_number))
			return i;
	}
	check_failed(__FILE__, __LINE__, "chip %u is not to be seen", chip_number);
}

const struct view_figure *figure_of(const struct segment_view *view, unsigned chip_number,
                                    uint32_t kind)
{
	return &view->figures[kind * view->device_count + device_of(view, chip_number)];
}

static void check_depth(enum view_depth depth, unsigned n, uint32_t kind, const uint64_t *classes,
                        uint64_t held, const char *file, int line)
{
	struct segment_view *view = outside_of(getpid(), depth);
	const struct view_figure *figure = figure_of(view, n, kind);

	for (unsigned class = 0; class < CLASS_COUNTED_LIMIT; class ++) {
		if (figure->bytes[class] != classes[class])
			check_failed(file, line,
			             "from outside (depth %d) chip %u has %llu bytes of class %u, "
			             "not %llu",
			             depth, n, (unsigned long long)figure->bytes[class], class,
			             (unsigned long long)classes[class]);
	}
	if (figure->held != held)
		check_failed(file, line, "from outside (depth %d) chip %u holds %llu, not %llu",
		             depth, n, (unsigned long long)figure->held, (unsigned long long)held);
	segment_view_destroy(view);
}

/* The handle of an open space of a chip, as the segment has it. */
static mt_space space_of_chip(unsigned n)
{
	struct segment_view *view = outside_of(getpid(), VIEW_TOTALS);
	uint32_t device = device_of(view, n);
	mt_space space = 0;

	for (uint32_t i = 0; i < view->space_count; i++) {
		const struct view_space *s = &view->spaces[i];

		if (s->type == SPACE_DEVICE && s->members[0] == device &&
		    (s->state == SPACE_OPEN || s->state == SPACE_READY))
			space = s->handle;
	}
	segment_view_destroy(view);
	return space;
}

void check_chip(unsigned n, uint32_t kind, const uint64_t *classes, uint64_t held, const char *file,
                int line)
{
	mt_space space = space_of_chip(n);
	struct mt_usage u;

	check_depth(VIEW_BUFFERS, n, kind, classes, held, file, line);
	check_depth(VIEW_TOTALS, n, kind, classes, held, file, line);
	if (!space)
		return;
	u = usage(space, kind);
	check_same(u.bytes, classes[0] + classes[1] + classes[2], "usage.bytes", file, line);
	check_same(u.system, classes[1], "usage.system", file, line);
	check_same(u.cache, classes[2], "usage.cache", file, line);
	check_same(u.held, held, "usage.held", file, line);
}

void check_peak(unsigned n, uint32_t kind, uint64_t peak, const char *file, int line)
{
	struct segment_view *view = outside();
	mt_space space = space_of_chip(n);

	check_same(figure_of(view, n, kind)->peak, peak, "peak from outside", file, line);
	segment_view_destroy(view);
	if (space)
		check_same(usage(space, kind).peak, peak, "usage.peak", file, line);
}

uint64_t faults_of(mt_result type)
{
	struct segment_view *view = outside();
	uint64_t count = view->faults_by_type[type], listed = 0;

	for (uint32_t i = 0; i < view->fault_count; i++)
		listed += view->faults[i].type == (uint32_t)type ? view->faults[i].count : 0;
	same(listed, count);
	segment_view_destroy(view);
	return count;
}

void check_faults(uint64_t expected_total, const char *file, int line)
{
	struct segment_view *view = outside();

	if (view->fault_total != expected_total) {
		for (uint32_t i = 0; i < view->fault_count; i++)
			fprintf(stderr, "%s x %llu\n", mt_result_name((mt_result)view->faults[i].type),
			        (unsigned long long)view->faults[i].count);
		check_failed(file, line, "%llu faults, not %llu",
		             (unsigned long long)view->fault_total,
		             (unsigned long long)expected_total);
	}
	segment_view_destroy(view);
}

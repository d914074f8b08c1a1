/* SPDX-License-Identifier: Apache-2.0 */
/* The half of the fake driver's fixture that looks from outside. */
#include "fake_driver.h"

#include <string.h>

static bool is_at(const struct view_device *device, int ordinal)
{
	return ordinal == UNPLACED ? device->unplaced
	                           : !device->unplaced && device->ordinal == ordinal;
}

const struct view_device *seen_device(const struct segment_view *view, int ordinal)
{
	for (uint32_t i = 0; i < view->device_count; i++) {
		if (is_at(&view->devices[i], ordinal))
			return &view->devices[i];
	}
	check_failed(__FILE__, __LINE__, "device %d is not to be seen", ordinal);
}

/* Sums over [from, to) of classes, over the kinds of which `host` is one or is none. */
static uint64_t sum(int ordinal, uint32_t from, uint32_t to, bool host)
{
	struct segment_view *view = outside();
	uint64_t bytes = 0;

	for (uint32_t kind = 0; kind < view->kind_count; kind++) {
		for (uint32_t d = 0; (kind == MT_HOST) == host && d < view->device_count; d++) {
			const struct view_figure *figure =
				&view->figures[kind * view->device_count + d];

			for (uint32_t class = from; is_at(&view->devices[d], ordinal) && class < to;
			     class ++)
				bytes += figure->bytes[class];
		}
	}
	segment_view_destroy(view);
	return bytes;
}

uint64_t seen_bytes(int ordinal)
{
	return sum(ordinal, 0, CLASS_COUNTED_LIMIT, false);
}

uint64_t seen_of_class(int ordinal, uint32_t class)
{
	return sum(ordinal, class, class + 1, false);
}

uint64_t seen_host(int ordinal)
{
	return sum(ordinal, 0, CLASS_COUNTED_LIMIT, true);
}

static unsigned find_buffers(const char *site, struct view_buffer *ret_last)
{
	struct segment_view *view = outside();
	unsigned count = 0;

	for (uint32_t i = 0; i < view->buffer_count; i++) {
		if (view->buffers[i].closed || (site && strcmp(view->buffers[i].site, site) != 0))
			continue;
		count++;
		*ret_last = view->buffers[i];
	}
	segment_view_destroy(view);
	ret_last->site = NULL;
	ret_last->member_bytes = NULL;
	return count;
}

unsigned seen_buffers(const char *site)
{
	struct view_buffer last;

	return find_buffers(site, &last);
}

struct view_buffer seen_buffer(const char *site)
{
	struct view_buffer last;

	same(find_buffers(site, &last), 1);
	return last;
}

unsigned seen_spaces(void)
{
	struct segment_view *view = outside();
	unsigned count = 0;

	for (uint32_t i = 0; i < view->space_count; i++)
		count +=
			view->spaces[i].state == SPACE_OPEN || view->spaces[i].state == SPACE_READY;
	segment_view_destroy(view);
	return count;
}

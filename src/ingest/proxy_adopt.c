/* SPDX-License-Identifier: Apache-2.0 */
/* What a server that is gone left is taken over. */
#include "proxy_internal.h"
#include "reader.h"
#include "replay.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool kind_has_banks(const struct view_device *device, uint32_t kind, uint16_t *ret_banks)
{
	for (uint32_t i = 0; i < device->memory_count; i++) {
		if (device->memories[i].kind == kind) {
			*ret_banks = (uint16_t)device->memories[i].banks;
			return true;
		}
	}
	return false;
}

static void device_banks(struct proxy_device *entry, const struct view_device *device)
{
	for (uint32_t kind = 0; kind < KINDS_OF_BUFFERS; kind++) {
		if (!kind_has_banks(device, kind, &entry->banks[kind]))
			entry->banks[kind] = 1;
	}
}

/* What the table has to say about the spaces of a view. -EINVAL: they are not of our making. */
static int adopt_spaces(struct proxy *proxy, const struct segment_view *view)
{
	for (uint32_t i = 0; i < view->space_count; i++) {
		const struct view_space *space = &view->spaces[i];
		uint32_t at = space->handle - 1, number = at / USE_LIMIT;
		const struct view_device *device;

		if (space->handle == 0 || number >= TT_DEVICE_LIMIT ||
		    space->type != SPACE_DEVICE || space->member_count != 1 ||
		    space->members[0] >= view->device_count || space->state != SPACE_READY)
			return -EINVAL;
		device = &view->devices[space->members[0]];
		if (device->ordinal != (int32_t)number)
			return -EINVAL;
		proxy->table[number].open |= (uint8_t)(1u << at % USE_LIMIT);
		device_banks(&proxy->table[number], device);
		if (number >= proxy->device_limit)
			proxy->device_limit = number + 1;
	}
	return 0;
}

/* The successor is made under the hidden name beside it: a server that died over this left it
 * there. */
static void clear_hidden(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	char hidden[PATH_MAX];

	snprintf(hidden, sizeof hidden, "%.*s.%s", (int)(name - path), path, name);
	unlink(hidden);
}

/* Makes the proxy's segment from the view and puts it in the place of that, in one step: at no
 * moment are there two, or half of one. Or nothing. */
static int adopt_view(struct proxy **ret_proxy, const char *path, const struct segment_view *view,
                      const struct subject *subject, const struct proxy_options *options)
{
	struct proxy *proxy;
	int error;

	clear_hidden(path);
	error = proxy_begin(&proxy, subject, options, view->identity);
	if (error)
		return error;
	error = adopt_spaces(proxy, view);
	if (!error)
		error = segment_replay(&proxy->writer, view);
	if (!error) {
		proxy_name_kernels(proxy);
		error = writer_publish(&proxy->writer);
	}
	if (error) {
		writer_abandon(&proxy->writer);
		proxy_free(proxy);
		return error;
	}
	if (strcmp(path, proxy->writer.file.path) != 0)
		unlink(path); /* it had another name than is usual */
	*ret_proxy = proxy;
	return 0;
}

/* One that ended for its server with its connection, whatever has become of it: no server can see
 * its end. Says so in the segment. */
static int bury_view(const char *path, const struct segment_view *view,
                     const struct proxy_options *options)
{
	struct subject subject = {.pidfd = -1, .connection_only = true};
	struct segment_end end = {.how = END_UNKNOWN};
	struct timespec now;
	struct proxy *proxy;
	int error;

	subject.who.process = view->subject;
	subject.who.rank = view->rank;
	snprintf(subject.who.comm, sizeof subject.who.comm, "%s", view->comm);
	snprintf(subject.who.command_line, sizeof subject.who.command_line, "%s",
	         view->command_line);
	error = adopt_view(&proxy, path, view, &subject, options);
	if (error)
		return error;
	clock_gettime(CLOCK_REALTIME, &now);
	end.realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	proxy_end(proxy, &end, NULL);
	return -ESRCH;
}

int proxy_adopt(struct proxy **ret_proxy, const char *path, const struct proxy_options *options)
{
	struct segment_view *view = NULL;
	struct segment_reject reject;
	struct subject subject;
	int error = segment_view_load(path, geteuid(), VIEW_BUFFERS, &view, &reject);

	if (error)
		return error;
	if (!view->is_proxy)
		error = -ENOENT;
	else if (!view->writer_gone)
		error = -EBUSY;
	else if (view->end.realtime_ns != 0)
		error = -ESRCH;
	else if (view->subject.start_ticks == 0)
		error = bury_view(path, view, options);
	else
		error = subject_of_process(&view->subject, &subject);
	if (!error) {
		error = adopt_view(ret_proxy, path, view, &subject, options);
		subject_finish(&subject);
	}
	segment_view_destroy(view);
	return error;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As the kernel names this process to whoever it connects to. */
static void find_self(struct subject *ret_subject)
{
	struct subject_peer peer;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(subject_peer_of(ends[0], &peer), 0);
	assert_int_equal(subject_find(&peer, getpid(), ret_subject), 0);
	subject_peer_finish(&peer);
	close(ends[0]);
	close(ends[1]);
}

int fixture_setup(void **state)
{
	struct proxy_fixture *fixture = calloc(1, sizeof *fixture);

	strcpy(fixture->directory, "/dev/shm/meshtally-test-XXXXXX");
	if (mkdtemp(fixture->directory) == NULL)
		return -1;
	setenv("MESHTALLY_DIR", fixture->directory, 1);
	unsetenv("TT_VISIBLE_DEVICES");
	unsetenv("TT_METAL_VISIBLE_DEVICES");
	find_self(&fixture->subject);
	*state = fixture;
	return 0;
}

int fixture_teardown(void **state)
{
	struct proxy_fixture *fixture = *state;
	DIR *dir = opendir(fixture->directory);
	struct dirent *entry;

	segment_view_destroy(fixture->view);
	if (fixture->proxy != NULL)
		proxy_leave(fixture->proxy);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	rmdir(fixture->directory);
	subject_finish(&fixture->subject);
	free(fixture);
	return 0;
}

void fixture_open_with(struct proxy_fixture *fixture, enum writer_repeats repeats,
                       const struct tt_devices *devices)
{
	const struct proxy_options options = {.repeats = repeats, .devices = devices};

	assert_int_equal(proxy_open(&fixture->proxy, &fixture->subject, &options), 0);
}

void fixture_open(struct proxy_fixture *fixture, enum writer_repeats repeats)
{
	fixture_open_with(fixture, repeats, NULL);
}

void send_type(struct proxy_fixture *fixture, uint8_t type, int32_t device, uint64_t id,
               uint64_t bytes, uint8_t buffer_type)
{
	const struct tt_message message = {.type = type,
	                                   .device = device,
	                                   .id = id,
	                                   .bytes = bytes,
	                                   .buffer_type = buffer_type,
	                                   .pid = getpid()};

	proxy_prefetch(fixture->proxy, &message);
	proxy_apply(fixture->proxy, &message);
}

void send_alloc(struct proxy_fixture *fixture, int32_t device, uint64_t id, uint64_t bytes,
                uint8_t buffer_type)
{
	send_type(fixture, TT_ALLOC, device, id, bytes, buffer_type);
}

void send_free(struct proxy_fixture *fixture, int32_t device, uint64_t id)
{
	send_type(fixture, TT_FREE, device, id, 0, 0);
}

const struct segment_view *look_at(struct proxy_fixture *fixture, const char *path)
{
	struct segment_reject reject;
	int error;

	segment_view_destroy(fixture->view);
	fixture->view = NULL;
	error = segment_view_load(path, (uid_t)-1, VIEW_BUFFERS, &fixture->view, &reject);
	if (error)
		print_error("%s: %s\n", reject.path, reject.reason);
	assert_int_equal(error, 0);
	assert_true(fixture->view->exact);
	assert_false(fixture->view->counters_differ);
	assert_int_equal(fixture->view->corrupt_records, 0);
	return fixture->view;
}

const struct segment_view *look(struct proxy_fixture *fixture)
{
	return look_at(fixture, proxy_path(fixture->proxy));
}

static const struct view_figure *figure_of(const struct proxy_fixture *fixture, int32_t ordinal,
                                           uint32_t kind)
{
	const struct segment_view *view = fixture->view;

	for (uint32_t i = 0; i < view->device_count; i++) {
		if (view->devices[i].ordinal == ordinal)
			return &view->figures[kind * view->device_count + i];
	}
	return NULL;
}

int64_t bytes_on(const struct proxy_fixture *fixture, int32_t ordinal, uint32_t kind)
{
	const struct view_figure *figure = figure_of(fixture, ordinal, kind);
	uint64_t bytes = 0;

	for (uint32_t class = 0; figure != NULL && class < CLASS_COUNTED_LIMIT; class ++)
		bytes += figure->bytes[class];
	return figure != NULL ? (int64_t)bytes : -1;
}

int64_t buffers_on(const struct proxy_fixture *fixture, int32_t ordinal, uint32_t kind)
{
	const struct view_figure *figure = figure_of(fixture, ordinal, kind);
	uint64_t buffers = 0;

	for (uint32_t class = 0; figure != NULL && class < CLASS_COUNTED_LIMIT; class ++)
		buffers += figure->buffers[class];
	return figure != NULL ? (int64_t)buffers : -1;
}

uint64_t faults_of(const struct proxy_fixture *fixture, uint32_t type)
{
	return fixture->view->faults_by_type[type];
}

uint32_t kind_named(const struct proxy_fixture *fixture, const char *name)
{
	for (uint32_t kind = 0; kind < fixture->view->kind_count; kind++) {
		if (strcmp(fixture->view->kind_names[kind], name) == 0)
			return kind;
	}
	fail_msg("no kind %s", name);
	return UINT32_MAX;
}

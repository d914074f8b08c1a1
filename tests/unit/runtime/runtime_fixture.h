/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine and an open mesh per test, whose reports go to the recording double.
 */
#ifndef TESTS_RUNTIME_FIXTURE_H
#define TESTS_RUNTIME_FIXTURE_H

#include "graph_tracker.h"
#include "mesh_buffer.h"
#include "report_double.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct graph_tracker tracker;
	struct machine *machine;
	struct mesh_device *mesh;
};

static inline void fixture_open_config(struct fixture *fixture, const char *hooks, bool unique_ids,
				       const struct machine_config *config, uint32_t rows,
				       uint32_t columns, const int32_t *order)
{
	report_double_reset();
	assert_int_equal(graph_tracker_init(&fixture->tracker, hooks_mode_find(hooks), unique_ids),
			 0);
	assert_int_equal(machine_create(config, &fixture->tracker, &fixture->machine), 0);
	assert_int_equal(mesh_device_open(fixture->machine, rows, columns, order, &fixture->mesh),
			 0);
}

/* Two chips, 1 and 0, side by side. */
static inline void fixture_open(struct fixture *fixture, const char *hooks, bool unique_ids)
{
	static const int32_t order[] = {1, 0};
	const struct machine_config config = {.board = "n150", .chips = 2};

	fixture_open_config(fixture, hooks, unique_ids, &config, 1, 2, order);
}

static inline void fixture_close(struct fixture *fixture)
{
	mesh_device_destroy(fixture->mesh);
	machine_destroy(fixture->machine);
	report_double_reset();
}

static inline struct mesh_buffer *fixture_buffer(struct mesh_device *mesh, uint64_t bytes)
{
	struct buffer_spec spec = {.bytes = bytes, .site = "test"};
	struct mesh_buffer *buffer = NULL;

	assert_int_equal(mesh_buffer_create(mesh, MESH_REPLICATED, &spec, &buffer), 0);
	return buffer;
}

static inline struct bank_stats fixture_stats(const struct mesh_device *mesh, enum memory_role role)
{
	struct bank_stats stats;

	bank_set_stats(mesh_device_banks(mesh, role), &stats);
	return stats;
}

#endif

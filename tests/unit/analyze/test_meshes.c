/* SPDX-License-Identifier: Apache-2.0 */
/* Which meshes there are, out of what several processes have open. */
#include "cmocka_all.h"
#include "meshes.h"
#include "view_build.h"

#include <string.h>

enum { DEVICES = 16, PROCESSES = 4 };

struct fixture {
	struct built_view *built[PROCESSES];
	struct segment_view *views[PROCESSES];
	struct machine machine;
	struct meshes meshes;
	uint32_t devices[DEVICES];
};

/* Every process has every device. */
static void start(struct fixture *fixture)
{
	*fixture = (struct fixture){0};
	for (int p = 0; p < PROCESSES; p++) {
		fixture->built[p] = build_view(100 + p, LIFE_ALIVE);
		fixture->views[p] = &fixture->built[p]->view;
		for (uint32_t d = 0; d < DEVICES; d++)
			fixture->devices[d] =
				build_device(fixture->built[p], 0x10 + d, (int32_t)d, "");
	}
}

static void find(struct fixture *fixture)
{
	struct machine_input input = {fixture->views, PROCESSES, NULL, false};

	machine_build(&fixture->machine, &input);
	meshes_find(&fixture->meshes, &fixture->machine);
}

static void end(struct fixture *fixture)
{
	meshes_finish(&fixture->meshes);
	machine_finish(&fixture->machine);
	for (int p = 0; p < PROCESSES; p++)
		build_free(fixture->built[p]);
}

static void check_mesh(const struct mesh *mesh, uint32_t rows, uint32_t columns,
                       uint32_t first_device, uint32_t processes)
{
	assert_int_equal(mesh->rows, rows);
	assert_int_equal(mesh->columns, columns);
	assert_int_equal(mesh->processes, processes);
	for (uint32_t i = 0; i < rows * columns; i++)
		assert_int_equal(mesh->devices[i], first_device + i);
}

static void nothing_open(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	build_device_space(fixture.built[0], 3);
	find(&fixture);
	assert_int_equal(fixture.meshes.meshes.count, 0);
	assert_int_equal(fixture.meshes.unconnected.count, DEVICES);
	assert_int_equal(fixture.meshes.unconnected.items[5], 5);
	end(&fixture);
}

/* A sub-mesh is no mesh of its own; nor is one device. */
static void parts_are_left_out(void **state)
{
	struct fixture fixture;
	uint32_t reversed[2] = {5, 4};

	(void)state;
	start(&fixture);
	build_mesh_space(fixture.built[0], 1, 4, &fixture.devices[4]);
	build_mesh_space(fixture.built[0], 2, 4, &fixture.devices[0]);
	build_mesh_space(fixture.built[1], 1, 2, reversed);
	build_mesh_space(fixture.built[1], 1, 1, &fixture.devices[9]);
	find(&fixture);
	assert_int_equal(fixture.meshes.meshes.count, 1);
	check_mesh(&fixture.meshes.meshes.items[0], 2, 4, 0, 1);
	assert_int_equal(fixture.meshes.unconnected.count, 8);
	assert_int_equal(fixture.meshes.unconnected.items[0], 8);
	assert_int_equal(fixture.meshes.unconnected.items[7], 15);
	end(&fixture);
}

/* What shares some devices stays, the largest first. */
static void two_meshes(void **state)
{
	struct fixture fixture;
	uint32_t space;

	(void)state;
	start(&fixture);
	build_mesh_space(fixture.built[0], 1, 4, &fixture.devices[12]);
	build_mesh_space(fixture.built[1], 2, 4, &fixture.devices[0]);
	build_mesh_space(fixture.built[2], 2, 2, &fixture.devices[6]);
	space = build_mesh_space(fixture.built[3], 4, 4, &fixture.devices[0]);
	fixture.built[3]->spaces[space].state = SPACE_CLOSED;
	find(&fixture);
	assert_int_equal(fixture.meshes.meshes.count, 3);
	check_mesh(&fixture.meshes.meshes.items[0], 2, 4, 0, 1);
	check_mesh(&fixture.meshes.meshes.items[1], 2, 2, 6, 1);
	check_mesh(&fixture.meshes.meshes.items[2], 1, 4, 12, 1);
	assert_int_equal(fixture.meshes.unconnected.count, 2);
	assert_int_equal(fixture.meshes.unconnected.items[0], 10);
	end(&fixture);
}

/* A process that opens it twice counts once; the name is that of whoever gives one. */
static void of_two_processes(void **state)
{
	struct fixture fixture;
	uint32_t space;

	(void)state;
	start(&fixture);
	build_mesh_space(fixture.built[0], 2, 2, &fixture.devices[0]);
	build_mesh_space(fixture.built[0], 2, 2, &fixture.devices[0]);
	space = build_mesh_space(fixture.built[2], 2, 2, &fixture.devices[0]);
	fixture.built[2]->spaces[space].name = "serving";
	fixture.built[3]->view.life = LIFE_KILLED;
	build_mesh_space(fixture.built[3], 4, 4, &fixture.devices[0]);
	find(&fixture);
	assert_int_equal(fixture.meshes.meshes.count, 1);
	check_mesh(&fixture.meshes.meshes.items[0], 2, 2, 0, 2);
	assert_string_equal(fixture.meshes.meshes.items[0].name, "serving");
	end(&fixture);
}

/* Of the same devices in another shape or order, the one that more processes have. */
static void most_processes_win(void **state)
{
	struct fixture fixture;
	uint32_t turned[4] = {3, 2, 1, 0};

	(void)state;
	start(&fixture);
	build_mesh_space(fixture.built[0], 2, 2, turned);
	build_mesh_space(fixture.built[1], 1, 4, &fixture.devices[0]);
	build_mesh_space(fixture.built[2], 1, 4, &fixture.devices[0]);
	build_mesh_space(fixture.built[3], 4, 1, &fixture.devices[0]);
	find(&fixture);
	assert_int_equal(fixture.meshes.meshes.count, 1);
	check_mesh(&fixture.meshes.meshes.items[0], 1, 4, 0, 2);
	end(&fixture);
}

/* Devices of other hosts have their place. What has none here is not seen. */
static void remote_members(void **state)
{
	struct fixture fixture;
	uint32_t members[8] = {SPACE_REMOTE, SPACE_REMOTE, SPACE_REMOTE, SPACE_REMOTE, 0, 1, 2, 3};
	const struct mesh *mesh;

	(void)state;
	start(&fixture);
	build_mesh_space(fixture.built[0], 2, 4, members);
	build_mesh_space(fixture.built[1], 1, 4, members);
	build_mesh_space(fixture.built[1], 1, 4, &fixture.devices[0]);
	build_mesh_space(fixture.built[2], 1, 4, &fixture.devices[0]);
	build_mesh_space(fixture.built[3], 1, 5, &fixture.devices[0]);
	find(&fixture);
	assert_int_equal(fixture.meshes.meshes.count, 2);
	check_mesh(&fixture.meshes.meshes.items[1], 1, 5, 0, 1);
	mesh = &fixture.meshes.meshes.items[0];
	assert_int_equal(mesh->rows, 2);
	assert_int_equal(mesh->devices[0], UINT32_MAX);
	assert_int_equal(mesh->devices[7], 3);
	end(&fixture);
}

/* Shapes that do not hold their members are not drawn. */
static void broken_shapes(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	fixture.built[0]->spaces[build_mesh_space(fixture.built[0], 2, 2, fixture.devices)].rows =
		9;
	fixture.built[1]
		->spaces[build_mesh_space(fixture.built[1], 2, 2, fixture.devices)]
		.member_count = 0;
	fixture.built[2]->members[build_mesh_space(fixture.built[2], 1, 2, fixture.devices)][0] =
		DEVICES + 7;
	find(&fixture);
	assert_int_equal(fixture.meshes.meshes.count, 1);
	assert_int_equal(fixture.meshes.meshes.items[0].devices[0], UINT32_MAX);
	assert_int_equal(fixture.meshes.meshes.items[0].devices[1], 1);
	end(&fixture);
}

static void unplaced_is_in_no_picture(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	build_device_space(fixture.built[0], build_unplaced(fixture.built[0], 0));
	build_buffer(fixture.built[0], 0, 1, 100);
	build_figures(fixture.built[0]);
	find(&fixture);
	assert_int_equal(fixture.machine.devices.count, DEVICES + 1);
	assert_int_equal(fixture.meshes.unconnected.count, DEVICES);
	end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_open),       cmocka_unit_test(parts_are_left_out),
		cmocka_unit_test(two_meshes),         cmocka_unit_test(of_two_processes),
		cmocka_unit_test(most_processes_win), cmocka_unit_test(remote_members),
		cmocka_unit_test(broken_shapes),      cmocka_unit_test(unplaced_is_in_no_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

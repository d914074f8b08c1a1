/* SPDX-License-Identifier: Apache-2.0 */
/* The first N buffers in each order, joined over devices; and sums. */
#include "cmocka_all.h"
#include "listing.h"
#include "view_build.h"

#include <string.h>

struct fixture {
	struct built_view *built;
	struct segment_view *views[1];
	struct machine machine;
	struct selection selection;
	uint32_t spaces[8];
};

static void start(struct fixture *fixture, uint32_t devices)
{
	*fixture = (struct fixture){.selection = {.all_kinds = true}};
	fixture->built = build_view(5, LIFE_ALIVE);
	fixture->views[0] = &fixture->built->view;
	for (uint32_t i = 0; i < devices; i++) {
		build_device(fixture->built, 0x10 + i, (int32_t)i, "");
		fixture->spaces[i] = build_device_space(fixture->built, i);
	}
}

static void ready(struct fixture *fixture)
{
	struct machine_input input = {fixture->views, 1, NULL, false};

	build_figures(fixture->built);
	machine_build(&fixture->machine, &input);
}

static void end(struct fixture *fixture)
{
	machine_finish(&fixture->machine);
	build_free(fixture->built);
}

static void orders(void **state)
{
	static const uint64_t sizes[] = {30, 10, 50, 20, 40};
	static const char *const tags[] = {"c", "e", "a", "d", "b"};
	/* ids in the order that each asks for: size, age, device, tag, youth */
	static const uint64_t expected[LIST_ORDER_LIMIT][3] = {
		{3, 5, 1}, {1, 2, 3}, {3, 5, 1}, {3, 5, 1}, {5, 4, 3}};
	struct fixture fixture;

	(void)state;
	start(&fixture, 1);
	for (uint32_t i = 0; i < 5; i++) {
		struct view_buffer *buffer =
			build_buffer(fixture.built, fixture.spaces[0], i + 1, sizes[i]);

		buffer->tag = build_tag(fixture.built, tags[i]);
		buffer->time_ns = i + 1;
	}
	ready(&fixture);
	for (int order = 0; order < LIST_ORDER_LIMIT; order++) {
		struct listing_options options = {.order = (enum listing_order)order, .limit = 3};
		struct listing listing;

		listing_make(&listing, &fixture.machine, &fixture.selection, &options);
		assert_int_equal(listing.records, 5);
		assert_int_equal(listing.bytes, 150);
		assert_int_equal(listing.buffers.count, 3);
		for (int i = 0; i < 3; i++)
			assert_int_equal(listing.buffers.items[i].buffer->id, expected[order][i]);
		listing_finish(&listing);
	}
	end(&fixture);
}

/* Eight local records at one address are one line, in every order, also when the limit is 1. */
static void one_line_per_mesh_buffer(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, 8);
	for (uint32_t d = 0; d < 8; d++)
		for (uint32_t i = 0; i < 5; i++) {
			struct view_buffer *buffer =
				build_buffer(fixture.built, fixture.spaces[d], d * 5 + i, 100);

			buffer->address = i * 4096;
			buffer->time_ns = d * 5 + i + 1;
		}
	ready(&fixture);
	for (int order = 0; order < LIST_ORDER_LIMIT; order++) {
		struct listing_options options = {.order = (enum listing_order)order, .limit = 1};
		struct listing listing;

		listing_make(&listing, &fixture.machine, &fixture.selection, &options);
		assert_int_equal(listing.buffers.count, 1);
		assert_int_equal(listing.buffers.items[0].rows.count, 8);
		assert_int_equal(listing.buffers.items[0].total_bytes, 800);
		assert_int_equal(listing.buffers.items[0].records, 8);
		assert_int_equal(listing.records, 40);
		listing_finish(&listing);
	}
	end(&fixture);
}

/* Two buffers at one address of one device (a fault) stay two lines; views are listed, not added.
 */
static void what_is_not_joined(void **state)
{
	struct listing_options options = {.order = LIST_BY_SIZE};
	struct view_buffer *buffer;
	struct fixture fixture;
	struct listing listing;

	(void)state;
	start(&fixture, 1);
	build_buffer(fixture.built, fixture.spaces[0], 1, 100)->address = 64;
	build_buffer(fixture.built, fixture.spaces[0], 2, 100)->address = 64;
	buffer = build_buffer(fixture.built, fixture.spaces[0], 3, 100);
	buffer->class_now = CLASS_VIEW;
	buffer = build_buffer(fixture.built, fixture.spaces[0], 4, 100);
	buffer->closed = true;
	ready(&fixture);
	listing_make(&listing, &fixture.machine, &fixture.selection, &options);
	assert_int_equal(listing.records, 3);
	assert_int_equal(listing.bytes, 200);
	assert_int_equal(listing.buffers.count, 3);
	assert_int_equal(listing.listed_records, 3);
	listing_finish(&listing);
	end(&fixture);
}

/* A runtime that knows no addresses reports all at 0: as many lines as a device has of them. */
static void without_addresses(void **state)
{
	static const uint32_t on_device[] = {4, 15, 0, 7};
	static const size_t limits[] = {0, 5, 1};
	struct fixture fixture;
	uint32_t id = 1;

	(void)state;
	start(&fixture, 4);
	for (uint32_t d = 0; d < 4; d++)
		for (uint32_t i = 0; i < on_device[d]; i++, id++) {
			struct view_buffer *buffer =
				build_buffer(fixture.built, fixture.spaces[d], id, 100);

			buffer->address = 0;
			buffer->time_ns = 1000 - id;
		}
	ready(&fixture);
	for (size_t i = 0; i < ARRAY_COUNT(limits); i++)
		for (int order = 0; order < LIST_ORDER_LIMIT; order++) {
			struct listing_options options = {.order = (enum listing_order)order,
			                                  .limit = limits[i]};
			struct listed_buffer *listed;
			struct listing listing;
			uint64_t total = 0;

			listing_make(&listing, &fixture.machine, &fixture.selection, &options);
			assert_int_equal(listing.records, 26);
			assert_int_equal(listing.buffers.count, limits[i] != 0 ? limits[i] : 15);
			vec_for (listed, &listing.buffers) {
				assert_int_equal(listed->rows.count, listed->devices);
				assert_int_equal(listed->total_bytes, 100 * listed->devices);
				total += listed->total_bytes;
			}
			assert_true(limits[i] != 0 || total == 2600);
			listing_finish(&listing);
		}
	end(&fixture);
}

static void sums_by_everything(void **state)
{
	struct view_buffer *buffer;
	struct fixture fixture;
	struct sums sums;

	(void)state;
	start(&fixture, 2);
	buffer = build_buffer(fixture.built, fixture.spaces[0], 1, 100);
	buffer->tag = build_tag(fixture.built, "a");
	buffer = build_buffer(fixture.built, fixture.spaces[1], 2, 300);
	buffer->class_now = CLASS_SYSTEM;
	buffer = build_buffer(fixture.built, fixture.spaces[1], 3, 50);
	buffer->kind = MT_L1;
	buffer->tag = 1;
	ready(&fixture);
	sums_make(&sums, &fixture.machine, &fixture.selection, SUM_BY_TAG, false);
	assert_int_equal(sums.sums.count, 2);
	assert_int_equal(sums.sums.items[0].total_bytes, 300);
	assert_string_equal(sums.sums.items[1].tag, "a");
	assert_int_equal(sums.sums.items[1].total_bytes, 150);
	sums_finish(&sums);
	sums_make(&sums, &fixture.machine, &fixture.selection, SUM_BY_DEVICE, false);
	assert_int_equal(sums.sums.count, 2);
	assert_int_equal(sums.sums.items[1].total_bytes, 350);
	assert_int_equal(sums.sums.items[1].bytes[CLASS_SYSTEM], 300);
	sums_finish(&sums);
	sums_make(&sums, &fixture.machine, &fixture.selection, SUM_BY_KIND, false);
	assert_int_equal(sums.sums.items[1].kind, MT_L1);
	sums_finish(&sums);
	end(&fixture);
}

/* Of what says that its address is not known, the id tells which is the same. */
static void joined_by_id(void **state)
{
	struct listing_options options = {.order = LIST_BY_DEVICE};
	struct fixture fixture;
	struct listing listing;

	(void)state;
	start(&fixture, 2);
	for (uint32_t d = 0; d < 2; d++)
		for (uint64_t id = 1; id <= 2; id++) {
			struct view_buffer *buffer = build_buffer(fixture.built, fixture.spaces[d],
			                                          id == 1 ? 1 : 10 + d, 100);

			buffer->flags = MT_NO_ADDRESS;
			buffer->address = SEGMENT_NO_ADDRESS;
		}
	ready(&fixture);
	listing_make(&listing, &fixture.machine, &fixture.selection, &options);
	assert_int_equal(listing.records, 4);
	assert_int_equal(listing.buffers.count, 3);
	assert_int_equal(listing.buffers.items[0].buffer->id, 1);
	assert_int_equal(listing.buffers.items[0].devices, 2);
	assert_int_equal(listing.buffers.items[1].devices, 1);
	listing_finish(&listing);
	end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders),
		cmocka_unit_test(one_line_per_mesh_buffer),
		cmocka_unit_test(what_is_not_joined),
		cmocka_unit_test(without_addresses),
		cmocka_unit_test(sums_by_everything),
		cmocka_unit_test(joined_by_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A survey sees in one pass what listing.h and its sums make of views that have all buffers. */
#include "survey_run.h"

#include <stdio.h>

enum { DEVICES = 4, BUFFERS = 900 };

static uint64_t shares[RUN_PROCESSES * BUFFERS * DEVICES];

struct asked {
	struct selection_names names;
	const char *tag;
	uint64_t least_bytes;
	bool dead;
};

static void check_line(const struct survey_buffer *line, const struct listed_buffer *listed,
                       const struct segment_view *view)
{
	assert_int_equal(line->identity, view->identity);
	assert_int_equal(line->pid, listed->process->pid);
	assert_int_equal(line->id, listed->buffer->id);
	assert_int_equal(line->address, listed->buffer->address);
	assert_int_equal(line->bytes, listed->buffer->bytes);
	assert_int_equal(line->total_bytes, listed->total_bytes);
	assert_int_equal(line->devices, listed->devices);
	assert_int_equal(line->op, listed->buffer->op);
	assert_int_equal(line->kind, listed->process->kinds[listed->buffer->kind]);
	assert_int_equal(line->class_now, listed->buffer->class_now);
	assert_string_equal(line->tag, view->tags[listed->buffer->tag].path);
	assert_string_equal(line->site, listed->buffer->site);
	assert_string_equal(line->command, "/usr/bin/program --flag");
}

static void check_lists(const struct survey *survey, const struct listing *listing)
{
	const struct listed_buffer *listed;
	size_t at = 0;

	assert_int_equal(survey->exact, listing->exact);
	assert_int_equal(survey->no_detail, listing->no_detail);
	assert_int_equal(survey->bytes, listing->bytes);
	vec_for (listed, &listing->buffers) {
		if (at == SURVEY_LIST_LIMIT)
			break;
		assert_true(at < survey->list.count);
		check_line(&survey->list.items[at++], listed, listed->process->view);
	}
	assert_int_equal(survey->list.count, at);
}

static void compare(const struct run *run, const struct asked *asked)
{
	struct listing_options options = {.limit = SURVEY_LIST_LIMIT, .dead = asked->dead};
	struct survey_request request = {.lists = true, .dead = asked->dead};
	char reason[SELECTION_REASON];
	struct selection selection;

	options.filter.tag = asked->tag;
	options.filter.least_bytes = request.filter.least_bytes = asked->least_bytes;
	request.filter.tags = &asked->tag;
	request.filter.tag_count = asked->tag != NULL;
	request.devices = asked->names.devices;
	request.device_count = asked->names.device_count;
	request.kinds = asked->names.kinds;
	request.kind_count = asked->names.kind_count;
	request.pids = asked->names.pids;
	request.pid_count = asked->names.pid_count;
	assert_int_equal(selection_init(&selection, &run->machine, &asked->names, &reason), 0);
	for (int order = 0; order < LIST_ORDER_LIMIT; order++) {
		struct listing listing;
		struct survey *survey;

		options.order = request.order = (enum listing_order)order;
		survey = run_survey(run, &request);
		listing_make(&listing, &run->machine, &selection, &options);
		assert_true(listing.buffers.count > 10);
		check_lists(survey, &listing);
		listing_finish(&listing);
		options.filter.classes = (1u << CLASS_COUNTED_LIMIT) - 1;
		listing_make(&listing, &run->machine, &selection, &options);
		assert_int_equal(survey->records, listing.records);
		assert_int_equal(survey->device_buffers, listing.device_buffers);
		options.filter.classes = 0;
		listing_finish(&listing);
		survey_release(survey);
	}
	selection_finish(&selection);
}

static void same_as_listing(void **state)
{
	static const char *const devices[] = {"1", "0x13"}, *const kinds[] = {"l1", "HOST"};
	static const int32_t pids[] = {101, 7};
	const struct asked asked[] = {
		{.tag = NULL},
		{.tag = "model/layer1"},
		{.tag = "attn*"},
		{.least_bytes = 50000},
		{.dead = true},
		{.names = {.devices = devices, .device_count = 2}, .dead = true},
		{.names = {.kinds = kinds, .kind_count = 2}},
		{.names = {.pids = pids, .pid_count = 2}, .tag = "model/*/attn"},
	};
	struct run run;

	(void)state;
	run_start(&run, RUN_PROCESSES, DEVICES);
	run_fill(&run, DEVICES, BUFFERS, shares);
	run.built[1]->view.no_detail_buffers = 5;
	run.built[2]->view.life = LIFE_KILLED;
	run.built[2]->view.exact = false;
	run_ready(&run);
	for (size_t i = 0; i < ARRAY_COUNT(asked); i++)
		compare(&run, &asked[i]);
	run_end(&run);
}

static void same_as_sums(void **state)
{
	struct selection all = {.all_kinds = true};
	struct survey_request request = {0};
	struct survey *survey;
	struct sums sums;
	uint64_t bytes = 0;
	struct sum *sum;
	struct run run;

	(void)state;
	run_start(&run, RUN_PROCESSES, DEVICES);
	run_fill(&run, DEVICES, BUFFERS, shares);
	run_ready(&run);
	survey = run_survey(&run, &request);
	sums_make(&sums, &run.machine, &all, SUM_BY_TAG, false);
	vec_for (sum, &sums.sums)
		bytes += sum->total_bytes;
	assert_int_not_equal(bytes, 0);
	assert_int_equal(survey->bytes, bytes);
	assert_int_equal(survey->list.count, 0);
	sums_finish(&sums);
	survey_release(survey);
	run_end(&run);
}

/* The line has the words of the record that is first in the order, and all devices. */
static void check_local(const struct survey_buffer *line, bool by_device)
{
	bool alone = strcmp(line->site, "there") == 0;
	uint32_t devices = line->bytes == 8192 ? 8 : alone ? 1 : 7;
	uint64_t id = alone                     ? 24
	              : line->bytes == 4096     ? (by_device ? 17 : 23)
	              : line->address == 0x1000 ? (by_device ? 1 : 8)
	              : by_device               ? 16
	                                        : 9;

	assert_int_equal(line->id, id);
	assert_int_equal(line->devices, devices);
	assert_int_equal(line->total_bytes, devices * line->bytes);
	assert_int_equal(line->first_row, alone ? 7 : 0);
}

/* The records of one buffer are one line, whatever comes between them; on the same device they are
 * not the same buffer. */
static void local_records(void **state)
{
	struct survey_request request = {.lists = true};
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 8);
	for (uint32_t i = 0; i < 3 * 8; i++) {
		bool turned = i / 8 == 1;
		struct view_buffer *buffer = build_buffer(run.built[0], turned ? 7 - i % 8 : i % 8,
		                                          i + 1, i / 8 == 2 ? 4096 : 8192);

		buffer->address = turned ? 0x2000 : 0x1000;
		buffer->time_ns = turned ? 1000 + i : 1000 - i;
		buffer->site = "here";
	}
	run.built[0]->buffers[23].site = "there";
	*build_buffer(run.built[0], 3, 99, 0) = run.built[0]->buffers[3];
	run_ready(&run);
	for (int order = 0; order < LIST_BY_YOUTH; order++) {
		size_t twice = 0;

		request.order = (enum listing_order)order;
		survey = run_survey(&run, &request);
		assert_int_equal(survey->list.count, 5);
		assert_int_equal(survey->records, 25);
		for (size_t i = 0; i < 5; i++) {
			const struct survey_buffer *line = &survey->list.items[i];

			if (line->devices == 1 && line->first_row == 3)
				twice++;
			else
				check_local(line, order == LIST_BY_DEVICE);
		}
		assert_int_equal(twice, 1);
		survey_release(survey);
	}
	run_end(&run);
}

/* Of a buffer whose shares differ, that on the device that is looked at. */
static void uneven_on_focus(void **state)
{
	static uint64_t uneven[] = {1000, 2000, 0, 3000};
	static const uint32_t members[] = {0, 1, 2, 3};
	struct survey_request request = {.lists = true, .has_focus = true};
	struct view_buffer *buffer;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 4);
	buffer = build_buffer(run.built[0], build_mesh_space(run.built[0], 1, 4, members), 1, 3000);
	buffer->member_bytes = uneven;
	build_buffer(run.built[0], 0, 2, 1500);
	build_buffer(run.built[0], 1, 3, 1500);
	run_ready(&run);
	for (uint32_t d = 0; d < 4; d++) {
		size_t at = d == 0;

		snprintf(request.focus, sizeof(request.focus), "%u", d);
		survey = run_survey(&run, &request);
		assert_int_equal(survey->list.count, (uneven[d] != 0) + (d < 2));
		if (uneven[d] != 0) {
			assert_int_equal(survey->list.items[at].bytes, uneven[d]);
			assert_int_equal(survey->list.items[at].total_bytes, 6000);
		}
		survey_release(survey);
	}
	run_end(&run);
}

/* How many pass a filter, of five that are made for it. */
static size_t passing(const struct survey_filter *filter)
{
	static const char *const tags[] = {"a/b", "a/bc", "x/a/b", "", "A/B/c"};
	static const uint64_t ages[] = {0, 5, 60, 4000, 100000};
	struct survey_request request = {.lists = true, .filter = *filter};
	struct survey *survey;
	struct run run;
	size_t count;

	run_start(&run, 1, 1);
	for (uint32_t i = 0; i < 5; i++) {
		struct view_buffer *buffer = build_buffer(run.built[0], 0, i + 1, (i + 1) * 1000);

		buffer->tag = build_tag(run.built[0], tags[i]);
		buffer->time_ns = RUN_NOW_NS - ages[i] * RUN_SECOND;
		buffer->site = i == 3 ? "ttnn.Matmul" : "";
	}
	build_buffer(run.built[0], 0, 9, 3000)->site = "unknown age";
	run_ready(&run);
	survey = run_survey(&run, &request);
	count = survey->list.count;
	assert_int_equal(count, survey->records);
	survey_release(survey);
	run_end(&run);
	return count;
}

static size_t passing_tags(const char *first, const char *second)
{
	const char *const tags[] = {first, second};

	return passing(&(struct survey_filter){.tags = tags, .tag_count = 1 + (second != NULL)});
}

static size_t passing_words(const char *first, const char *second)
{
	const char *const words[] = {first, second};

	return passing(&(struct survey_filter){.words = words, .word_count = 1 + (second != NULL)});
}

/* All at one address: what is on one device is never one line, and none is left out. */
static void without_addresses(void **state)
{
	static const uint32_t on_device[] = {4, 15, 0, 70};
	struct survey_request request = {.lists = true};
	const struct survey_buffer *listed;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, ARRAY_COUNT(on_device));
	for (uint32_t d = 0; d < ARRAY_COUNT(on_device); d++)
		for (uint32_t i = 0; i < on_device[d]; i++)
			build_buffer(run.built[0], d, d * 100 + i + 1, 4096)->address = 0;
	run_ready(&run);
	for (int order = 0; order < LIST_ORDER_LIMIT; order++) {
		uint64_t total = 0;

		request.order = (enum listing_order)order;
		survey = run_survey(&run, &request);
		assert_int_equal(survey->records, 89);
		assert_in_range(survey->list.count, 70, 89);
		vec_for (listed, &survey->list)
			total += listed->total_bytes;
		assert_int_equal(total, 89 * 4096);
		survey_release(survey);
	}
	run_end(&run);
}

static void filters(void **state)
{
	(void)state;
	assert_int_equal(passing(&(struct survey_filter){0}), 6);
	assert_int_equal(passing(&(struct survey_filter){.least_bytes = 3000}), 4);
	assert_int_equal(passing(&(struct survey_filter){.most_bytes = 2000}), 2);
	assert_int_equal(passing(&(struct survey_filter){.least_bytes = 3001, .most_bytes = 4999}),
	                 1);
	assert_int_equal(passing(&(struct survey_filter){.least_age_ns = 60 * RUN_SECOND}), 3);
	assert_int_equal(passing(&(struct survey_filter){.most_age_ns = 60 * RUN_SECOND}), 3);
	assert_int_equal(passing(&(struct survey_filter){.least_age_ns = UINT64_MAX}), 0);
	assert_int_equal(passing(&(struct survey_filter){.most_age_ns = UINT64_MAX}), 5);
	assert_int_equal(passing_tags("a/b", NULL), 1);
	assert_int_equal(passing_tags("a/b*", NULL), 2);
	assert_int_equal(passing_tags("a/b", "x"), 2);
	assert_int_equal(passing_tags("b", NULL), 0);
	assert_int_equal(passing_tags("b*", NULL), 3);
	assert_int_equal(passing_words("a/b", NULL), 4);
	assert_int_equal(passing_words("matmul", NULL), 1);
	assert_int_equal(passing_words("matmul", "a/b"), 0);
	assert_int_equal(passing_words("--FLAG", "matmul"), 1);
	assert_int_equal(passing_words("--flag", NULL), 6);
}

static size_t listed_for(const struct run *run, struct survey_request *request)
{
	struct survey *survey = run_survey(run, request);
	size_t count = survey->list.count;

	assert_true(survey->exact);
	survey_release(survey);
	return count;
}

/* Names are alternatives; what nothing has is nothing, and no error. */
static void names(void **state)
{
	static const char *const some[] = {"7", "1"}, *const kinds[] = {"XYZ", "dram"};
	static const int32_t nobody[] = {12345};
	struct run run;

	(void)state;
	run_start(&run, 1, 2);
	build_buffer(run.built[0], 0, 1, 10);
	build_buffer(run.built[0], 1, 2, 10);
	run_ready(&run);
	assert_int_equal(listed_for(&run, &(struct survey_request){.lists = true}), 2);
	assert_int_equal(listed_for(&run, &(struct survey_request){.lists = true,
	                                                           .devices = some,
	                                                           .device_count = 1}),
	                 0);
	assert_int_equal(listed_for(&run, &(struct survey_request){.lists = true,
	                                                           .devices = some,
	                                                           .device_count = 2}),
	                 1);
	assert_int_equal(listed_for(&run, &(struct survey_request){.lists = true,
	                                                           .kinds = kinds,
	                                                           .kind_count = 1}),
	                 0);
	assert_int_equal(listed_for(&run, &(struct survey_request){.lists = true,
	                                                           .kinds = kinds,
	                                                           .kind_count = 2}),
	                 2);
	assert_int_equal(
		listed_for(&run,
	                   &(struct survey_request){.lists = true, .pids = nobody, .pid_count = 1}),
		0);
	run_end(&run);
}

static void ages(void **state)
{
	static const uint64_t seconds[SURVEY_AGES] = {0, 2, 30, 120, 1800, 7200, 100000};
	struct survey_request request = {0};
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 2);
	for (uint32_t i = 0; i < SURVEY_AGES; i++)
		for (uint32_t n = 0; n <= i; n++)
			build_buffer(run.built[0], n % 2, 100 * i + n, 1000)->time_ns =
				RUN_NOW_NS - seconds[i] * RUN_SECOND;
	build_buffer(run.built[0], 0, 9000, 1000)->time_ns = RUN_NOW_NS + 5 * RUN_SECOND;
	build_buffer(run.built[0], 0, 9001, 1000)->time_ns = 0;
	build_buffer(run.built[0], 0, 9002, 1000)->class_now = CLASS_SUB;
	run_ready(&run);
	survey = run_survey(&run, &request);
	for (uint32_t i = 0; i < SURVEY_AGES; i++) {
		assert_int_equal(survey->ages[i].records, i + 1 + (i == 0));
		assert_int_equal(survey->ages[i].device_buffers, i + 1 + (i == 0));
		assert_int_equal(survey->ages[i].total_bytes, (i + 1 + (i == 0)) * 1000);
	}
	assert_int_equal(survey->realtime_ns, RUN_NOW_NS);
	survey_release(survey);
	run_end(&run);
}

/* The view of the pass is newer: what only it has is left out, or listed, but never looked up in
 * the older one. */
static void newer_view(void **state)
{
	struct survey_request request = {.lists = true, .has_focus = true, .focus = "0"};
	struct segment_view *newer[1];
	struct built_view *built;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	build_buffer(run.built[0], 0, 1, 1000);
	run_ready(&run);
	built = build_view(100, LIFE_ALIVE);
	newer[0] = &built->view;
	for (uint32_t i = 0; i < 40; i++) {
		build_device(built, 0x10 + i, (int32_t)i, "");
		build_device_space(built, i);
		build_tag(built, "new");
		build_buffer(built, i, i + 1, 1000)->tag = i + 1;
	}
	built->view.kind_count = 8;
	build_buffer(built, 0, 50, 1000)->kind = 7;
	build_buffer(built, 0, 51, 1000)->tag = 30;
	build_buffer(built, 0, 52, 1000)->tag = built->view.tag_count;
	build_buffer(built, built->view.space_count, 53, 1000);
	survey = run_survey_over(&run, &request, newer);
	assert_int_equal(survey->list.count, 2);
	assert_int_equal(survey->list.items[0].id, 1);
	assert_int_equal(survey->list.items[1].id, 51);
	assert_string_equal(survey->list.items[1].tag, "new");
	assert_int_equal(survey->bytes, 2000);
	survey_release(survey);
	build_free(built);
	run_end(&run);
}

/* Far more sites than are kept: the memory of those that were pushed out is given back. */
static void many_sites(void **state)
{
	struct survey_request request = {.lists = true};
	const struct machine_process *process;
	struct survey_pass *pass;
	struct survey *survey;
	char site[2048], tag[32];
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	for (int i = 0; i < 8; i++)
		build_tag(run.built[0], "some/tag");
	run_ready(&run);
	process = &run.machine.processes.items[0];
	pass = survey_begin(&run.machine, &request, RUN_NOW_NS);
	survey_process(pass, process, process->view);
	for (uint32_t i = 1; i <= 12000; i++) {
		struct view_buffer buffer = {.id = i, .bytes = i, .op = i, .tag = i % 8};

		memset(site, 'a' + (int)(i % 26), 1500);
		snprintf(site + 1500, 100, "%u", i);
		buffer.site = site;
		run_add(pass, &buffer);
	}
	survey = survey_end(pass);
	assert_int_equal(survey->list.count, SURVEY_LIST_LIMIT);
	for (uint32_t i = 0; i < SURVEY_LIST_LIMIT; i++) {
		const struct survey_buffer *line = &survey->list.items[i];

		assert_int_equal(line->bytes, 12000 - i);
		assert_int_equal(line->site[0], 'a' + (int)((12000 - i) % 26));
		snprintf(tag, sizeof(tag), "%u", 12000 - i);
		assert_string_equal(line->site + 1500, tag);
		assert_string_equal(line->tag, (12000 - i) % 8 != 0 ? "some/tag" : "");
	}
	survey_release(survey);
	run_end(&run);
}

/* Bytes of any kind, sizes at the end of what a number holds. */
static void hostile(void **state)
{
	static const char *const words[] = {"\xff", ""}, *const tags[] = {"*\x1b*", "\xf0??*"};
	struct survey_request request = {.lists = true,
	                                 .has_focus = true,
	                                 .focus = "0",
	                                 .has_mark = true,
	                                 .filter = {.words = words, .tags = tags}};
	uint64_t gone[1] = {UINT64_MAX};
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	run.built[0]->devices[0].memories[0].bank_bytes = UINT64_MAX;
	run.built[0]->devices[0].memories[1] =
		(struct segment_memory){MT_L1, UINT32_MAX, UINT64_MAX - 10, UINT64_MAX, 0};
	build_tag(run.built[0], "\x1b[31m\xff\xfe/\xc3");
	for (uint32_t i = 0; i < 200; i++) {
		struct view_buffer *buffer = build_buffer(run.built[0], 0, i, UINT64_MAX - i);

		buffer->address = UINT64_MAX - i * (UINT64_MAX / 200);
		buffer->span = UINT64_MAX - i;
		buffer->time_ns = UINT64_MAX - i;
		buffer->op = UINT64_MAX - i;
		buffer->kind = i % 2;
		buffer->tag = i % 2;
		buffer->member_bytes = i % 3 == 0 ? gone : NULL;
		buffer->site = "\xff\x1b]0;x\a";
	}
	run_ready(&run);
	for (size_t n = 0; n <= 2; n++) {
		struct survey *survey;

		request.filter.word_count = n;
		request.filter.tag_count = n;
		survey = run_survey(&run, &request);
		assert_int_equal(survey->maps.count, 2);
		assert_false(survey->maps.items[0].known);
		survey_release(survey);
	}
	run_end(&run);
}

static void references(void **state)
{
	struct survey_request request = {.lists = true};
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	build_buffer(run.built[0], 0, 1, 10)->site = "still here";
	run_ready(&run);
	survey = run_survey(&run, &request);
	run_end(&run);
	assert_ptr_equal(survey_hold(survey), survey);
	survey_release(survey);
	assert_string_equal(survey->list.items[0].site, "still here");
	assert_string_equal(survey->list.items[0].command, "/usr/bin/program --flag");
	survey_release(survey);
	survey_release(NULL);
}

static void inexact(void **state)
{
	struct survey_request request = {0};
	struct survey_pass *pass;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	run_ready(&run);
	pass = survey_begin(&run.machine, &request, RUN_NOW_NS);
	survey_inexact(pass, 0);
	survey_process(pass, &run.machine.processes.items[0], run.views[0]);
	survey_inexact(pass, 3);
	survey_inexact(pass, 4);
	survey = survey_end(pass);
	assert_false(survey->exact);
	assert_int_equal(survey->off_by_events, 7);
	survey_release(survey);
	run_end(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_listing), cmocka_unit_test(same_as_sums),
		cmocka_unit_test(local_records),   cmocka_unit_test(filters),
		cmocka_unit_test(names),           cmocka_unit_test(ages),
		cmocka_unit_test(newer_view),      cmocka_unit_test(many_sites),
		cmocka_unit_test(hostile),         cmocka_unit_test(references),
		cmocka_unit_test(inexact),         cmocka_unit_test(without_addresses),
		cmocka_unit_test(uneven_on_focus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

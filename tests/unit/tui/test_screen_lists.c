/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes, tags, growth and faults: what they list of made-up machines whose figures are known,
 * and what keys change; then every size of picture, for what a sanitizer may find.
 */
#include "cmocka_all.h"
#include "fault_lines.h"
#include "safe.h"
#include "screen_fixture.h"
#include "tui_fixtures.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB        (1ull << 20)
#define KB        (1ull << 10)
#define SECOND_NS 1000000000ull

/* A fixture, and the list of a screen of it. */
struct made {
	struct tui_fixture fixture;
	struct sheet sheet;
	bool has_sheet;
};

static void make(struct made *made)
{
	struct tui_fixture *fixture = &made->fixture;

	if (made->has_sheet)
		sheet_finish(&made->sheet);
	made->has_sheet = true;
	screens[fixture->ui.screen].make(&fixture->look, &made->sheet);
	sheet_sort(&made->sheet, &fixture->ui.lists[fixture->ui.screen]);
	sheet_settle(&made->sheet, &fixture->ui.lists[fixture->ui.screen]);
}

static void begin(struct made *made, const char *name, enum screen_id screen)
{
	memset(made, 0, sizeof(*made));
	tui_fixture_init(&made->fixture, name);
	made->fixture.ui.screen = screen;
	tui_fixture_survey(&made->fixture);
	make(made);
}

static void end(struct made *made)
{
	sheet_finish(&made->sheet);
	tui_fixture_finish(&made->fixture);
}

static void press(struct made *made, uint32_t key)
{
	tui_fixture_key(&made->fixture, key);
	make(made);
}

static void filter(struct made *made, const char *words)
{
	tui_fixture_filter(&made->fixture, words);
	make(made);
}

static void put_cursor(struct made *made, size_t row)
{
	sheet_select(&made->sheet, &made->fixture.ui.lists[made->fixture.ui.screen], row);
}

static size_t column(const struct sheet *sheet, const char *name)
{
	for (size_t i = 0; i < sheet->column_count; i++)
		if (strcmp(sheet->columns[i].name, name) == 0)
			return i;
	fail_msg("no column %s", name);
	return 0;
}

static const struct value *value(const struct made *made, size_t row, const char *name)
{
	assert_true(row < made->sheet.rows.count);
	return &made->sheet.rows.items[row].values[column(&made->sheet, name)];
}

static uint64_t number(const struct made *made, size_t row, const char *name)
{
	assert_true(value(made, row, name)->known);
	return value(made, row, name)->number;
}

static const char *words(const struct made *made, size_t row, const char *name)
{
	return value(made, row, name)->known ? value(made, row, name)->text : "";
}

/* The first row whose text in a column is this. */
static size_t row_of(const struct made *made, const char *name, const char *text)
{
	for (size_t i = 0; i < made->sheet.rows.count; i++)
		if (strcmp(words(made, i, name), text) == 0)
			return i;
	fail_msg("no row with %s %s", name, text);
	return 0;
}

/* --- tags ----------------------------------------------------------------------------------- */

enum { MESH = 32, LAYER_MB = 2 * 196 + 512 + 2 };

static const uint64_t loss_bytes = MESH * (18 * MB + 21 * 64 * KB);

static void tags_are_a_tree(void **state)
{
	struct made made;
	size_t model, train;

	(void)state;
	begin(&made, "mesh32", SCREEN_TAGS);
	model = row_of(&made, "tag", "model");
	assert_int_equal(model, 0); /* the largest */
	assert_int_equal(number(&made, model, "total_bytes"), MESH * 4ull * LAYER_MB * MB);
	assert_int_equal(number(&made, model, "own_bytes"), 0);
	assert_int_equal(number(&made, model, "device_buffers"), MESH * 4 * 4);
	assert_true(made.sheet.rows.items[model].has_children);
	assert_string_equal(words(&made, model + 1, "tag"), "layer0");
	assert_string_equal(words(&made, model + 2, "tag"), "mlp");
	assert_string_equal(words(&made, model + 3, "tag"), "attn");
	assert_int_equal(made.sheet.rows.items[model + 3].depth, 2);
	assert_int_equal(number(&made, model + 2, "total_bytes"), MESH * 514ull * MB);
	train = row_of(&made, "tag", "train");
	assert_string_equal(words(&made, train + 2, "tag"), "loss_history");
	assert_int_equal(number(&made, train + 2, "total_bytes"), loss_bytes);
	assert_int_equal(number(&made, train, "total_bytes"), loss_bytes + MESH * 640ull * MB);
	end(&made);
}

static void tags_fold(void **state)
{
	struct made made;
	size_t rows;

	(void)state;
	begin(&made, "mesh32", SCREEN_TAGS);
	rows = made.sheet.rows.count;
	press(&made, KEY_SPACE);
	assert_int_equal(made.sheet.rows.count, rows - 4 * 3);
	assert_false(made.sheet.rows.items[0].is_open);
	assert_int_equal(number(&made, 0, "total_bytes"), MESH * 4ull * LAYER_MB * MB);
	press(&made, KEY_ENTER);
	assert_int_equal(made.sheet.rows.count, rows);
	press(&made, KEY_LEFT);
	assert_int_equal(made.sheet.rows.count, rows - 4 * 3);
	press(&made, KEY_RIGHT);
	assert_int_equal(made.sheet.rows.count, rows);
	end(&made);
}

static void enter_on_a_leaf_shows_only_that(void **state)
{
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_TAGS);
	put_cursor(&made, 3);
	press(&made, KEY_ENTER);
	assert_string_equal(made.fixture.ui.filter.source, "tag:model/layer0/attn");
	assert_int_equal(made.sheet.rows.count, 3);
	assert_int_equal(number(&made, 0, "total_bytes"), MESH * 392ull * MB);
	end(&made);
}

/* The same as the sums that other verbs print, whatever is asked for. */
static void check_against_sums(struct made *made, enum tags_by by, enum sum_key key)
{
	const struct look *look = &made->fixture.look;
	uint64_t listed = 0, summed = 0, buffers = 0, summed_buffers = 0;
	const struct sum *sum;
	struct sums sums;

	made->fixture.ui.tags_by = by;
	make(made);
	sums_make(&sums, &look->reading->scene.machine, &look->selection, key, false);
	vec_for (sum, &sums.sums) {
		summed += sum->total_bytes;
		summed_buffers += sum->device_buffers;
	}
	for (size_t i = 0; i < made->sheet.rows.count; i++) {
		if (made->sheet.rows.items[i].depth != 0)
			continue;
		listed += number(made, i, "total_bytes");
		if (value(made, i, "device_buffers")->known) /* counters have none */
			buffers += number(made, i, "device_buffers");
	}
	assert_int_equal(listed, summed);
	assert_int_equal(buffers, summed_buffers);
	if (by != TAGS_BY_TAG)
		assert_int_equal(made->sheet.rows.count, sums.sums.count);
	sums_finish(&sums);
}

static void groups_add_up_to_the_sums(void **state)
{
	static const char *const filters[] = {"", "dev:13 pid:4242", "dev:0-3 kind:DRAM pid:4250",
	                                      "pid:4250", "kind:L1"};
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_TAGS);
	for (size_t i = 0; i < ARRAY_COUNT(filters); i++) {
		filter(&made, filters[i]);
		check_against_sums(&made, TAGS_BY_TAG, SUM_BY_TAG);
		check_against_sums(&made, TAGS_BY_KIND, SUM_BY_KIND);
		check_against_sums(&made, TAGS_BY_PROCESS, SUM_BY_PROCESS);
		check_against_sums(&made, TAGS_BY_DEVICE, SUM_BY_DEVICE);
	}
	end(&made);
}

static void b_groups_by_the_next(void **state)
{
	struct made made;
	uint64_t bytes = 0;

	(void)state;
	begin(&made, "mesh32", SCREEN_TAGS);
	press(&made, 'b');
	assert_string_equal(made.sheet.columns[0].name, "kind");
	assert_int_equal(number(&made, row_of(&made, "kind", "L1"), "total_bytes"),
	                 MESH * 8 * MB + 2 * MB);
	press(&made, 'b');
	assert_string_equal(words(&made, 0, "process"), "4242  python3 train.py --layers 4");
	press(&made, 'b');
	assert_int_equal(made.sheet.rows.count, MESH);
	assert_int_equal(number(&made, 13, "total_bytes") - number(&made, 14, "total_bytes"),
	                 5120 * MB);
	press(&made, 'b');
	assert_string_equal(made.sheet.columns[0].name, "age");
	for (size_t i = 0; i < made.sheet.rows.count; i++)
		bytes += number(&made, i, "total_bytes");
	assert_int_equal(bytes, made.fixture.reading.survey->bytes);
	press(&made, 'b');
	assert_string_equal(made.sheet.columns[0].name, "tag");
	end(&made);
}

static void a_filter_by_tag_holds_in_all_groups(void **state)
{
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_TAGS);
	filter(&made, "tag:loss*");
	for (enum tags_by by = 0; by < TAGS_BY_LIMIT; by++) {
		uint64_t bytes = 0;

		made.fixture.ui.tags_by = by;
		make(&made);
		for (size_t i = 0; i < made.sheet.rows.count; i++)
			if (made.sheet.rows.items[i].depth == 0)
				bytes += number(&made, i, "total_bytes");
		assert_int_equal(bytes, loss_bytes);
	}
	end(&made);
}

static void tags_change_since_the_mark(void **state)
{
	struct made made;
	size_t kv, model;

	(void)state;
	begin(&made, "mesh32", SCREEN_TAGS);
	assert_int_equal(made.sheet.column_count, 7); /* nothing to compare with */
	tui_fixture_mark(&made.fixture, 50);
	make(&made);
	kv = row_of(&made, "tag", "kv_cache");
	model = row_of(&made, "tag", "model");
	/* The fixture's half is of whole hundreds. */
	assert_in_range(value(&made, kv, "change_bytes")->change, 4096 * MB, 4096 * MB + 100);
	assert_in_range(value(&made, model, "change_bytes")->change,
	                number(&made, model, "total_bytes") / 2,
	                number(&made, model, "total_bytes") / 2 + 1000);
	assert_int_equal(value(&made, kv, "change_bytes")->style, STYLE_GROWTH);
	filter(&made, "dev:0"); /* the mark is of all devices */
	assert_false(value(&made, 0, "change_bytes")->known);
	filter(&made, "tag:kv_cache");
	assert_in_range(value(&made, 0, "change_bytes")->change, 4096 * MB, 4096 * MB + 100);
	end(&made);
}

/* A share of one device alone is one of that device, and not of all. */
static void uneven_shares_are_exact(void **state)
{
	const uint32_t devices[] = {0, 1, 2, 3};
	struct built_view *built = build_view(77, LIFE_ALIVE);
	struct made made = {.has_sheet = false};
	struct segment_view *view = &built->view;
	uint32_t mesh;

	(void)state;
	for (uint32_t d = 0; d < 4; d++)
		build_device(built, 0x100 + d, (int32_t)d, "");
	mesh = build_mesh_space(built, 2, 2, devices);
	view->rows[view->row_count++] = (struct view_row){.space = mesh,
	                                                  .member = ROW_ALL_MEMBERS,
	                                                  .tag = build_tag(built, "even"),
	                                                  .bytes = 100,
	                                                  .held = 128,
	                                                  .buffers = 1};
	view->rows[view->row_count++] = (struct view_row){.space = mesh,
	                                                  .member = 2,
	                                                  .tag = build_tag(built, "even/odd"),
	                                                  .bytes = 7,
	                                                  .held = 8,
	                                                  .buffers = 1};
	tui_fixture_init(&made.fixture, "empty");
	machine_finish(&made.fixture.reading.scene.machine);
	*vec_add(&made.fixture.reading.scene.views) = segment_view_hold(view);
	machine_build(
		&made.fixture.reading.scene.machine,
		&(struct machine_input){made.fixture.reading.scene.views.items, 1, NULL, false});
	made.fixture.ui.screen = SCREEN_TAGS;
	tui_fixture_filter(&made.fixture, "");
	make(&made);
	assert_int_equal(number(&made, 0, "total_bytes"), 407);
	assert_int_equal(number(&made, 0, "own_bytes"), 400);
	assert_int_equal(number(&made, 0, "held_bytes"), 520);
	assert_int_equal(number(&made, 1, "device_buffers"), 1);
	filter(&made, "dev:0 dev:1");
	assert_int_equal(number(&made, 0, "total_bytes"), 200);
	filter(&made, "dev:2");
	assert_int_equal(number(&made, 0, "total_bytes"), 107);
	made.fixture.ui.tags_by = TAGS_BY_DEVICE;
	filter(&made, "");
	assert_int_equal(number(&made, 2, "total_bytes"), 107);
	assert_int_equal(number(&made, 3, "total_bytes"), 100);
	end(&made);
	build_free(built);
}

/* --- processes ------------------------------------------------------------------------------ */

static void processes_are_listed(void **state)
{
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_PROCESSES);
	assert_int_equal(made.sheet.rows.count, 4);
	assert_int_equal(number(&made, 0, "pid"), 4242);
	assert_string_equal(words(&made, 0, "state"), "live");
	assert_int_equal(number(&made, 0, "faults"), 16);
	assert_int_equal(number(&made, 0, "rank"), 0);
	assert_int_equal(number(&made, 0, "l1_bytes"), MESH * 8 * MB);
	assert_int_equal(number(&made, 0, "trace_bytes"), MESH * 40 * MB);
	assert_true(value(&made, 0, "allocs_per_second")->real > 100);
	assert_int_equal(number(&made, 1, "pid"), 4250);
	assert_int_equal(number(&made, 1, "dram_bytes"), 4 * 8 * 256 * MB);
	assert_int_equal(number(&made, 1, "age_seconds"), 600 * SECOND_NS);
	assert_string_equal(words(&made, 2, "state"), "totals");
	assert_int_equal(number(&made, 2, "dram_bytes"), 300 * MB);
	assert_true(value(&made, 2, "dram_bytes")->inexact);
	assert_false(value(&made, 2, "device_buffers")->known); /* unknown is not zero */
	assert_string_equal(words(&made, 3, "state"), "killed");
	assert_int_equal(made.sheet.rows.items[3].style, STYLE_DEAD);
	assert_false(value(&made, 3, "allocs_per_second")->known);
	end(&made);
}

/* OpenCL devices alone: their memory has the columns that DRAM and L1 would have in vain. */
static void processes_of_other_memory_alone(void **state)
{
	struct screen_fixture fixture;
	struct built_view *built;

	(void)state;
	screen_fixture_init(&fixture);
	built = screen_fixture_add(&fixture, 10, 0x100, 1);
	build_buffer(built, build_device_space(built, 0), 1, 64 * MB)->kind = MT_TRACE;
	screen_fixture_ready(&fixture);
	screen_fixture_draw(&fixture, SCREEN_PROCESSES, 24, 80);
	assert_true(screen_has(&fixture, "TRACE"));
	assert_true(screen_has(&fixture, "64.00 MB"));
	assert_false(screen_has(&fixture, "DRAM  "));
	screen_fixture_finish(&fixture);
}

static void processes_filtered(void **state)
{
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_PROCESSES);
	filter(&made, "dev:13");
	assert_int_equal(made.sheet.rows.count, 2); /* one that lives, and the killed one */
	assert_int_equal(number(&made, 0, "pid"), 4242);
	assert_true(number(&made, 0, "dram_bytes") > 5120 * MB);
	filter(&made, "eval.py");
	assert_int_equal(made.sheet.rows.count, 1);
	filter(&made, "tag:kv_cache");
	assert_int_equal(made.sheet.rows.count, 1);
	assert_int_equal(number(&made, 0, "dram_bytes"), 4 * 8 * 256 * MB);
	filter(&made, "tag:loss*");
	assert_int_equal(number(&made, 0, "dram_bytes"), loss_bytes);
	assert_false(value(&made, 0, "dram_peak_bytes")->known);
	filter(&made, "tag:nothing");
	assert_int_equal(made.sheet.rows.count, 0);
	assert_non_null(strstr(text_string(&made.sheet.empty), "filter"));
	end(&made);
}

/* What a process has not given back, be it alive: buffers of spaces that it has closed. */
static void what_is_left_is_seen(void **state)
{
	struct made made;

	(void)state;
	begin(&made, "file", SCREEN_PROCESSES);
	assert_int_equal(number(&made, 0, "left_bytes"), 8 << 20);
	assert_int_equal(value(&made, 0, "left_bytes")->style, STYLE_WARNING);
	assert_true(number(&made, 0, "device_buffers") > 8);
	filter(&made, "dev:0");
	assert_int_equal(number(&made, 0, "left_bytes"), 1 << 20);
	end(&made);
}

/* The library writes the fault down first, and what is kept of the failure as the next operation.
 */
static void a_failure_is_one_line(void **state)
{
	struct view_fault fault = {.type = MT_ALLOC_FAILED, .first_op = 618, .last_op = 700};

	(void)state;
	assert_true(fault_has_failure(&fault, &(struct view_failure){.op = 619}));
	assert_true(fault_has_failure(&fault, &(struct view_failure){.op = 701}));
	assert_false(fault_has_failure(&fault, &(struct view_failure){.op = 702}));
	assert_false(fault_has_failure(&fault, &(struct view_failure){.op = 617}));
	fault.type = MT_DOUBLE_FREE;
	assert_false(fault_has_failure(&fault, &(struct view_failure){.op = 619}));
}

static void the_dead_are_dismissed(void **state)
{
	struct made made;
	struct ui_wish wish;

	(void)state;
	begin(&made, "mesh32", SCREEN_PROCESSES);
	press(&made, 'd'); /* on a living one */
	assert_int_equal(made.sheet.rows.count, 4);
	assert_non_null(strstr(text_string(&made.fixture.ui.complaint), "only what has ended"));
	put_cursor(&made, 3);
	wish = tui_fixture_key(&made.fixture, KEY_DELETE);
	make(&made);
	assert_int_equal(made.sheet.rows.count, 3);
	assert_true(wish.dismiss);
	assert_int_equal(made.fixture.ui.dismissed.items[0], made.fixture.views[2]->view.identity);
	end(&made);
	begin(&made, "example", SCREEN_PROCESSES);
	press(&made, 'D');
	for (size_t i = 0; i < made.sheet.rows.count; i++)
		assert_int_not_equal(made.sheet.rows.items[i].style, STYLE_DEAD);
	assert_int_equal(made.fixture.ui.dismissed.count, 2);
	end(&made);
}

static size_t process_number(const struct made *made, int32_t pid)
{
	const struct machine *machine = &made->fixture.reading.scene.machine;

	for (size_t i = 0; i < machine->processes.count; i++)
		if (machine->processes.items[i].pid == pid)
			return i;
	fail_msg("no process %d", pid);
	return 0;
}

static void processes_are_a_tree_by_parent(void **state)
{
	struct process_facts *facts;
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_PROCESSES);
	assert_true(made.sheet.tree_column == SIZE_MAX); /* nobody knows of parents */
	facts = mem_calloc(made.fixture.reading.scene.machine.processes.count, sizeof(*facts));
	for (size_t i = 0; i < made.fixture.reading.scene.machine.processes.count; i++)
		facts[i] = (struct process_facts){SIZE_MAX, "ann"};
	facts[process_number(&made, 4250)].parent = process_number(&made, 991);
	facts[process_number(&made, 4100)].parent = process_number(&made, 4250);
	made.fixture.reading.facts = facts;
	make(&made);
	assert_string_equal(words(&made, 0, "user"), "ann");
	assert_int_equal(number(&made, 1, "pid"), 991);
	assert_int_equal(number(&made, 2, "pid"), 4250);
	assert_int_equal(number(&made, 3, "pid"), 4100);
	assert_int_equal(made.sheet.rows.items[3].depth, 2);
	put_cursor(&made, 1);
	press(&made, KEY_SPACE);
	assert_int_equal(made.sheet.rows.count, 2);
	press(&made, KEY_SPACE);
	press(&made, 't');
	assert_true(made.sheet.tree_column == SIZE_MAX);
	assert_int_equal(number(&made, 1, "pid"), 4250); /* by what they hold */
	press(&made, 't');
	/* A circle, which /proc cannot have, hides nobody. */
	facts[process_number(&made, 991)].parent = process_number(&made, 4100);
	make(&made);
	assert_int_equal(made.sheet.rows.count, 4);
	free(facts);
	made.fixture.reading.facts = NULL;
	end(&made);
}

static void enter_shows_one_process(void **state)
{
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_PROCESSES);
	put_cursor(&made, 1);
	press(&made, KEY_ENTER);
	assert_string_equal(made.fixture.ui.filter.source, "pid:4250");
	assert_int_equal(made.fixture.ui.screen, SCREEN_TAGS);
	assert_int_equal(made.sheet.rows.count, 1);
	press(&made, KEY_ESCAPE);
	assert_int_equal(made.fixture.ui.screen, SCREEN_PROCESSES);
	end(&made);
}

/* A child that waits, whose parent is this test: the two are tracked, what is above is not. */
static void parents_are_read_from_the_system(void **state)
{
	struct facts_memory memory = {.by_identity = {.same = NULL}};
	struct built_view *built[2];
	struct segment_view *views[2];
	struct process_facts *facts;
	struct machine machine;
	int wait_here[2];
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(wait_here), 0);
	child = fork();
	if (child == 0) {
		close(wait_here[1]);
		_exit(read(wait_here[0], &byte, 1) < 0);
	}
	built[0] = build_view(child, LIFE_ALIVE);
	built[1] = build_view(getpid(), LIFE_ALIVE);
	for (size_t i = 0; i < 2; i++) {
		built[i]->view.identity = 100 + i;
		built[i]->view.subject.uid = getuid();
		views[i] = &built[i]->view;
	}
	machine_build(&machine, &(struct machine_input){views, 2, NULL, false});
	facts = process_facts_read(&memory, &machine);
	assert_int_equal(facts[0].parent, 1);
	assert_true(facts[1].parent == SIZE_MAX);
	assert_true(facts[0].user[0] != '\0');
	assert_string_equal(facts[0].user, facts[1].user);
	free(facts);
	/* Once it has ended the system does not know any more; we do. */
	close(wait_here[0]);
	close(wait_here[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	facts = process_facts_read(&memory, &machine);
	assert_int_equal(facts[0].parent, 1);
	free(facts);
	/* Another one with the pid of the parent is not the parent. */
	built[1]->view.subject.start_ticks = 1;
	facts = process_facts_read(&memory, &machine);
	assert_true(facts[0].parent == SIZE_MAX);
	free(facts);
	facts_memory_finish(&memory);
	machine_finish(&machine);
	build_free(built[0]);
	build_free(built[1]);
}

/* --- growth --------------------------------------------------------------------------------- */

static void growth_of_steps_needs_no_mark(void **state)
{
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_GROWTH);
	assert_string_equal(words(&made, 0, "tag"), "train/loss_history");
	assert_string_equal(words(&made, 0, "grows"), "every step");
	assert_int_equal(number(&made, 0, "step_0_bytes"), MESH * (3 * MB + 6 * 64 * KB));
	assert_int_equal(number(&made, 0, "step_1_bytes"), MESH * (3 * MB + 5 * 64 * KB));
	assert_int_equal(number(&made, 0, "bytes_per_step"), MESH * (3 * MB + 3 * 64 * KB));
	for (size_t i = 1; i < made.sheet.rows.count; i++)
		assert_string_equal(words(&made, i, "grows"), "no");
	end(&made);
	begin(&made, "example", SCREEN_GROWTH);
	assert_int_equal(made.sheet.rows.count, 0);
	assert_non_null(strstr(text_string(&made.sheet.empty), "press m"));
	assert_non_null(strstr(text_string(&made.sheet.empty), "mt_mark"));
	end(&made);
}

static void growth_since_the_mark(void **state)
{
	const struct survey *survey;
	uint64_t stayed = 0, listed = 0;
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_GROWTH);
	tui_fixture_mark(&made.fixture, 50);
	make(&made);
	survey = made.fixture.reading.survey;
	assert_true(survey->has_mark);
	for (size_t i = 0; i < survey->growth.count; i++)
		stayed += survey->growth.items[i].stayed_bytes;
	for (size_t i = 0; i < made.sheet.rows.count; i++)
		listed += number(&made, i, "stayed_bytes");
	assert_int_equal(listed, stayed);
	assert_string_equal(words(&made, 0, "tag"), "train/loss_history");
	assert_int_equal(number(&made, 0, "stayed_bytes"), loss_bytes);
	assert_int_equal(number(&made, 0, "stayed_device_buffers"), MESH * 6);
	assert_int_equal(number(&made, 0, "stayed_bytes_per_second"), (loss_bytes + 150) / 300);
	for (size_t i = 2; i < made.sheet.rows.count; i++) /* the others by size */
		assert_true(number(&made, i, "stayed_bytes") <=
		            number(&made, i - 1, "stayed_bytes"));
	tui_fixture_mark(&made.fixture, 100);
	make(&made);
	assert_int_equal(made.sheet.rows.count, 1); /* what grows, though none of it is new */
	filter(&made, "tag:kv_cache");
	assert_int_equal(made.sheet.rows.count, 0);
	assert_non_null(strstr(text_string(&made.sheet.empty), "so far nothing has leaked"));
	end(&made);
}

static void growth_by_buffer(void **state)
{
	struct made made;
	size_t loss = 0;

	(void)state;
	begin(&made, "mesh32", SCREEN_GROWTH);
	press(&made, 'b');
	assert_int_equal(made.sheet.rows.count, 0);
	assert_non_null(strstr(text_string(&made.sheet.empty), "m sets a mark"));
	tui_fixture_mark(&made.fixture, 50);
	make(&made);
	for (size_t i = 0; i < made.sheet.rows.count; i++) {
		assert_string_not_equal(words(&made, i, "tag"), "model/layer0/attn"); /* before */
		loss += strcmp(words(&made, i, "tag"), "train/loss_history") == 0;
		if (i != 0)
			assert_true(number(&made, i, "total_bytes") <=
			            number(&made, i - 1, "total_bytes"));
	}
	assert_int_equal(loss, 6);
	put_cursor(&made, row_of(&made, "tag", "train/loss_history"));
	press(&made, KEY_ENTER);
	assert_string_equal(made.fixture.ui.filter.source, "tag:train/loss_history");
	assert_int_equal(made.sheet.rows.count, 6);
	press(&made, 'b');
	assert_int_equal(made.sheet.rows.count, 1);
	end(&made);
}

/* --- faults --------------------------------------------------------------------------------- */

static void faults_are_listed_newest_first(void **state)
{
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_FAULTS);
	assert_int_equal(made.sheet.rows.count, 3);
	assert_string_equal(words(&made, 0, "type"), "out of range");
	assert_int_equal(number(&made, 0, "count"), 12);
	assert_int_equal(number(&made, 0, "age_seconds"), 15 * SECOND_NS);
	assert_string_equal(words(&made, 1, "type"), "unknown free");
	assert_string_equal(words(&made, 2, "first"), "model/layer1/attn @ attention.py:88");
	assert_string_equal(words(&made, 2, "then"), "cleanup.py:12");
	assert_string_equal(words(&made, 2, "device"), "21");
	end(&made);
}

static void faults_of_one_type(void **state)
{
	static const char *const types[] = {"unknown free", "double free", "out of range"};
	struct made made;

	(void)state;
	begin(&made, "mesh32", SCREEN_FAULTS);
	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		press(&made, 'f');
		assert_int_equal(made.sheet.rows.count, 1);
		assert_string_equal(words(&made, 0, "type"), types[i]);
	}
	press(&made, 'f');
	assert_int_equal(made.sheet.rows.count, 3);
	filter(&made, "type:double-free");
	assert_int_equal(made.sheet.rows.count, 1);
	filter(&made, "dev:30");
	assert_int_equal(made.sheet.rows.count, 1);
	filter(&made, "cleanup.py:19");
	assert_string_equal(words(&made, 0, "type"), "unknown free");
	filter(&made, "tag:attn*");
	assert_string_equal(words(&made, 0, "type"), "double free");
	put_cursor(&made, 0);
	press(&made, KEY_ENTER);
	assert_string_equal(made.fixture.ui.filter.source, "tag:attn* pid:4242");
	end(&made);
}

static void failures_and_findings_are_listed(void **state)
{
	struct made made;
	size_t failed;

	(void)state;
	begin(&made, "example", SCREEN_FAULTS);
	failed = row_of(&made, "type", "failed allocation");
	assert_int_equal(number(&made, failed, "pid"), 4700);
	assert_int_equal(number(&made, failed, "bytes"), 3 * KB * MB);
	assert_string_equal(words(&made, made.sheet.rows.count - 1, "type"), "overlap");
	end(&made);
}

static void no_faults_is_said(void **state)
{
	struct made made;

	(void)state;
	begin(&made, "mesh1024", SCREEN_FAULTS);
	assert_string_equal(text_string(&made.sheet.empty),
	                    "No faults: every call of the one process was right.\n");
	end(&made);
	begin(&made, "mesh32", SCREEN_FAULTS);
	filter(&made, "type:malformed");
	assert_non_null(strstr(text_string(&made.sheet.empty), "filter"));
	end(&made);
}

/* --- pictures ------------------------------------------------------------------------------- */

static bool has_text(const struct canvas *canvas, const char *text)
{
	struct text line = {0};
	bool found = false;

	for (int row = 0; row < canvas->rows && !found; row++) {
		text_clear(&line);
		for (int at = 0; at < canvas->columns; at++)
			text_add(&line, canvas_cell(canvas, row, at)->bytes);
		found = strstr(text_string(&line), text) != NULL;
	}
	text_finish(&line);
	return found;
}

static void draw(struct made *made, struct canvas *canvas, int rows, int columns)
{
	struct hits hits = {0};

	canvas_size(canvas, rows, columns);
	screens[made->fixture.ui.screen].draw(&made->fixture.look, &made->sheet, canvas,
	                                      canvas_area(canvas), &hits);
	hits_finish(&hits);
}

static void details_are_below_the_list(void **state)
{
	static const struct {
		enum screen_id screen;
		const char *expected;
	} cases[] = {
		{SCREEN_PROCESSES, "python3 train.py --layers 4"},
		{SCREEN_GROWTH,
	         "98 MB, 100 MB, 102 MB, 104 MB, 106 MB, 108 MB in the one under way"},
		{SCREEN_FAULTS, "Address, size or kind may be wrong"},
	};
	struct canvas canvas = {0};
	struct made made;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		begin(&made, "mesh32", cases[i].screen);
		draw(&made, &canvas, 24, 130);
		assert_true(has_text(&canvas, cases[i].expected));
		draw(&made, &canvas, 8, 130); /* no room */
		assert_false(has_text(&canvas, cases[i].expected));
		end(&made);
	}
	begin(&made, "mesh32", SCREEN_GROWTH);
	draw(&made, &canvas, 24, 130);
	assert_true(has_text(&canvas, "grows with every step: train/loss_history at loss.py:17, "
	                              "102 MB a step in process 4242"));
	end(&made);
	begin(&made, "example", SCREEN_FAULTS);
	put_cursor(&made, row_of(&made, "type", "failed allocation"));
	draw(&made, &canvas, 24, 130);
	assert_true(has_text(&canvas, "meshtally oom -p 4700"));
	end(&made);
	canvas_finish(&canvas);
}

static void check_safe(const struct canvas *canvas)
{
	for (int row = 0; row < canvas->rows; row++)
		for (int at = 0; at < canvas->columns; at++)
			for (const char *s = canvas_cell(canvas, row, at)->bytes; *s != '\0'; s++)
				assert_true((unsigned char)*s >= ' ' && *s != 0x7f);
}

static void any_size_and_any_bytes(void **state)
{
	static const char *const names[] = {"example", "mesh32", "mesh1024",
	                                    "hostile", "empty",  "file"};
	static const int sizes[][2] = {{0, 0},  {1, 1},   {1, 200}, {60, 1},  {3, 7},
	                               {8, 40}, {17, 80}, {21, 80}, {60, 200}};
	struct canvas canvas = {0};
	struct made made;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		for (enum screen_id id = SCREEN_PROCESSES; id < SCREEN_LIMIT; id++) {
			begin(&made, names[i], id);
			for (size_t n = 0; n < ARRAY_COUNT(sizes) * 2; n++) {
				if (n == ARRAY_COUNT(sizes)) {
					tui_fixture_mark(&made.fixture, 50);
					press(&made, 'b');
				}
				draw(&made, &canvas, sizes[n % ARRAY_COUNT(sizes)][0],
				     sizes[n % ARRAY_COUNT(sizes)][1]);
				check_safe(&canvas);
			}
			end(&made);
		}
	canvas_finish(&canvas);
}

/* Every key of the lists on every row of what hostile programs say. */
static void keys_on_anything(void **state)
{
	static const uint32_t keys[] = {KEY_SPACE, KEY_ENTER, 'b', 't', 'd', 'D', 'f', KEY_LEFT};
	struct made made;

	(void)state;
	for (enum screen_id id = SCREEN_PROCESSES; id < SCREEN_LIMIT; id++) {
		begin(&made, "hostile", id);
		for (size_t i = 0; i < 400; i++) {
			made.fixture.ui.screen = id;
			make(&made);
			if (made.sheet.rows.count != 0)
				put_cursor(&made, i % made.sheet.rows.count);
			press(&made, keys[i % ARRAY_COUNT(keys)]);
			if (made.sheet.rows.count == 0)
				filter(&made, "");
		}
		end(&made);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_a_tree),
		cmocka_unit_test(tags_fold),
		cmocka_unit_test(enter_on_a_leaf_shows_only_that),
		cmocka_unit_test(groups_add_up_to_the_sums),
		cmocka_unit_test(b_groups_by_the_next),
		cmocka_unit_test(a_filter_by_tag_holds_in_all_groups),
		cmocka_unit_test(tags_change_since_the_mark),
		cmocka_unit_test(uneven_shares_are_exact),
		cmocka_unit_test(processes_are_listed),
		cmocka_unit_test(processes_of_other_memory_alone),
		cmocka_unit_test(processes_filtered),
		cmocka_unit_test(what_is_left_is_seen),
		cmocka_unit_test(a_failure_is_one_line),
		cmocka_unit_test(the_dead_are_dismissed),
		cmocka_unit_test(processes_are_a_tree_by_parent),
		cmocka_unit_test(enter_shows_one_process),
		cmocka_unit_test(parents_are_read_from_the_system),
		cmocka_unit_test(growth_of_steps_needs_no_mark),
		cmocka_unit_test(growth_since_the_mark),
		cmocka_unit_test(growth_by_buffer),
		cmocka_unit_test(faults_are_listed_newest_first),
		cmocka_unit_test(faults_of_one_type),
		cmocka_unit_test(failures_and_findings_are_listed),
		cmocka_unit_test(no_faults_is_said),
		cmocka_unit_test(details_are_below_the_list),
		cmocka_unit_test(any_size_and_any_bytes),
		cmocka_unit_test(keys_on_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

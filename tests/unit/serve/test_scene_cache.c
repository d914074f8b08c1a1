/* SPDX-License-Identifier: Apache-2.0 */
/* Readings that keep what has not changed, and the last words of those that are gone. */
#include "dead_program.h"
#include "scene.h"
#include "scene_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

struct told {
	int loaded, gone;
	uint64_t last_identity;
	enum view_life last_life;
	uint64_t last_buffers;
};

static char dir[64];

static void loaded(void *arg, const struct segment_view *view)
{
	(void)view;
	((struct told *)arg)->loaded++;
}

static void gone(void *arg, const struct segment_view *last)
{
	struct told *told = arg;

	told->gone++;
	told->last_identity = last->identity;
	told->last_life = last->life;
	told->last_buffers = 0;
	for (uint32_t i = 0; i < last->row_count; i++)
		told->last_buffers += last->rows[i].buffers;
}

/* How many segments, and how many that are none. */
static void look(struct scene_cache *cache, size_t views, size_t rejects)
{
	const struct scene_request request = {.cache = cache, .no_counters = true};
	struct text error = {0};
	struct scene scene;

	assert_int_equal(scene_read(&scene, &request, &error), 0);
	assert_int_equal(scene.views.count, views);
	assert_int_equal(scene.rejects.count, rejects);
	scene_close(&scene);
	text_finish(&error);
}

static int start(void **state)
{
	program_dir_make(&dir);
	*state = NULL;
	return 0;
}

static int finish(void **state)
{
	(void)state;
	program_dir_remove(dir);
	return 0;
}

static void what_is_the_same_is_not_read(void **state)
{
	const struct program_plan plan = {.buffers = 3};
	struct told told = {0};
	const struct scene_cache_hooks hooks = {loaded, gone, &told};
	struct scene_cache *cache = scene_cache_create(&hooks);
	struct program a = program_start(&plan), b;

	(void)state;
	look(cache, 1, 0);
	look(cache, 1, 0);
	assert_int_equal(told.loaded, 1);
	assert_int_equal(scene_cache_stats(cache).reused, 1);
	b = program_start(&plan);
	look(cache, 2, 0);
	assert_int_equal(told.loaded, 2);
	/* Nothing in the file changes by a death. */
	program_end(&a, SIGKILL);
	look(cache, 2, 0);
	assert_int_equal(told.loaded, 3);
	assert_int_equal(told.gone, 0);
	program_end(&b, SIGKILL);
	scene_cache_destroy(cache);
	unlink(a.path);
	unlink(b.path);
}

static void last_words(void **state)
{
	const struct program_plan plan = {.buffers = 5};
	struct told told = {0};
	const struct scene_cache_hooks hooks = {loaded, gone, &told};
	struct scene_cache *cache = scene_cache_create(&hooks);
	struct program program = program_start(&plan);

	(void)state;
	/* Seen by a sweep alone, never read. */
	scene_cache_sweep(cache);
	assert_int_equal(told.loaded, 0);
	program_end(&program, SIGKILL);
	unlink(program.path);
	scene_cache_sweep(cache);
	assert_int_equal(told.loaded, 1);
	assert_int_equal(told.gone, 1);
	assert_int_equal(told.last_identity, program.identity);
	assert_int_equal(told.last_life, LIFE_KILLED);
	assert_int_equal(told.last_buffers, 5);
	look(cache, 0, 0);
	scene_cache_sweep(cache);
	assert_int_equal(told.gone, 1);
	scene_cache_destroy(cache);
}

static void what_is_no_segment(void **state)
{
	const struct program_plan plan = {.buffers = 1};
	struct told told = {0};
	const struct scene_cache_hooks hooks = {loaded, gone, &told};
	struct scene_cache *cache = scene_cache_create(&hooks);
	struct program program = program_start(&plan);
	char path[128], link[128];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/1-bad.seg", dir);
	snprintf(link, sizeof(link), "%s/2-link.seg", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "nonsense", 8), 8);
	assert_int_equal(symlink(path, link), 0);
	look(cache, 1, 2);
	look(cache, 1, 2);
	assert_int_equal(told.loaded, 1);
	assert_int_equal(scene_cache_stats(cache).rejected, 2);
	close(fd);
	unlink(path);
	unlink(link);
	look(cache, 1, 0);
	assert_int_equal(told.gone, 0);
	program_end(&program, SIGKILL);
	scene_cache_destroy(cache);
	unlink(program.path);
}

static struct scene read_scene(struct scene_cache *cache, struct segment_view *const *views,
                               size_t count)
{
	const struct scene_request request = {
		.cache = cache, .no_counters = true, .views = views, .view_count = count};
	struct text error = {0};
	struct scene scene;

	assert_int_equal(scene_read(&scene, &request, &error), 0);
	text_finish(&error);
	return scene;
}

static uint64_t live_records(const struct segment_view *view)
{
	uint64_t records = 0;

	for (uint32_t i = 0; i < view->row_count; i++)
		records += view->rows[i].buffers;
	return records;
}

/* Whatever becomes of the cache, and of what it has read. */
static void a_scene_stays_as_it_is(void **state)
{
	const struct program_plan plan = {.buffers = 4};
	struct told told = {0};
	const struct scene_cache_hooks hooks = {loaded, gone, &told};
	struct scene_cache *cache = scene_cache_create(&hooks);
	struct program program = program_start(&plan);
	struct scene before = read_scene(cache, NULL, 0), after;
	uint64_t last_ns = before.views.items[0]->last_ns;

	(void)state;
	assert_int_equal(before.views.count, 1);
	assert_true(last_ns != 0 && last_ns <= before.views.items[0]->read_ns);
	after = read_scene(cache, NULL, 0);
	assert_ptr_equal(after.views.items[0], before.views.items[0]);
	assert_true(scene_age(&after, after.views.items[0]) >=
	            scene_age(&before, before.views.items[0]));
	scene_close(&after);
	program_end(&program, SIGKILL);
	unlink(program.path);
	look(cache, 0, 0);
	assert_int_equal(told.gone, 1);
	scene_cache_destroy(cache);
	assert_int_equal(before.views.items[0]->life, LIFE_ALIVE);
	assert_true(before.views.items[0]->last_ns == last_ns);
	assert_int_equal(live_records(before.views.items[0]), 4);
	assert_int_equal(before.machine.processes.count, 1);
	assert_ptr_equal(before.machine.processes.items[0].view, before.views.items[0]);
	scene_close(&before);
}

/* What the monitor keeps of the dead is in its scenes, unless it is there anyway. */
static void further_views(void **state)
{
	const struct program_plan plan = {.buffers = 2};
	struct told told = {0};
	const struct scene_cache_hooks hooks = {loaded, gone, &told};
	struct scene_cache *cache = scene_cache_create(&hooks);
	struct program a = program_start(&plan), b = program_start(&plan);
	struct scene first = read_scene(cache, NULL, 0), scene;
	struct segment_view *kept[2];

	(void)state;
	assert_int_equal(first.views.count, 2);
	for (int i = 0; i < 2; i++)
		kept[i] = segment_view_hold(first.views.items[i]);
	scene_close(&first);
	program_end(&a, SIGKILL);
	unlink(a.path);
	scene = read_scene(cache, kept, 2);
	assert_int_equal(scene.views.count, 2);
	assert_int_equal(scene.views.items[0]->identity, b.identity);
	assert_int_equal(scene.views.items[1]->identity, a.identity);
	for (int i = 0; i < 2; i++)
		segment_view_destroy(kept[i]);
	scene_cache_destroy(cache);
	assert_int_equal(live_records(scene.views.items[1]), 2);
	scene_close(&scene);
	program_end(&b, SIGKILL);
	unlink(b.path);
}

static int count_begun(const struct segment_view *view, void *arg)
{
	((uint64_t *)arg)[0] += view->space_count != 0;
	return 0;
}

static int count_found(const struct view_buffer *buffer, void *arg)
{
	((uint64_t *)arg)[1] += buffer->bytes != 0;
	return 0;
}

/* Also of a segment that has lost its name since. */
static void single_buffers(void **state)
{
	const struct program_plan plan = {.buffers = 7};
	struct told told = {0};
	const struct scene_cache_hooks hooks = {loaded, gone, &told};
	struct scene_cache *cache = scene_cache_create(&hooks);
	struct program program = program_start(&plan);
	uint64_t counts[2] = {0}, off_by = 1;
	const struct segment_stream stream = {count_begun, count_found, counts};
	struct segment_reject reject;

	(void)state;
	look(cache, 1, 0);
	assert_int_equal(scene_cache_stream(cache, program.identity, &stream, &off_by, &reject), 0);
	assert_int_equal(counts[0], 1);
	assert_int_equal(counts[1], 7);
	assert_int_equal(off_by, 0);
	unlink(program.path);
	assert_int_equal(scene_cache_stream(cache, program.identity, &stream, &off_by, &reject), 0);
	assert_int_equal(counts[1], 14);
	assert_int_equal(scene_cache_stream(cache, program.identity + 1, &stream, &off_by, &reject),
	                 -ENOENT);
	assert_int_equal(counts[0], 2);
	program_end(&program, SIGKILL);
	scene_cache_destroy(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_the_same_is_not_read),
		cmocka_unit_test(last_words),
		cmocka_unit_test(what_is_no_segment),
		cmocka_unit_test(a_scene_stays_as_it_is),
		cmocka_unit_test(further_views),
		cmocka_unit_test(single_buffers),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Answers, made on the worker's thread from readings that several of them may share. */
#include "api_internal.h"
#include "cores.h"
#include "ended.h"
#include "leaks.h"
#include "shapes.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"

struct reading {
	bool there;
	struct scene scene;
	uint64_t at_ns, done_ns; /* begun, and ended */
};

struct api_maker {
	struct scene_cache *cache;
	struct totals totals;
	struct metrics_reads reads;
	struct reading by_totals, by_buffers;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool is_young(const struct reading *reading)
{
	return reading->there && now_ns() - reading->done_ns < API_REUSE_MS * 1000000ull;
}

static void reading_close(struct reading *reading)
{
	if (reading->there)
		scene_close(&reading->scene);
	reading->there = false;
}

/* fresh: however young the last one is. */
static struct reading *read_scene(struct api_maker *maker, enum view_depth depth, bool fresh)
{
	struct reading *reading = depth == VIEW_TOTALS ? &maker->by_totals : &maker->by_buffers;
	struct scene_request request = {.depth = depth};
	struct text error = {0};

	if (!fresh && is_young(reading))
		return reading;
	reading_close(reading);
	if (depth == VIEW_TOTALS)
		request.cache = maker->cache;
	reading->at_ns = now_ns();
	scene_read(&reading->scene, &request, &error);
	reading->there = true;
	text_finish(&error);
	reading->done_ns = now_ns();
	metrics_observe(&maker->reads, (double)(reading->done_ns - reading->at_ns) / 1e9);
	return reading;
}

struct api_maker *api_maker_create(void)
{
	struct api_maker *maker = mem_calloc(1, sizeof(*maker));
	const struct scene_cache_hooks hooks = {totals_loaded, totals_gone, &maker->totals};

	totals_init(&maker->totals);
	maker->cache = scene_cache_create(&hooks);
	return maker;
}

void api_maker_destroy(struct api_maker *maker)
{
	if (maker == NULL)
		return;
	reading_close(&maker->by_totals);
	reading_close(&maker->by_buffers);
	scene_cache_destroy(maker->cache);
	totals_finish(&maker->totals);
	free(maker);
}

/* Lets go of what nobody has asked for lately. */
void api_maker_sweep(struct api_maker *maker)
{
	if (!is_young(&maker->by_buffers))
		reading_close(&maker->by_buffers);
	if (is_young(&maker->by_totals))
		return;
	reading_close(&maker->by_totals);
	scene_cache_sweep(maker->cache);
}

void api_work_finish(struct api_work *work)
{
	findings_finish(&work->before);
	text_finish(&work->body);
	text_finish(&work->error);
	free(work->target);
}

/* Of the lists in an answer the longest. */
static size_t total_of(const json_t *root, const char *const *keys)
{
	size_t most = 0;

	for (; *keys != NULL; keys++) {
		json_int_t total = json_integer_value(json_object_get(root, *keys));

		most = (size_t)total > most ? (size_t)total : most;
	}
	return most;
}

static void add_page(json_t *root, const struct api_work *work, size_t total, bool full)
{
	const struct report_query *query = &work->request.query;
	size_t after = query->offset + query->limit;
	struct text next = {0};

	if (after < total && full)
		api_request_next(work->target, strlen(work->target), after, &next);
	json_object_set_new(root, "page",
	                    json_pack("{s:o, s:o, s:o, s:o}", "offset", json_amount(query->offset),
	                              "limit", json_amount(query->limit), "total",
	                              json_amount(total), "next",
	                              next.length != 0 ? json_string(next.bytes) : json_null()));
	text_finish(&next);
}

static json_t *make_devices(const struct scene *scene, const struct report_query *query,
                            size_t *ret_total)
{
	for (uint32_t row = 0; row < machine_shown_rows(&scene->machine); row++)
		*ret_total += selection_has_device(&scene->selection, row);
	return devices_json(scene, query);
}

static json_t *make_processes(const struct scene *scene, const struct report_query *query,
                              size_t *ret_total)
{
	const struct machine_process *process;

	vec_for (process, &scene->machine.processes)
		*ret_total += scene_shows(scene, process, true);
	return ps_json(scene, query);
}

static json_t *make_buffers(const struct scene *scene, const struct report_query *query,
                            size_t *ret_total)
{
	static const char *const keys[] = {"records", "sums_total", NULL};
	json_t *root = ls_json(scene, query);

	*ret_total = total_of(root, keys);
	return root;
}

static json_t *make_leaks(const struct scene *scene, const struct report_query *query,
                          size_t *ret_total)
{
	static const char *const keys[] = {"leaks_total", "ended_total", NULL};
	const struct leak_options options = {.dead_only = query->dead};
	struct ended_list ended = {0};
	struct leaks leaks;
	json_t *root;

	leaks_find(&leaks, &scene->machine, &scene->selection, &options);
	if (query->dead) {
		ended_find(&ended, scene);
		ended_sort_leaks(&ended, &leaks);
	}
	root = leaks_json(scene, &leaks, query);
	if (query->dead)
		json_object_update_new(root, ended_list_json(scene, &ended, query));
	*ret_total = total_of(root, keys);
	ended_finish(&ended);
	leaks_finish(&leaks);
	return root;
}

/* NULL: findings wait for a second look. */
static json_t *make_faults(struct api_work *work, const struct scene *scene, size_t *ret_total)
{
	static const char *const keys[] = {"faults_total", "findings_total", NULL};
	struct findings findings;
	json_t *root;

	findings_find(&findings, &scene->machine, &scene->selection);
	if (!work->again && findings.findings.count != 0) {
		work->before = findings;
		work->again = true;
		return NULL;
	}
	if (work->again)
		findings_confirm(&work->before, &findings);
	work->again = false;
	root = faults_json(scene, &findings, &work->request.query);
	findings_finish(&findings);
	*ret_total = total_of(root, keys);
	return root;
}

static json_t *make_shape(struct api_work *work, const struct scene *scene, size_t *ret_total)
{
	const struct report_query *query = &work->request.query;

	switch (work->request.path) {
	case API_DEVICES:
		return make_devices(scene, query, ret_total);
	case API_PROCESSES:
		return make_processes(scene, query, ret_total);
	case API_BUFFERS:
		return make_buffers(scene, query, ret_total);
	case API_FAULTS:
		return make_faults(work, scene, ret_total);
	default:
		return make_leaks(scene, query, ret_total);
	}
}

/* Lines on the page; of buffers there may be fewer than records. */
static bool is_full(const json_t *root, const struct report_query *query)
{
	const json_t *buffers = json_object_get(root, "buffers");

	return buffers == NULL || json_array_size(buffers) == query->limit;
}

static void finish_json(struct api_work *work, json_t *root, size_t total)
{
	char *text;

	add_page(root, work, total, is_full(root, &work->request.query));
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	work->status = 200;
	if (text != NULL)
		text_add(&work->body, text);
	text_add(&work->body, "\n");
	free(text);
}

/* The part of a reading that is asked for, and back to all of it. */
static void make_from(struct api_work *work, struct scene *scene)
{
	int result = scene_select(scene, &work->request.query.names, &work->error);
	size_t total = 0;
	json_t *root;

	if (result != 0) {
		work->again = false; /* there may have been something at the first look */
		work->status = result == -ENOENT ? 404 : 400;
		if (work->error.length == 0)
			text_add(&work->error, strerror(-result));
	} else {
		root = make_shape(work, scene, &total);
		if (root != NULL)
			finish_json(work, root, total);
	}
	selection_finish(&scene->selection);
	scene->selection = (struct selection){.all_kinds = true};
}

/* Totals are enough, unless circular buffers are there: then headroom asks for the L1 buffers. */
static bool has_circular_buffers(const struct scene *scene)
{
	for (size_t i = 0; i < scene->views.count; i++)
		if (cores_in_use(scene->views.items[i]))
			return true;
	return false;
}

static struct reading *reading_for(struct api_maker *maker, const struct api_work *work)
{
	const struct api_request *request = &work->request;
	struct reading *reading;

	switch (request->path) {
	case API_DEVICES:
		reading = read_scene(maker, VIEW_TOTALS, false);
		return has_circular_buffers(&reading->scene)
		               ? read_scene(maker, VIEW_BUFFERS, false)
		               : reading;
	case API_PROCESSES:
		return read_scene(maker, VIEW_TOTALS, false);
	case API_BUFFERS:
		return read_scene(maker, request->query.by < 0 ? VIEW_BUFFERS : VIEW_TOTALS, false);
	default:
		return read_scene(maker, VIEW_BUFFERS, work->again);
	}
}

/* With the post-mortems: read for this answer alone. */
static void make_dead_leaks(struct api_work *work)
{
	const struct selection_names *names = &work->request.query.names;
	const struct scene_request request = {.depth = VIEW_BUFFERS,
	                                      .dead = true,
	                                      .dead_pids = names->pids,
	                                      .dead_pid_count = names->pid_count};
	struct scene scene;

	scene_read(&scene, &request, &work->error);
	text_clear(&work->error);
	make_from(work, &scene);
	scene_close(&scene);
}

static void make_metrics(struct api_maker *maker, struct api_work *work)
{
	struct reading *reading = read_scene(maker, VIEW_TOTALS, false);
	const struct metrics_input input = {.scene = &reading->scene,
	                                    .totals = &maker->totals,
	                                    .server = work->server,
	                                    .cache = scene_cache_stats(maker->cache),
	                                    .reads = &maker->reads};

	metrics_write(&work->body, &input, work->openmetrics);
	work->status = 200;
	work->type = work->openmetrics ? METRICS_OPENMETRICS : METRICS_TEXT;
	work->age_seconds = (double)(now_ns() - reading->at_ns) / 1e9;
}

static void make_ready(struct api_work *work)
{
	DIR *dir = opendir(work->server.segment_dir);

	if (dir == NULL) {
		work->status = 503;
		text_addf(&work->error, "cannot read %s: %s", work->server.segment_dir,
		          strerror(errno));
		return;
	}
	closedir(dir);
	work->status = 200;
	work->type = "text/plain; charset=utf-8";
	text_add(&work->body, "ready\n");
}

static void make_postmortems(struct api_work *work)
{
	size_t total = 0;
	json_t *root = work->request.path == API_POSTMORTEM ? api_postmortem(work, &total)
	                                                    : api_postmortems(work, &total);

	if (root != NULL)
		finish_json(work, root, total);
}

static void make_live(struct api_maker *maker, struct api_work *work)
{
	struct reading *reading = reading_for(maker, work);

	make_from(work, &reading->scene);
	work->age_seconds = (double)(now_ns() - reading->at_ns) / 1e9;
}

void api_make(struct api_maker *maker, struct api_work *work)
{
	switch (work->request.path) {
	case API_METRICS:
		make_metrics(maker, work);
		break;
	case API_READYZ:
		make_ready(work);
		break;
	case API_POSTMORTEMS:
	case API_POSTMORTEM:
		make_postmortems(work);
		break;
	case API_LEAKS:
		if (work->request.query.dead) {
			make_dead_leaks(work);
			break;
		}
		make_live(maker, work);
		break;
	default:
		make_live(maker, work);
		break;
	}
}

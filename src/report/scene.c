/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include "safe.h"
#include "scene_cache.h"
#include "scene_dead.h"
#include "scene_load.h"
#include "units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_reject(const struct segment_reject *reject, void *arg)
{
	struct scene *scene = arg;

	*vec_add(&scene->rejects) = *reject;
}

uid_t scene_owner(const char *dir)
{
	struct stat status;

	if (stat(dir, &status) != 0)
		return (uid_t)-1;
	/* A directory that all may write to, as /tmp: files belong to whoever made them. */
	if ((status.st_mode & S_ISVTX) != 0 && (status.st_mode & S_IWOTH) != 0)
		return (uid_t)-1;
	return status.st_uid;
}

struct scene_reading {
	struct scene *scene;
	uid_t owner;
	VEC(struct scene_file) files;
};

static int note_file(const char *path, void *arg)
{
	struct scene_reading *reading = arg;
	struct scene_file *file = vec_add(&reading->files);

	file->path = mem_strdup(path);
	file->owner = reading->owner;
	return 0;
}

static void reject_found(const struct segment_reject *reject, void *arg)
{
	add_reject(reject, ((struct scene_reading *)arg)->scene);
}

/* Takes over the view of a file, or says why there is none. */
static void take_file(struct scene *scene, struct scene_file *file, uint64_t run_id)
{
	if (file->error == -ENOENT) {
		free(file->path); /* its program ended just now, with nothing to tell */
	} else if (file->error != 0) {
		snprintf(file->reject.path, sizeof(file->reject.path), "%s", file->path);
		add_reject(&file->reject, scene);
		free(file->path);
	} else if (run_id != 0 && file->view->run_id != run_id) {
		segment_view_destroy(file->view);
		free(file->path);
	} else {
		*vec_add(&scene->views) = file->view;
		*vec_add(&scene->paths) = file->path;
	}
}

static void read_each(struct scene *scene, const struct scene_request *request)
{
	struct scene_reading reading = {.scene = scene};
	struct scene_file *file;

	for (size_t i = 0; i < scene->dir_count; i++) {
		reading.owner = scene_owner(scene->dirs[i]);
		segment_dir_scan(scene->dirs[i], note_file, reject_found, &reading);
	}
	scene_load(reading.files.items, reading.files.count, request->depth);
	vec_for (file, &reading.files)
		take_file(scene, file, request->run_id);
	vec_finish(&reading.files);
}

static void read_segments(struct scene *scene, const struct scene_request *request)
{
	scene->dir_count = segment_dirs(scene->dirs, SCENE_MAX_DIRS);
	if (request->cache != NULL)
		scene_cache_read(request->cache, scene);
	else
		read_each(scene, request);
	if (request->run_id == 0 && !request->no_counters)
		tt_counters_scan(tt_counters_dir(), &scene->counters);
	if (request->dead)
		scene_add_dead(scene, request->dead_pids, request->dead_pid_count);
}

static int take_view(struct segment_view *view, void *arg)
{
	struct scene *scene = arg;

	*vec_add(&scene->views) = view;
	return 0;
}

static int read_file(struct scene *scene, const struct scene_request *request, struct text *error)
{
	struct segment_reject reject = {.path = "", .reason = ""};
	int result = segment_file_read(request->from, take_view, scene, &reject);

	if (result >= 0)
		return 0;
	text_add(error, "cannot read '");
	safe_terminal(error, request->from);
	text_addf(error, "': %s; `meshtally snapshot FILE` makes such files",
	          reject.reason[0] != '\0' ? reject.reason : strerror(-result));
	return result;
}

static bool has_identity(const struct scene *scene, uint64_t identity)
{
	for (size_t i = 0; i < scene->views.count; i++)
		if (scene->views.items[i]->identity == identity)
			return true;
	return false;
}

static void add_views(struct scene *scene, struct segment_view *const *views, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!has_identity(scene, views[i]->identity))
			*vec_add(&scene->views) = segment_view_hold(views[i]);
}

int scene_read(struct scene *scene, const struct scene_request *request, struct text *error)
{
	struct machine_input input;
	int result = 0;

	*scene = (struct scene){.from = request->from, .now_ns = units_now_ns()};
	if (request->from != NULL)
		result = read_file(scene, request, error);
	else
		read_segments(scene, request);
	add_views(scene, request->views, request->view_count);
	input = (struct machine_input){scene->views.items, scene->views.count, &scene->counters,
	                               request->from != NULL};
	machine_build(&scene->machine, &input);
	scene->selection.all_kinds = true;
	return result;
}

int scene_select(struct scene *scene, const struct selection_names *names, struct text *error)
{
	char reason[SELECTION_REASON];
	int result = selection_init(&scene->selection, &scene->machine, names, &reason);

	if (result != 0)
		safe_terminal(error, reason);
	return result;
}

void scene_close(struct scene *scene)
{
	selection_finish(&scene->selection);
	machine_finish(&scene->machine);
	for (size_t i = 0; i < scene->views.count; i++)
		segment_view_destroy(scene->views.items[i]);
	for (size_t i = 0; i < scene->paths.count; i++)
		free(scene->paths.items[i]);
	vec_finish(&scene->views);
	vec_finish(&scene->paths);
	vec_finish(&scene->rejects);
	tt_counters_finish(&scene->counters);
}

size_t scene_unknown(const struct scene *scene, bool dead)
{
	const struct machine_process *process;
	size_t count = 0;

	vec_for (process, &scene->machine.processes)
		count += process->view == NULL && (dead || process->counted) &&
		         selection_has_process(&scene->selection, process);
	return count;
}

size_t scene_known(const struct scene *scene)
{
	const struct machine_process *process;
	size_t count = 0;

	vec_for (process, &scene->machine.processes)
		count += process->view != NULL && !process->witness &&
		         selection_has_process(&scene->selection, process);
	return count;
}

uint64_t scene_age(const struct scene *scene, const struct segment_view *view)
{
	uint64_t now_ns = scene->from != NULL ? view->read_ns : scene->now_ns;

	if (view->last_ns == 0 || now_ns == 0)
		return UINT64_MAX;
	return view->last_ns < now_ns ? now_ns - view->last_ns : 0;
}

uint64_t scene_stale_since(const struct scene *scene, const struct machine_process *process)
{
	return process->view->last_ns < scene->now_ns ? process->view->last_ns : 0;
}

bool scene_shows(const struct scene *scene, const struct machine_process *process, bool dead)
{
	if (!selection_has_process(&scene->selection, process) || process->witness ||
	    (process->dead && !dead))
		return false;
	if (scene->selection.devices == NULL)
		return true;
	for (size_t i = 0; i < process->devices.count; i++)
		if (selection_has_device(&scene->selection, process->devices.items[i]))
			return true;
	return false;
}

bool scene_figure(const struct scene *scene, uint32_t row, uint32_t kind,
                  struct machine_figure *ret_figure)
{
	const struct machine *machine = &scene->machine;
	const struct machine_process *process;
	struct machine_figure figure;

	if (!selection_has_device(&scene->selection, row) ||
	    !selection_has_kind(&scene->selection, kind))
		return false;
	*ret_figure = machine->devices.items[row].figures[kind];
	if (scene->selection.pid_count == 0)
		return ret_figure->present;
	*ret_figure = (struct machine_figure){0};
	vec_for (process, &machine->processes) {
		if (!process->counted || !selection_has_process(&scene->selection, process) ||
		    !machine_process_figure(machine, process, row, kind, &figure))
			continue;
		figure_add(ret_figure, &figure);
		ret_figure->peak += figure.peak;
		ret_figure->peak_known = scene->selection.pid_count == 1 && figure.peak_known;
		ret_figure->capacity = figure.capacity;
	}
	return ret_figure->present;
}

bool scene_process_figure(const struct scene *scene, const struct machine_process *process,
                          uint32_t kind, struct machine_figure *ret_figure)
{
	struct machine_figure figure;

	if (!selection_has_kind(&scene->selection, kind))
		return false;
	if (scene->selection.devices == NULL) {
		*ret_figure = process->figures[kind];
		return ret_figure->present;
	}
	*ret_figure = (struct machine_figure){0};
	for (uint32_t row = 0; row < scene->machine.devices.count; row++)
		if (selection_has_device(&scene->selection, row) &&
		    machine_process_figure(&scene->machine, process, row, kind, &figure))
			figure_add(ret_figure, &figure);
	return ret_figure->present;
}

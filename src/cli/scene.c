/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include "safe.h"
#include "units.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
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

/* A file to be read, and what came of it. */
struct scene_file {
	char *path;
	uid_t owner;
	struct segment_view *view; /* NULL: see error */
	int error;
	struct segment_reject reject;
};

struct scene_reading {
	struct scene *scene;
	enum view_depth depth;
	uid_t owner;
	VEC(struct scene_file) files;
	atomic_size_t next; /* the file that is read next, by whichever thread */
};

enum { MAX_THREADS = 8 };

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

static void *load_files(void *arg)
{
	struct scene_reading *reading = arg;
	size_t at;

	while ((at = atomic_fetch_add(&reading->next, 1)) < reading->files.count) {
		struct scene_file *file = &reading->files.items[at];

		file->error = segment_view_load(file->path, file->owner, reading->depth,
		                                &file->view, &file->reject);
	}
	return NULL;
}

/* Buffers are many: each processor takes the next file. */
static void load_all(struct scene_reading *reading)
{
	pthread_t threads[MAX_THREADS];
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t wanted = processors > MAX_THREADS ? MAX_THREADS : (size_t)processors;
	size_t count = 0;

	if (reading->depth != VIEW_BUFFERS || processors < 2)
		wanted = 1;
	if (wanted > reading->files.count)
		wanted = reading->files.count;
	while (count + 1 < wanted &&
	       pthread_create(&threads[count], NULL, load_files, reading) == 0)
		count++;
	load_files(reading);
	while (count > 0)
		pthread_join(threads[--count], NULL);
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

static void read_segments(struct scene *scene, const struct scene_request *request)
{
	struct scene_reading reading = {.scene = scene, .depth = request->depth};
	struct scene_file *file;

	scene->dir_count = segment_dirs(scene->dirs, SCENE_MAX_DIRS);
	for (size_t i = 0; i < scene->dir_count; i++) {
		reading.owner = scene_owner(scene->dirs[i]);
		segment_dir_scan(scene->dirs[i], note_file, reject_found, &reading);
	}
	load_all(&reading);
	vec_for (file, &reading.files)
		take_file(scene, file, request->run_id);
	vec_finish(&reading.files);
	if (request->run_id == 0 && !request->no_counters)
		tt_counters_scan(tt_counters_dir(), &scene->counters);
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

int scene_read(struct scene *scene, const struct scene_request *request, struct text *error)
{
	struct machine_input input;
	int result = 0;

	*scene = (struct scene){.from = request->from, .now_ns = units_now_ns()};
	if (request->from != NULL)
		result = read_file(scene, request, error);
	else
		read_segments(scene, request);
	input = (struct machine_input){scene->views.items, scene->views.count, &scene->counters,
	                               request->from != NULL};
	machine_build(&scene->machine, &input);
	scene->selection.all_kinds = true;
	return result;
}

int scene_select(struct scene *scene, const struct options *options, struct text *error)
{
	struct selection_names names = {options->devices.items, options->kinds.items,
	                                options->devices.count, options->kinds.count,
	                                options->pids.items,    options->pids.count};
	char reason[SELECTION_REASON];
	int result = selection_init(&scene->selection, &scene->machine, &names, &reason);

	if (result != 0)
		safe_terminal(error, reason);
	return result;
}

int scene_open(struct scene *scene, const struct options *options, enum view_depth depth)
{
	struct scene_request request = {.depth = depth, .from = options->from};
	struct text error = {0};
	int result = scene_read(scene, &request, &error);

	if (result == 0)
		result = scene_select(scene, options, &error);
	if (result != 0) {
		verb_fails(options, "%s", text_string(&error));
		scene_close(scene);
	}
	text_finish(&error);
	return result != 0 ? STATUS_FAILED : STATUS_OK;
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

bool scene_is_empty(const struct scene *scene)
{
	return scene->machine.processes.count == 0;
}

void scene_empty_text(const struct scene *scene, struct text *out)
{
	if (scene->from != NULL) {
		text_add(out, "The file has no process in it.\n");
		return;
	}
	text_add(out, "No process on this machine is tracked.\n"
	              "  meshtally run -- PROGRAM   runs one with tracking on;\n"
	              "  MESHTALLY=1                in a program's environment turns it on;\n"
	              "  meshtally doctor           says why a program does not show up.\n");
}

static size_t scene_known(const struct scene *scene)
{
	const struct machine_process *process;
	size_t count = 0;

	vec_for (process, &scene->machine.processes)
		count += process->view != NULL && selection_has_process(&scene->selection, process);
	return count;
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

void scene_unknown_text(const struct scene *scene, bool dead, size_t width, struct text *out)
{
	size_t count = scene_unknown(scene, dead);
	struct text line = {0};

	if (count == 0)
		return;
	text_addf(&line,
	          "%zu process%s known from tt-metal's counters alone (totals, no buffers): see "
	          "`meshtally ps`",
	          count, count == 1 ? " is" : "es are");
	safe_wrap(out, line.bytes, width, 2);
	text_finish(&line);
}

void scene_nothing_text(const struct scene *scene, const char *what, const char *nothing,
                        size_t width, struct text *out)
{
	if (scene_unknown(scene, true) != 0 && scene_known(scene) == 0)
		text_addf(out, "%s is not known.\n", what);
	else
		text_addf(out, "%s\n", nothing);
	scene_unknown_text(scene, true, width, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally run -- PROGRAM`: tracking on, and a summary at the end. */
#include "keep.h"
#include "probe.h"
#include "run_child.h"
#include "run_mark.h"
#include "run_opencl.h"
#include "run_silence.h"
#include "run_summary.h"
#include "safe.h"
#include "segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SILENCE_MS = 3000 };

struct run {
	const struct options *options;
	struct run_child child;
	uint64_t run_id;
	struct run_mark mark; /* a server leaves the segments to us */
	struct timespec start;
	struct probe probe; /* as it ran, if it was silent */
	bool probed;
	char keep_file[PATH_MAX];
	struct stat keep_before; /* of an older file of that name */
	struct text keep_note, silence;
	struct run_opencl opencl;
	int wait_status;
};

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static uint64_t random_id(void)
{
	uint64_t id = 0;

	while (id == 0)
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = units_now_ns() ^ (uint64_t)getpid() << 48;
	return id;
}

/* The program may go elsewhere: it gets the whole path. */
static int prepare_keep(struct run *run)
{
	const char *file = run->options->keep;
	char here[PATH_MAX] = "";

	if (file == NULL)
		return 0;
	if (file[0] != '/' && getcwd(here, sizeof(here)) == NULL)
		return -errno;
	if (snprintf(run->keep_file, sizeof(run->keep_file), "%s%s%s", here,
	             file[0] != '/' ? "/" : "", file) >= (int)sizeof(run->keep_file))
		return -ENAMETOOLONG;
	if (stat(run->keep_file, &run->keep_before) != 0)
		memset(&run->keep_before, 0, sizeof(run->keep_before));
	return 0;
}

/* Whether the library takes the snapshot, while the program runs. */
static bool keeps_inside(const struct options *options)
{
	return options->keep != NULL && options->at != NULL && strcmp(options->at, "exit") != 0;
}

static int start(struct run *run)
{
	const struct options *options = run->options;
	const char *environment[13] = {"MESHTALLY", "1", "MESHTALLY_RUN"};
	char id[17];
	char directory[256];
	size_t count = 3;

	run->run_id = random_id();
	run->mark.fd = -1;
	if (segment_file_directory(directory, sizeof(directory)) == 0)
		run_mark_set(&run->mark, directory, run->run_id);
	snprintf(id, sizeof(id), "%016" PRIx64, run->run_id);
	environment[count++] = id;
	if (keeps_inside(options)) {
		environment[count++] = "MESHTALLY_KEEP";
		environment[count++] = run->keep_file;
		environment[count++] = "MESHTALLY_KEEP_AT";
		environment[count++] = options->at;
	}
	if (options->opencl) {
		environment[count++] = "OPENCL_LAYERS";
		environment[count++] = text_string(&run->opencl.layers);
	}
	if (options->device_memory != 0) {
		environment[count++] = "MESHTALLY_OPENCL_DEVICE_MEMORY";
		environment[count++] = run->opencl.device_memory;
	}
	clock_gettime(CLOCK_MONOTONIC, &run->start);
	return run_child_start(&run->child, options->arguments, environment);
}

/* Why there is no segment, and what would bring buffers. */
static void explain_silence(struct run *run, bool running, struct text *out)
{
	struct run_silence silence = {
		.program = run->options->arguments[0],
		.pid = run->child.pid,
		.opencl = run->options->opencl,
		.running = running,
		.probe = run->probed ? &run->probe : NULL,
	};

	run_silence_explain(&silence, out);
}

static int read_run(const struct run *run, enum view_depth depth, struct scene *scene)
{
	struct scene_request request = {.depth = depth, .run_id = run->run_id, .no_counters = true};
	struct text error = {0};
	int result = scene_read(scene, &request, &error);

	text_finish(&error);
	return result;
}

/* After a few seconds: silence is the most common surprise, and better told early. */
static void look_for_segments(struct run *run)
{
	struct text text = {0};
	struct scene scene;
	bool silent;

	read_run(run, VIEW_TOTALS, &scene);
	silent = scene.views.count == 0;
	scene_close(&scene);
	if (!silent)
		return;
	probe_tree(run->child.pid, &run->probe);
	run->probed = true;
	explain_silence(run, true, &text);
	fprintf(stderr, "meshtally run: after %d s there is no segment of this program\n%s",
	        SILENCE_MS / 1000, text_string(&text));
	text_finish(&text);
}

/* What is worth nothing any more: its process ended, gave everything back, and did nothing wrong.
 */
static bool is_clean(const struct segment_view *view)
{
	if (view->life == LIFE_ALIVE || view->fault_total != 0 || view->failure_count != 0 ||
	    view->no_detail_buffers != 0 || (view->state & SEGMENT_STATE_INEXACT) != 0)
		return false;
	for (uint32_t i = 0; i < view->buffer_count; i++)
		if (view->buffers[i].class_now < CLASS_COUNTED_LIMIT)
			return false;
	return true;
}

/* "Snapshot: FILE, <what>." or "No snapshot in FILE: <what>." */
static void note_keep(struct run *run, bool made, const char *what)
{
	text_add(&run->keep_note, made ? "Snapshot: " : "No snapshot in ");
	safe_shell(&run->keep_note, run->keep_file);
	text_addf(&run->keep_note, "%s%s.", made ? ", " : ": ", what);
}

static bool keep_file_is_new(const struct run *run)
{
	const struct stat *before = &run->keep_before;
	struct stat now;

	return stat(run->keep_file, &now) == 0 &&
	       (now.st_ino != before->st_ino || now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
	        now.st_mtim.tv_nsec != before->st_mtim.tv_nsec);
}

/* At the exit we take the snapshot; else the library has, if the moment came. */
static void finish_keep(struct run *run, const struct scene *scene)
{
	struct text error = {0};
	size_t kept = 0;
	bool made;

	if (run->options->keep == NULL)
		return;
	if (keeps_inside(run->options)) {
		made = keep_file_is_new(run);
		text_addf(&error, made ? "taken at %s" : "the moment (%s) did not come",
		          run->options->at);
	} else {
		made = scene->paths.count != 0 &&
		       keep_segments(run->keep_file, scene->paths.items, scene->paths.count, &kept,
		                     &error) == 0;
		if (made || error.length == 0)
			text_add(&error,
			         made ? "taken at the exit" : "there is no segment to keep");
	}
	if (made)
		text_add(&error, "; read it with --from");
	note_keep(run, made, text_string(&error));
	text_finish(&error);
}

/* Removes the segments of the run that have nothing to tell. */
static void clean_up(const struct scene *scene, bool *kept)
{
	for (size_t i = 0; i < scene->views.count; i++) {
		kept[i] = !is_clean(scene->views.items[i]);
		if (!kept[i])
			unlink(scene->paths.items[i]);
	}
}

static int write_json(const struct options *options, json_t *root)
{
	int status = STATUS_OK;

	if (options->json_file == NULL)
		return show_json(root);
	if (json_dump_file(root, options->json_file, JSON_INDENT(2)) != 0)
		status = verb_fails(options, "cannot write '%s': %s", options->json_file,
		                    strerror(errno));
	json_decref(root);
	return status;
}

static int summarize(struct run *run, const struct scene *scene, const struct leaks *leaks)
{
	struct run_result result = {
		.program = run->options->arguments[0],
		.run_id = run->run_id,
		.wait_status = run->wait_status,
		.seconds = seconds_since(&run->start),
		.scene = scene,
		.leaks = leaks,
		.keep_file = run->options->keep != NULL ? run->keep_file : NULL,
	};
	bool *kept = mem_calloc(scene->views.count, sizeof(*kept));
	struct text out = {0};
	int status = STATUS_OK;

	finish_keep(run, scene);
	clean_up(scene, kept);
	if (scene->views.count == 0) {
		text_add(&run->silence, "It left no segment: nothing is known of its memory.\n");
		explain_silence(run, false, &run->silence);
		result.silence = text_string(&run->silence);
	}
	result.kept = kept;
	result.keep_note = run->keep_note.length != 0 ? run->keep_note.bytes : NULL;
	if (run->options->json) {
		status = write_json(run->options, run_summary_json(&result));
	} else {
		run_summary_text(&result, show_width_of(STDERR_FILENO), &out);
		fflush(stdout);
		fputs(text_string(&out), stderr);
		text_finish(&out);
	}
	free(kept);
	return status;
}

static int finish(struct run *run)
{
	struct leak_options all = {false};
	struct scene scene;
	struct leaks leaks;
	int status = run_exit_status(run->wait_status), own;

	read_run(run, VIEW_BUFFERS, &scene);
	leaks_find(&leaks, &scene.machine, &scene.selection, &all);
	own = summarize(run, &scene, &leaks);
	if (status == 0 && run->options->fail_on_leak && leaks.totals[VERDICT_LEAKED].records != 0)
		status = STATUS_FOUND;
	if (status == 0)
		status = own;
	leaks_finish(&leaks);
	scene_close(&scene);
	text_finish(&run->keep_note);
	text_finish(&run->silence);
	return status;
}

static int start_fails(const struct run *run, int error)
{
	struct text name = {0};

	safe_terminal(&name, run->options->arguments[0]);
	verb_fails(run->options, "cannot run '%s': %s", text_string(&name), strerror(-error));
	text_finish(&name);
	return error == -ENOENT ? 127 : 126;
}

/* "meshtally run: note: ..." for each line. */
static void print_notes(const char *notes)
{
	for (size_t length; *notes != '\0'; notes += length + (notes[length] == '\n')) {
		length = strcspn(notes, "\n");
		fprintf(stderr, "meshtally run: note: %.*s\n", (int)length, notes);
	}
}

static int prepare_opencl(struct run *run)
{
	struct text error = {0};
	int result;

	if (!run->options->opencl)
		return STATUS_OK;
	result = run_opencl_prepare(&run->opencl, run->options, &error);
	if (result == 0)
		print_notes(text_string(&run->opencl.notes));
	else
		verb_fails(run->options, "--opencl: %s", text_string(&error));
	text_finish(&error);
	return result == 0 ? STATUS_OK : STATUS_FAILED;
}

static int run_program(struct run *run)
{
	int status, error = start(run);

	if (error != 0) {
		run_mark_clear(&run->mark);
		return start_fails(run, error);
	}
	if (run_child_wait(&run->child, SILENCE_MS, &run->wait_status) == 0) {
		look_for_segments(run);
		run_child_wait(&run->child, -1, &run->wait_status);
	}
	status = finish(run);
	run_mark_clear(&run->mark);
	return status;
}

int verb_run(const struct options *options)
{
	struct run run = {.options = options};
	int status, error = prepare_keep(&run);

	if (error != 0)
		return verb_fails(options, "--keep '%s': %s", options->keep, strerror(-error));
	status = prepare_opencl(&run);
	if (status == STATUS_OK)
		status = run_program(&run);
	run_opencl_finish(&run.opencl);
	return status;
}

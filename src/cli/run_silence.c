/* SPDX-License-Identifier: Apache-2.0 */
#include "run_silence.h"

#include "probe_file.h"
#include "safe.h"
#include "scene.h"

#include <string.h>

/* What follows "  ", for a program that runs, and for one that has ended; %s is the file. */
struct words {
	const char *running, *ended;
};

static const struct words opencl_words[OPENCL_LIMIT] = {
	[OPENCL_UNUSED] = {"The OpenCL loader (%s) is in the program, and was not called yet: it "
                           "loads layers at the first call.",
                           "The OpenCL loader (%s) was in the program, but had not been called: it "
                           "loads layers at the first call."},
	[OPENCL_LAYERED] = {"meshtally's OpenCL layer is in the program, and attached when the "
                            "first buffer is made: there was none yet.",
                            "meshtally's OpenCL layer was in the program, but no buffer was made, "
                            "or it could not write: see `meshtally doctor`."},
	[OPENCL_NO_LOADER] =
		{"An OpenCL driver (%s) is in the program, but no loader: layers need "
                 "one, such as Debian's ocl-icd-libopencl1.",
                 "An OpenCL driver (%s) was in the program, but no loader: layers need "
                 "one, such as Debian's ocl-icd-libopencl1."},
	[OPENCL_MISSING] = {"OPENCL_LAYERS of the program names %s, which is not there: "
                            "`meshtally run --opencl` finds the layer.",
                            "OPENCL_LAYERS of the program named %s, which was not there: "
                            "`meshtally run --opencl` finds the layer."},
	[OPENCL_OLD_LOADER] = {"Its OpenCL loader (%s) knows nothing of layers: let it use ocl-icd "
                               "2.3.0, Khronos' loader 2021.04, or a later one.",
                               "Its OpenCL loader (%s) knew nothing of layers: let it use ocl-icd "
                               "2.3.0, Khronos' loader 2021.04, or a later one."},
	[OPENCL_PRIVILEGED] = {"It uses OpenCL with more rights than its user has (setuid): its "
                               "loader ignores OPENCL_LAYERS.",
                               "It used OpenCL with more rights than its user has (setuid): its "
                               "loader ignored OPENCL_LAYERS."},
	[OPENCL_NOT_LOADED] =
		{"It uses OpenCL, but its loader has not loaded %s, which "
                 "OPENCL_LAYERS names: it is of another architecture, has taken that "
                 "out of its environment, or is still starting its drivers.",
                 "It used OpenCL, but its loader had not loaded %s, which "
                 "OPENCL_LAYERS names: it was of another architecture, had taken that "
                 "out of its environment, or was still starting its drivers."},
};

static const struct words without_option = {
	"It uses OpenCL: `meshtally run --opencl -- PROGRAM` brings its buffers.",
	"It used OpenCL: `meshtally run --opencl -- PROGRAM` brings its buffers.",
};
static const struct words environment_lost = {
	"It uses OpenCL, but OPENCL_LAYERS is not in its environment any more: something between "
	"`meshtally run` and the program took it out (sudo, env -i, a job's scheduler).",
	"It used OpenCL, but OPENCL_LAYERS was not in its environment any more: something between "
	"`meshtally run` and the program took it out (sudo, env -i, a job's scheduler).",
};
static const struct words no_loader = {
	"There is no OpenCL loader in the program: it has not used OpenCL so far.",
	"There was no OpenCL loader in the program when it was looked at.",
};

static void add_words(const struct run_silence *silence, const struct words *words,
                      const char *file, struct text *out)
{
	const char *at = silence->running ? words->running : words->ended;
	const char *place = strstr(at, "%s");
	struct text line = {0};

	text_add(&line, "  ");
	text_bytes(&line, at, place != NULL ? (size_t)(place - at) : strlen(at));
	if (place != NULL) {
		safe_terminal(&line, file);
		text_add(&line, place + 2);
	}
	safe_wrap(out, text_string(&line), 80, 2);
	text_finish(&line);
}

/* What was seen of OpenCL while the program ran. */
static void explain_seen(const struct run_silence *silence, struct text *out)
{
	const struct probe_opencl *opencl = &silence->probe->opencl;
	bool known = opencl->state != OPENCL_NONE && opencl->state != OPENCL_NOT_ASKED;

	if (opencl->state == OPENCL_NONE && silence->opencl)
		add_words(silence, &no_loader, "", out);
	else if (opencl->state == OPENCL_NOT_ASKED)
		add_words(silence, silence->opencl ? &environment_lost : &without_option, "", out);
	else if (known)
		add_words(silence, &opencl_words[opencl->state], probe_opencl_file(opencl), out);
	if (opencl->state == OPENCL_UNUSED && !silence->opencl)
		text_add(out, "  If it uses OpenCL, `meshtally run --opencl -- PROGRAM` brings its "
		              "buffers.\n");
}

/* What its file says, where it ended before it was looked at. */
static void explain_file(const struct run_silence *silence, const struct probe_file *file,
                         struct text *out)
{
	bool opencl = file->opencl || file->opencl_loader;

	if (silence->opencl)
		text_add(out, "  meshtally's OpenCL layer was there for it: it made no OpenCL "
		              "buffer, or its loader\n  did not load the layer.\n");
	else if (opencl)
		text_add(out, "  Its file names OpenCL's loader: if it uses OpenCL, `meshtally run "
		              "--opencl -- PROGRAM`\n  brings its buffers.\n");
	if (file->privileged && (silence->opencl || opencl))
		text_add(out, "  It is setuid or setgid: an OpenCL loader may ignore OPENCL_LAYERS "
		              "in it.\n");
}

static void explain_library(const struct run_silence *silence, bool library, bool opencl,
                            struct text *out)
{
	if (library && silence->running) {
		text_add(out,
		         "  libmeshtally is in the program, but has not reported anything yet: no "
		         "device was opened.\n");
	} else if (library) {
		text_add(out,
		         "  libmeshtally is in the program, but it opened no device, or could not "
		         "write: see `meshtally doctor`.\n");
	} else {
		text_add(out,
		         "  libmeshtally is not in the program: nothing tells of its buffers.\n");
		if (!opencl)
			text_add(out,
			         "  Build its runtime with libmeshtally (pkg-config meshtally), or "
			         "preload an adapter for it.\n");
	}
}

static bool has_counters(const struct scene *scene, pid_t pid)
{
	for (size_t i = 0; i < scene->counters.devices.count; i++)
		for (uint32_t p = 0; p < scene->counters.devices.items[i].process_count; p++)
			if (scene->counters.devices.items[i].processes[p].pid == pid)
				return true;
	return false;
}

void run_silence_explain(const struct run_silence *silence, struct text *out)
{
	bool library, layer = false, opencl = silence->opencl;
	struct probe_file file;
	struct scene scene = {0};

	probe_program(silence->program, &file);
	library = file.program == PROGRAM_WITH;
	if (silence->probe != NULL) {
		library = library || silence->probe->library;
		layer = silence->probe->opencl.state == OPENCL_LAYERED;
		opencl = opencl || silence->probe->opencl.state != OPENCL_NONE;
	} else {
		opencl = opencl || file.opencl || file.opencl_loader;
	}
	if (!layer)
		explain_library(silence, library, opencl, out);
	if (silence->probe != NULL)
		explain_seen(silence, out);
	else
		explain_file(silence, &file, out);
	if (!library && file.program == PROGRAM_SCRIPT && silence->probe == NULL)
		text_add(out, "  (It is a script: what it ran was not looked at.)\n");
	tt_counters_scan(tt_counters_dir(), &scene.counters);
	if (has_counters(&scene, silence->pid))
		text_add(out,
		         "  Its totals are known from tt-metal's counters: `meshtally devices`.\n");
	tt_counters_finish(&scene.counters);
}

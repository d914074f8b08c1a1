/* SPDX-License-Identifier: Apache-2.0 */
#include "untracked.h"

#include "probe.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const untracked_words[UNTRACKED_LIMIT] = {
	[UNTRACKED_UNLINKED] = "writes to a segment whose file was removed: nobody can see it",
	[UNTRACKED_ELSEWHERE] = "writes to a segment in a directory that is not looked at",
	[UNTRACKED_OFF] = "has libmeshtally, but tracking is turned off (MESHTALLY=0)",
	[UNTRACKED_NOT_ON] = "has libmeshtally, but tracking is not turned on",
	[UNTRACKED_NO_SEGMENT] = "has libmeshtally and tracking on, but no segment yet",
	[UNTRACKED_LAYER_IDLE] = "has meshtally's OpenCL layer, and has made no buffer yet",
	[UNTRACKED_OPENCL] = "uses OpenCL without meshtally's layer: its buffers are not seen",
	[UNTRACKED_NO_LOADER] = "uses an OpenCL driver without a loader: nobody loads layers",
	[UNTRACKED_LAYER_MISSING] = "has OPENCL_LAYERS name meshtally's layer, which is not there",
	[UNTRACKED_OLD_LOADER] = "has an OpenCL loader that knows nothing of layers",
	[UNTRACKED_PRIVILEGED] =
		"has OPENCL_LAYERS name meshtally's layer, but more rights than its user (setuid)",
	[UNTRACKED_NOT_LOADED] =
		"has OPENCL_LAYERS name meshtally's layer, which its loader has not loaded",
};

const char *const untracked_advice[UNTRACKED_LIMIT] = {
	[UNTRACKED_UNLINKED] = "restart it; on logout logind removes files in /dev/shm (RemoveIPC)",
	[UNTRACKED_ELSEWHERE] = "use the same MESHTALLY_DIR here, or none in either place",
	[UNTRACKED_OFF] = "start it with MESHTALLY=1, or with `meshtally run`",
	[UNTRACKED_NOT_ON] = "start it with MESHTALLY=1, or with `meshtally run`",
	[UNTRACKED_NO_SEGMENT] = "if it has opened a device, look at the directory it writes to",
	[UNTRACKED_LAYER_IDLE] = "it is attached when the first buffer is made",
	[UNTRACKED_OPENCL] = "start it with `meshtally run --opencl`",
	[UNTRACKED_NO_LOADER] = "link it with an OpenCL loader (libOpenCL.so.1), not with a driver",
	[UNTRACKED_LAYER_MISSING] = "start it with `meshtally run --opencl`, which finds the layer",
	[UNTRACKED_OLD_LOADER] =
		"let it use ocl-icd 2.3.0, Khronos' loader 2021.04, or a later one",
	[UNTRACKED_PRIVILEGED] = "run it as the user that it turns into",
	[UNTRACKED_NOT_LOADED] = "where the layer can be loaded (see opencl above), it is "
				 "of another architecture, or still starts its drivers",
};

static bool has_segment(const struct scene *scene, pid_t pid)
{
	for (size_t i = 0; i < scene->views.count; i++)
		if (scene->views.items[i]->life == LIFE_ALIVE &&
		    (scene->views.items[i]->subject.pid == pid ||
		     scene->views.items[i]->writer.pid == pid))
			return true;
	return false;
}

static enum untracked_reason reason_of(const struct probe *probe)
{
	if (probe->unlinked)
		return UNTRACKED_UNLINKED;
	if (probe->segment)
		return UNTRACKED_ELSEWHERE;
	if (probe->off)
		return UNTRACKED_OFF;
	if (!probe->on)
		return UNTRACKED_NOT_ON;
	return probe->opencl.layer ? UNTRACKED_LAYER_IDLE : UNTRACKED_NO_SEGMENT;
}

/* Of a program without the library. UNTRACKED_LIMIT: it does not use OpenCL. */
static enum untracked_reason opencl_reason_of(const struct probe *probe)
{
	static const enum untracked_reason reasons[OPENCL_LIMIT] = {
		[OPENCL_NONE] = UNTRACKED_LIMIT,
		[OPENCL_UNUSED] = UNTRACKED_LIMIT,
		[OPENCL_LAYERED] = UNTRACKED_LAYER_IDLE,
		[OPENCL_NOT_ASKED] = UNTRACKED_OPENCL,
		[OPENCL_NO_LOADER] = UNTRACKED_NO_LOADER,
		[OPENCL_MISSING] = UNTRACKED_LAYER_MISSING,
		[OPENCL_OLD_LOADER] = UNTRACKED_OLD_LOADER,
		[OPENCL_PRIVILEGED] = UNTRACKED_PRIVILEGED,
		[OPENCL_NOT_LOADED] = UNTRACKED_NOT_LOADED,
	};

	return reasons[probe->opencl.state];
}

static void fill(struct untracked_program *program, pid_t pid, enum untracked_reason reason,
                 const struct probe *probe)
{
	program->pid = pid;
	program->reason = reason;
	memcpy(program->command, probe->command, sizeof(program->command));
	if (reason >= UNTRACKED_LAYER_IDLE)
		snprintf(program->file, sizeof(program->file), "%s",
		         probe_opencl_file(&probe->opencl));
}

void untracked_find(struct untracked *untracked, const struct scene *scene)
{
	DIR *stream = opendir("/proc");
	struct dirent *entry;

	*untracked = (struct untracked){.hidden = 0};
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		struct probe probe;

		if (pid <= 0 || pid == getpid() || has_segment(scene, pid))
			continue;
		probe_maps(pid, &probe);
		untracked->hidden += !probe.looked && !probe.kernel;
		if (probe.library)
			fill(vec_add(&untracked->programs), pid, reason_of(&probe), &probe);
		else if (opencl_reason_of(&probe) != UNTRACKED_LIMIT)
			fill(vec_add(&untracked->opencl), pid, opencl_reason_of(&probe), &probe);
	}
	if (stream != NULL)
		closedir(stream);
}

void untracked_finish(struct untracked *untracked)
{
	vec_finish(&untracked->programs);
	vec_finish(&untracked->opencl);
}

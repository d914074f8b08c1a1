/* SPDX-License-Identifier: Apache-2.0 */
#include "untracked.h"

#include "probe.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const untracked_words[UNTRACKED_LIMIT] = {
	[UNTRACKED_UNLINKED] = "writes to a segment whose file was removed: nobody can see it",
	[UNTRACKED_ELSEWHERE] = "writes to a segment in a directory that is not looked at",
	[UNTRACKED_OFF] = "has libmeshtally, but tracking is turned off (MESHTALLY=0)",
	[UNTRACKED_NOT_ON] = "has libmeshtally, but tracking is not turned on",
	[UNTRACKED_NO_SEGMENT] = "has libmeshtally and tracking on, but no segment yet",
};

const char *const untracked_advice[UNTRACKED_LIMIT] = {
	[UNTRACKED_UNLINKED] = "restart it; on logout logind removes files in /dev/shm (RemoveIPC)",
	[UNTRACKED_ELSEWHERE] = "use the same MESHTALLY_DIR here, or none in either place",
	[UNTRACKED_OFF] = "start it with MESHTALLY=1, or with `meshtally run`",
	[UNTRACKED_NOT_ON] = "start it with MESHTALLY=1, or with `meshtally run`",
	[UNTRACKED_NO_SEGMENT] = "if it has opened a device, look at the directory it writes to",
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
	return probe->on ? UNTRACKED_NO_SEGMENT : UNTRACKED_NOT_ON;
}

static void add(struct untracked *untracked, pid_t pid, const struct probe *probe)
{
	struct untracked_program *program = vec_add(&untracked->programs);

	program->pid = pid;
	program->reason = reason_of(probe);
	memcpy(program->command, probe->command, sizeof(program->command));
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
			add(untracked, pid, &probe);
	}
	if (stream != NULL)
		closedir(stream);
}

void untracked_finish(struct untracked *untracked)
{
	vec_finish(&untracked->programs);
}

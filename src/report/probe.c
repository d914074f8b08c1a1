/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include "probe_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_DEPTH = 8 };

static const char library_file[] = "libmeshtally";

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	return fopen(path, "re");
}

/* Whether a file is called as segments are: <pid>-<16 hex digits>.seg. */
static bool is_segment_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits != 0 && name[digits] == '-' &&
	       strspn(name + digits + 1, "0123456789abcdef") == 16 &&
	       strncmp(name + digits + 17, ".seg", 4) == 0;
}

/* One line of maps: a library, or a segment. */
static void probe_line(struct probe *probe, const char *line)
{
	const char *file = strchr(line, '/');
	const char *name = file != NULL ? strrchr(file, '/') + 1 : NULL;

	if (name == NULL)
		return;
	probe_opencl_mapped(&probe->opencl, file);
	if (strncmp(name, library_file, sizeof(library_file) - 1) == 0)
		probe->library = true;
	if (!is_segment_name(name))
		return;
	probe->library = true;
	probe->segment = true;
	probe->unlinked = probe->unlinked || strstr(name, "(deleted)") != NULL;
}

static void probe_environment(pid_t pid, struct probe *probe)
{
	FILE *stream = open_proc(pid, "environ");
	char *entry = NULL;
	size_t room = 0;

	while (stream != NULL && getdelim(&entry, &room, '\0', stream) > 0) {
		probe->off = probe->off || strcmp(entry, "MESHTALLY=0") == 0;
		probe->on = probe->on || strcmp(entry, "MESHTALLY=1") == 0 ||
		            strcmp(entry, "TT_ALLOC_TRACKING_ENABLED=1") == 0;
		probe_opencl_entry(&probe->opencl, entry);
	}
	free(entry);
	if (stream != NULL)
		fclose(stream);
}

void probe_maps(pid_t pid, struct probe *ret_probe)
{
	struct probe probe = {0};
	FILE *stream = open_proc(pid, "maps");
	char *line = NULL;
	size_t room = 0;

	probe_environment(pid, &probe);
	errno = 0;
	while (stream != NULL && getline(&line, &room, stream) > 0) {
		probe.looked = true;
		probe_line(&probe, line);
	}
	probe.kernel = stream != NULL && !probe.looked && errno == 0;
	if (stream != NULL)
		fclose(stream);
	free(line);
	probe_opencl_decide(&probe.opencl, pid);
	stream = open_proc(pid, "comm");
	if (stream != NULL) {
		if (fgets(probe.command, sizeof(probe.command), stream) != NULL)
			probe.command[strcspn(probe.command, "\n")] = '\0';
		fclose(stream);
	}
	*ret_probe = probe;
}

void probe_process(pid_t pid, struct probe *ret_probe)
{
	struct probe_file file;
	char path[64];

	probe_maps(pid, ret_probe);
	if (!ret_probe->looked || (ret_probe->library && ret_probe->opencl.loader))
		return;
	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
	probe_file(path, &file);
	ret_probe->library = ret_probe->library || file.program == PROGRAM_WITH;
	if (ret_probe->opencl.loader || !file.opencl_loader)
		return;
	ret_probe->opencl.loader = true;
	if (readlink(path, ret_probe->opencl.loader_file,
	             sizeof(ret_probe->opencl.loader_file) - 1) < 0)
		ret_probe->opencl.loader_file[0] = '\0';
	probe_opencl_decide(&ret_probe->opencl, pid);
}

static void add_tree(pid_t pid, int depth, struct probe *sum)
{
	struct probe probe;
	char name[64];
	FILE *stream;
	long child;

	probe_process(pid, &probe);
	sum->looked = sum->looked || probe.looked;
	sum->library = sum->library || probe.library;
	sum->segment = sum->segment || probe.segment;
	sum->unlinked = sum->unlinked || probe.unlinked;
	sum->off = sum->off || probe.off;
	sum->on = sum->on || probe.on;
	if (probe.opencl.state > sum->opencl.state)
		sum->opencl = probe.opencl;
	snprintf(name, sizeof(name), "task/%ld/children", (long)pid);
	stream = depth < MAX_DEPTH ? open_proc(pid, name) : NULL;
	while (stream != NULL && fscanf(stream, "%ld", &child) == 1)
		add_tree((pid_t)child, depth + 1, sum);
	if (stream != NULL)
		fclose(stream);
}

void probe_tree(pid_t pid, struct probe *ret_probe)
{
	struct probe sum = {0};

	add_tree(pid, 0, &sum);
	*ret_probe = sum;
}

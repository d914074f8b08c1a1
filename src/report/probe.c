/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 18, MAX_PROGRAM_BYTES = 1 << 29, MAX_DEPTH = 8 };

/* A name of the environment that only the library's code has in it. */
static const char library_mark[] = "MESHTALLY_RUN";
static const char library_file[] = "libmeshtally";

/* Whether a file has one of the marks in it. -1: cannot be read. */
static int file_has_mark(int fd, const char *mark)
{
	size_t length = strlen(mark), kept = 0;
	char *bytes = mem_calloc(CHUNK_BYTES + 64, 1);
	uint64_t total = 0;
	int found = 0;
	ssize_t size;

	while (found == 0 && total < MAX_PROGRAM_BYTES &&
	       (size = read(fd, bytes + kept, CHUNK_BYTES)) > 0) {
		size_t have = kept + (size_t)size;

		found = memmem(bytes, have, mark, length) != NULL;
		kept = have < length - 1 ? have : length - 1;
		memmove(bytes, bytes + have - kept, kept);
		total += (uint64_t)size;
	}
	free(bytes);
	return found;
}

static enum probe_program probe_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char magic[4] = "";
	bool found;

	if (fd < 0)
		return PROGRAM_UNKNOWN;
	if (pread(fd, magic, 4, 0) != 4 || memcmp(magic, "\177ELF", 4) != 0) {
		close(fd);
		return PROGRAM_SCRIPT;
	}
	found = file_has_mark(fd, library_mark) == 1;
	if (!found && lseek(fd, 0, SEEK_SET) == 0)
		found = file_has_mark(fd, library_file) == 1;
	close(fd);
	return found ? PROGRAM_WITH : PROGRAM_WITHOUT;
}

enum probe_program probe_program(const char *name)
{
	const char *path = getenv("PATH");
	enum probe_program result = PROGRAM_UNKNOWN;
	char *copy, *state = NULL;

	if (strchr(name, '/') != NULL)
		return probe_file(name);
	copy = mem_strdup(path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
	for (char *dir = strtok_r(copy, ":", &state); dir != NULL && result == PROGRAM_UNKNOWN;
	     dir = strtok_r(NULL, ":", &state)) {
		char full[4096];

		snprintf(full, sizeof(full), "%s/%s", dir, name);
		if (access(full, X_OK) == 0)
			result = probe_file(full);
	}
	free(copy);
	return result;
}

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

	errno = 0;
	while (stream != NULL && getline(&line, &room, stream) > 0) {
		probe.looked = true;
		probe_line(&probe, line);
	}
	probe.kernel = stream != NULL && !probe.looked && errno == 0;
	if (stream != NULL)
		fclose(stream);
	free(line);
	probe_environment(pid, &probe);
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
	char path[64];

	probe_maps(pid, ret_probe);
	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)pid);
	if (ret_probe->looked && !ret_probe->library)
		ret_probe->library = probe_file(path) == PROGRAM_WITH;
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

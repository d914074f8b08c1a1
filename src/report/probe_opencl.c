/* SPDX-License-Identifier: Apache-2.0 */
#include "probe_opencl.h"

#include "memory.h"
#include "probe_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char layers_entry[] = "OPENCL_LAYERS=";

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void keep_path(char (*kept)[PROBE_PATH_BYTES], const char *path, size_t length)
{
	if ((*kept)[0] == '\0')
		snprintf(*kept, sizeof(*kept), "%.*s", (int)length, path);
}

bool probe_opencl_is_ours(const char *path)
{
	return strncmp(base_name(path), OPENCL_LAYER_FILE, sizeof(OPENCL_LAYER_FILE) - 1) == 0;
}

/* libOpenCL.so, libOpenCL.so.1.0.0, and as wheels bundle it: libOpenCL-1ef0e16e.so.1. */
static bool is_loader(const char *name)
{
	return strncmp(name, "libOpenCL", 9) == 0 && (name[9] == '.' || name[9] == '-');
}

/* By the names that drivers have: there is no other sign of one in the maps. */
static bool is_driver(const char *name)
{
	static const char *const parts[] = {"opencl", "pocl", "igdrcl", "amdocl", "intelocl"};

	for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
		if (strncmp(name, "lib", 3) == 0 && strcasestr(name, parts[i]) != NULL &&
		    strstr(name, ".so") != NULL)
			return true;
	return false;
}

void probe_opencl_entry(struct probe_opencl *opencl, const char *entry)
{
	if (strncmp(entry, layers_entry, sizeof(layers_entry) - 1) != 0)
		return;
	for (entry += sizeof(layers_entry) - 1; entry[0] != '\0';) {
		char path[PROBE_PATH_BYTES];
		size_t length = strcspn(entry, ":");

		snprintf(path, sizeof(path), "%.*s", (int)length, entry);
		if (probe_opencl_is_ours(path)) {
			opencl->asked = true;
			keep_path(&opencl->layer_file, path, length);
		}
		entry += length + (entry[length] == ':');
	}
}

void probe_opencl_mapped(struct probe_opencl *opencl, const char *path)
{
	static const char deleted[] = " (deleted)";
	const char *name = base_name(path);
	size_t length = strcspn(path, "\n"), tail = sizeof(deleted) - 1;

	if (length > tail && strncmp(path + length - tail, deleted, tail) == 0)
		length -= tail;
	if (probe_opencl_is_ours(name)) {
		opencl->layer = true;
		opencl->layer_file[0] = '\0'; /* it is the one that tells, not what was asked for */
		keep_path(&opencl->layer_file, path, length);
	} else if (is_loader(name)) {
		opencl->loader = true;
		keep_path(&opencl->loader_file, path, length);
	} else if (is_driver(name)) {
		opencl->driver = true;
		keep_path(&opencl->driver_file, path, length);
	}
}

/* A path as the process sees it, in its own root or its own directory. */
static void path_of(char *out, size_t size, pid_t pid, const char *path)
{
	snprintf(out, size, "/proc/%ld/%s/%s", (long)pid, path[0] == '/' ? "root" : "cwd", path);
}

/* A name without a slash is looked for by the dynamic loader: it may be anywhere. */
static bool is_missing(const struct probe_opencl *opencl, pid_t pid)
{
	char path[PROBE_PATH_BYTES + 64];

	if (strchr(opencl->layer_file, '/') == NULL)
		return false;
	path_of(path, sizeof(path), pid, opencl->layer_file);
	return access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool probe_opencl_is_old(const char *path)
{
	static const char *const marks[] = {"OPENCL_LAYERS"};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool old;

	if (fd < 0)
		return false;
	old = probe_marks(fd, marks, 1) == 0;
	close(fd);
	return old;
}

static bool has_old_loader(const struct probe_opencl *opencl, pid_t pid)
{
	char path[PROBE_PATH_BYTES + 64];

	if (!opencl->loader || opencl->loader_file[0] != '/')
		return false;
	path_of(path, sizeof(path), pid, opencl->loader_file);
	return probe_opencl_is_old(path);
}

/* Whether it runs as another user or group than it was started by. */
static bool is_privileged(pid_t pid)
{
	unsigned real, effective;
	bool differs = false;
	char path[64], line[256];
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	stream = fopen(path, "re");
	while (stream != NULL && fgets(line, sizeof(line), stream) != NULL)
		if (sscanf(line, "Uid: %u %u", &real, &effective) == 2 ||
		    sscanf(line, "Gid: %u %u", &real, &effective) == 2)
			differs = differs || real != effective;
	if (stream != NULL)
		fclose(stream);
	return differs;
}

void probe_opencl_decide(struct probe_opencl *opencl, pid_t pid)
{
	bool used = opencl->driver;

	if (opencl->layer)
		opencl->state = OPENCL_LAYERED;
	else if (!opencl->loader)
		opencl->state = used ? OPENCL_NO_LOADER : OPENCL_NONE;
	else if ((opencl->asked || used) && has_old_loader(opencl, pid))
		opencl->state = OPENCL_OLD_LOADER;
	else if (opencl->asked && is_missing(opencl, pid))
		opencl->state = OPENCL_MISSING;
	else if (!used)
		opencl->state = OPENCL_UNUSED;
	else if (!opencl->asked)
		opencl->state = OPENCL_NOT_ASKED;
	else
		opencl->state = is_privileged(pid) ? OPENCL_PRIVILEGED : OPENCL_NOT_LOADED;
}

const char *probe_opencl_file(const struct probe_opencl *opencl)
{
	switch (opencl->state) {
	case OPENCL_NO_LOADER:
		return opencl->driver_file;
	case OPENCL_LAYERED:
	case OPENCL_MISSING:
	case OPENCL_PRIVILEGED:
	case OPENCL_NOT_LOADED:
		return opencl->layer_file;
	case OPENCL_UNUSED:
	case OPENCL_OLD_LOADER:
		return opencl->loader_file;
	default:
		return "";
	}
}

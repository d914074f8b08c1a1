/* SPDX-License-Identifier: Apache-2.0 */
#include "process_find.h"

#include "process_end.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The innermost of the pids that a process has: the last one of "NSpid:\t22872\t1". */
static int32_t innermost_pid(int32_t pid)
{
	char path[64], text[4096], *line, *end;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	line = strstr(text, "\nNSpid:");
	if (line == NULL)
		return 0;
	end = strchr(line + 1, '\n');
	if (end != NULL)
		*end = '\0';
	line = strrchr(line, '\t');
	return line != NULL ? atoi(line + 1) : 0;
}

static void look_at(int32_t pid, struct process_sought *sought, size_t count)
{
	char path[64];
	struct stat ns;
	int32_t inner = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	if (stat(path, &ns) != 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (sought[i].pid != 0 || sought[i].as.pid_ns != ns.st_ino)
			continue;
		if (inner == 0)
			inner = innermost_pid(pid);
		if (inner == sought[i].as.pid && process_end_started(pid, sought[i].as.start_ticks))
			sought[i].pid = pid;
	}
}

void process_find(struct process_sought *sought, size_t count)
{
	DIR *stream = opendir("/proc");
	struct dirent *entry;

	while (stream != NULL && (entry = readdir(stream)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			look_at(atoi(entry->d_name), sought, count);
	if (stream != NULL)
		closedir(stream);
}

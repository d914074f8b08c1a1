/* SPDX-License-Identifier: Apache-2.0 */
/* What `doctor` says of servers, and of post-mortems. */
#include "checkup.h"
#include "postmortem_dir.h"
#include "safe.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The pid that a server which holds the lock of this directory wrote there; 0: there is none. */
static int server_of(const char *dir)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	char path[512], text[16] = "";
	ssize_t length;
	bool held;
	int fd;

	snprintf(path, sizeof(path), "%s/.server.lock", dir);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	return held && length > 0 ? atoi(text) : 0;
}

static void check_servers(struct checkup *checkup, const struct scene *scene)
{
	bool found = false;

	for (size_t i = 0; i < scene->dir_count; i++) {
		int pid = server_of(scene->dirs[i]);
		struct text name = {0};

		if (pid == 0)
			continue;
		found = true;
		safe_terminal(&name, scene->dirs[i]);
		checkup_add(checkup, "server", CHECK_OK, NULL,
		            "a server (pid %d) runs, and writes to %s", pid, text_string(&name));
		text_finish(&name);
	}
	if (!found)
		checkup_add(checkup, "server", CHECK_OK, NULL,
		            "no server of this user runs; none is needed to look at programs "
		            "(`meshtally help serve`)");
}

static void check_postmortem_dir(struct checkup *checkup, const char *dir)
{
	struct postmortem_list list = {0};
	int error = access(dir, F_OK) == 0 ? postmortem_list(&list, dir) : -errno;
	struct text name = {0};
	char size[UNITS_SIZE];
	uint64_t bytes = 0;

	safe_terminal(&name, dir);
	for (size_t i = 0; i < list.count; i++)
		bytes += list.items[i].bytes;
	if (error == 0)
		checkup_add(checkup, "post-mortems", CHECK_OK, NULL, "%zu in %s (%s)", list.count,
		            text_string(&name), units_bytes_short(&size, bytes));
	else if (error == -EACCES)
		checkup_add(checkup, "post-mortems", CHECK_NOTE,
		            "run as a user of the group of that directory to see them",
		            "%s cannot be read: %s", text_string(&name), strerror(-error));
	postmortem_list_finish(&list);
	text_finish(&name);
}

void checkup_server(struct checkup *checkup, const struct scene *scene)
{
	char(*dirs)[PATH_MAX] = mem_calloc(POSTMORTEM_DIRS, sizeof(*dirs));
	size_t count = postmortem_dirs(dirs, POSTMORTEM_DIRS);

	check_servers(checkup, scene);
	for (size_t i = 0; i < count; i++)
		check_postmortem_dir(checkup, dirs[i]);
	free(dirs);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run_mark.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool mark_path(char (*ret_path)[PATH_MAX], const char *dir, size_t length, uint64_t run_id)
{
	return snprintf(*ret_path, sizeof(*ret_path), "%.*s/" RUN_MARK_PREFIX "%016" PRIx64,
	                (int)length, dir, run_id) < (int)sizeof(*ret_path);
}

void run_mark_set(struct run_mark *mark, const char *segment_dir, uint64_t run_id)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	mark->fd = -1;
	if (!mark_path(&mark->path, segment_dir, strlen(segment_dir), run_id))
		return;
	mark->fd = open(mark->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (mark->fd >= 0)
		fcntl(mark->fd, F_OFD_SETLK, &lock);
}

void run_mark_clear(struct run_mark *mark)
{
	if (mark->fd < 0)
		return;
	unlink(mark->path);
	close(mark->fd);
	mark->fd = -1;
}

bool run_mark_is_held(const char *segment_path, uint64_t run_id)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	const char *slash = strrchr(segment_path, '/');
	char path[PATH_MAX];
	bool held = false;
	int fd;

	if (run_id == 0 || slash == NULL ||
	    !mark_path(&path, segment_path, (size_t)(slash - segment_path), run_id))
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	if (!held)
		unlink(path);
	return held;
}

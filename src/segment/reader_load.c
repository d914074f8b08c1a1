/* SPDX-License-Identifier: Apache-2.0 */
/* A view of the segment at a path: see reader.h. */
#include "reader_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { LOAD_TRIES = 8 };

static int open_again(int given, const char *path, uid_t owner, struct segment_reject *ret_reject)
{
	int fd;

	if (given < 0)
		return source_open(path, owner, ret_reject);
	fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
	return fd >= 0 ? fd : reject(ret_reject, -errno, path, "too many open files");
}

/* Of the last try that a live writer spoilt, the view is kept, and not called exact. */
static int load(int given, const char *path, uid_t owner, enum view_depth depth,
                struct segment_view **ret_view, struct segment_reject *ret_reject)
{
	struct segment_view *view = NULL;
	struct reader_copy *copy;
	int try, error = -EAGAIN, fd;

	for (try = 0; try < LOAD_TRIES && error == -EAGAIN; try++) {
		segment_view_destroy(view);
		view = NULL;
		fd = open_again(given, path, owner, ret_reject);
		if (fd < 0)
			return fd;
		error = copy_take(fd, path, depth, false, &copy, ret_reject);
		if (error)
			return error;
		error = copy_parse(copy, depth, &view);
		copy_destroy(copy);
	}
	if (error == -EAGAIN) {
		view->off_by_events += view->exact;
		view->exact = false;
		error = 0;
	}
	if (error)
		return reject(ret_reject, error, path, "cannot be read: %s", strerror(-error));
	*ret_view = view;
	return 0;
}

int segment_view_load(const char *path, uid_t owner, enum view_depth depth,
                      struct segment_view **ret_view, struct segment_reject *ret_reject)
{
	return load(-1, path, owner, depth, ret_view, ret_reject);
}

int segment_view_load_fd(int fd, const char *path, enum view_depth depth,
                         struct segment_view **ret_view, struct segment_reject *ret_reject)
{
	return load(fd, path, (uid_t)-1, depth, ret_view, ret_reject);
}

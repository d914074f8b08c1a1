/* SPDX-License-Identifier: Apache-2.0 */
#include "postmortem_store.h"

#include "reader.h"
#include "run_mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PART_PREFIX ".part-"
enum { PART_OLD_S = 60, REDUCE_TRIES = 8, DAY_S = 86400 };

static void fails(struct postmortem_result *result, enum postmortem_outcome outcome, int error,
                  const char *what)
{
	result->outcome = outcome;
	result->error = error;
	snprintf(result->reason, sizeof(result->reason), "%.150s: %s", what, strerror(-error));
}

/* For want of something that others may give back: it says nothing of the segment. */
static bool is_passing(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EAGAIN ||
	       error == -EINTR;
}

static void cannot_be_read(struct postmortem_result *result, int error,
                           const struct segment_reject *reject)
{
	result->outcome = error == -ENOENT    ? POSTMORTEM_GONE
	                  : is_passing(error) ? POSTMORTEM_FAILED
	                                      : POSTMORTEM_CORRUPT;
	result->error = error;
	snprintf(result->reason, sizeof(result->reason), "%s", reject->reason);
}

/* --- the directory
 * -------------------------------------------------------------------------- */

/* Makes the directories of a path that are missing: the last two for the
 * server's group as well, those above as a home directory wants them. */
static int make_dirs(const char *path)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	for (size_t at = 1; at <= length; at++) {
		mode_t mode = strchr(path + at, '/') == NULL ||
		                              strchr(strchr(path + at, '/') + 1, '/') == NULL
		                      ? 0750
		                      : 0700;

		if (path[at] != '/' && path[at] != '\0')
			continue;
		memcpy(part, path, at);
		part[at] = '\0';
		if (mkdir(part, mode) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -errno;
	}
	return access(path, W_OK | X_OK) == 0 ? 0 : -errno;
}

/* Half-written files of a server that was killed; those of one that is at it
 * are young. */
static void remove_parts(const char *path)
{
	DIR *stream = opendir(path);
	struct dirent *entry;
	struct stat status;

	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		if (strncmp(entry->d_name, PART_PREFIX, sizeof(PART_PREFIX) - 1) == 0 &&
		    fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    status.st_mtim.tv_sec + PART_OLD_S < time(NULL))
			unlinkat(dirfd(stream), entry->d_name, 0);
	}
	if (stream != NULL)
		closedir(stream);
}

int postmortem_store_open(struct postmortem_store *store, const char *state_dir, unsigned files,
                          uint64_t bytes)
{
	int error;

	*store = (struct postmortem_store){.files = files, .bytes = bytes};
	if (snprintf(store->dir, sizeof(store->dir), "%s/dead", state_dir) >=
	    (int)sizeof(store->dir))
		return -ENAMETOOLONG;
	error = make_dirs(store->dir);
	if (error == 0)
		remove_parts(store->dir);
	return error;
}

struct pruning {
	const struct postmortem_store *store;
	int dir;
	uint64_t sum;
	size_t number;
};

static void prune_file(struct pruning *pruning, const struct postmortem_file *file)
{
	pruning->sum += file->bytes;
	if (++pruning->number > pruning->store->files || pruning->sum > pruning->store->bytes)
		unlinkat(pruning->dir, file->name, 0);
}

void postmortem_prune(const struct postmortem_store *store, uint64_t bytes)
{
	struct pruning pruning = {store, -1, bytes, bytes != 0};
	uint64_t tomorrow_ms = ((uint64_t)time(NULL) + DAY_S) * 1000;
	struct postmortem_list list = {0};

	pruning.dir = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pruning.dir >= 0 && postmortem_list(&list, store->dir) == 0) {
		for (size_t i = 0; i < list.count; i++)
			if (list.items[i].unix_ms <= tomorrow_ms)
				prune_file(&pruning, &list.items[i]);
		/* Named while the clock was wrong: they would push out all that is new. */
		for (size_t i = 0; i < list.count; i++)
			if (list.items[i].unix_ms > tomorrow_ms)
				prune_file(&pruning, &list.items[i]);
	}
	postmortem_list_finish(&list);
	if (pruning.dir >= 0)
		close(pruning.dir);
}

static bool is_known(const struct postmortem_store *store, uint64_t identity,
                     char (*ret_name)[POSTMORTEM_NAME])
{
	struct postmortem_list list = {0};
	bool found = false;

	postmortem_list(&list, store->dir);
	for (size_t i = 0; i < list.count && !found; i++) {
		found = list.items[i].identity == identity;
		if (found)
			memcpy(ret_name, list.items[i].name, sizeof(*ret_name));
	}
	postmortem_list_finish(&list);
	return found;
}

/* --- what is in a segment
 * ------------------------------------------------------------------- */

static uint32_t local_members(const struct segment_view *view, const struct view_row *row, bool *on)
{
	const struct view_space *space = &view->spaces[row->space];
	uint32_t count = 0;

	for (uint32_t i = 0; i < space->member_count; i++) {
		if (space->members[i] >= view->device_count ||
		    (row->member != ROW_ALL_MEMBERS && row->member != i))
			continue;
		on[space->members[i]] = true;
		count++;
	}
	return count;
}

static void sum_up(const struct segment_view *view, struct postmortem_result *result)
{
	bool *on = mem_calloc(view->device_count + 1, sizeof(*on));

	result->pid = view->subject.pid;
	snprintf(result->comm, sizeof(result->comm), "%s", view->comm);
	result->life = view->life;
	result->faults = view->fault_total;
	result->buffers = view->no_detail_buffers;
	for (uint32_t i = 0; i < view->buffer_count; i++)
		result->buffers += view->buffers[i].class_now < CLASS_COUNTED_LIMIT;
	for (uint32_t i = 0; i < view->row_count; i++) {
		const struct view_row *row = &view->rows[i];

		if (row->class_now < CLASS_COUNTED_LIMIT && row->bytes != 0)
			result->total_bytes += row->bytes * local_members(view, row, on);
	}
	for (uint32_t i = 0; i < view->device_count; i++)
		result->devices += on[i];
	free(on);
}

static bool is_spotless(const struct segment_view *view, const struct postmortem_result *result)
{
	return result->buffers == 0 && result->total_bytes == 0 && view->fault_total == 0 &&
	       view->failure_count == 0 && view->corrupt_records == 0 &&
	       (view->state & SEGMENT_STATE_INEXACT) == 0;
}

/* --- keeping
 * --------------------------------------------------------------------------------
 */

static int write_part(const struct segment_image *image, int dir, const char *part)
{
	int fd = openat(dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	int error;

	if (fd < 0)
		return -errno;
	error = segment_image_write(image, fd);
	if (error == 0 && fsync(fd) != 0)
		error = -errno;
	if (close(fd) != 0 && error == 0)
		error = -errno;
	return error;
}

static int write_image(const struct postmortem_store *store, const struct segment_image *image,
                       const char *name)
{
	char part[POSTMORTEM_NAME + sizeof(PART_PREFIX)];
	int dir, error = make_dirs(store->dir);

	if (error != 0)
		return error;
	dir = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	snprintf(part, sizeof(part), PART_PREFIX "%s", name);
	error = write_part(image, dir, part);
	if (error == 0) {
		postmortem_prune(store, segment_image_bytes(image));
		if (renameat(dir, part, dir, name) != 0)
			error = -errno;
		fsync(dir);
	}
	if (error != 0)
		unlinkat(dir, part, 0);
	close(dir);
	return error;
}

/* One giant must not push out all others: of it only the largest buffers are
 * kept. */
static int fit(const struct postmortem_store *store, struct segment_image *image, uint64_t buffers,
               bool *ret_reduced)
{
	uint64_t limit = store->bytes / 4, bytes = segment_image_bytes(image);
	int error = 0;

	for (int try = 0; try < REDUCE_TRIES && bytes > limit && buffers != 0; try++) {
		buffers = try + 1 < REDUCE_TRIES ? buffers * limit / bytes * 9 / 10 : 0;
		if (buffers > UINT32_MAX)
			buffers = UINT32_MAX;
		error = segment_image_reduce(image, (uint32_t)buffers);
		if (error != 0)
			return error;
		*ret_reduced = true;
		bytes = segment_image_bytes(image);
	}
	return bytes <= store->bytes ? 0 : -EFBIG;
}

static void keep_image(const struct postmortem_store *store, const char *path, uint64_t identity,
                       struct postmortem_result *result)
{
	struct segment_reject reject = {.reason = ""};
	struct segment_image *image;
	int error;

	if (store->files == 0 || store->bytes == 0) {
		result->outcome = POSTMORTEM_UNWANTED;
		return;
	}
	error = segment_image_take(path, &image, &reject);
	if (error != 0) {
		cannot_be_read(result, error, &reject);
		return;
	}
	postmortem_name(&result->name, result->end.realtime_ns / 1000000, result->pid, identity);
	error = segment_image_end(image, &result->end);
	if (error == 0)
		error = fit(store, image, result->buffers, &result->reduced);
	if (error == 0)
		error = write_image(store, image, result->name);
	segment_image_destroy(image);
	if (error == 0)
		result->outcome = POSTMORTEM_KEPT;
	else if (error == -EFBIG) /* however often it is tried */
		fails(result, POSTMORTEM_CORRUPT, error, "its post-mortem would be too large");
	else
		fails(result, POSTMORTEM_FAILED, error, store->dir);
}

/* --- removing
 * -------------------------------------------------------------------------------
 */

/* A link below a directory that others write to may lead anywhere; the one that the environment
 * names was chosen. */
static int open_segment_dir(const char *path)
{
	const char *chosen = getenv("MESHTALLY_DIR");
	bool may_be_link = chosen != NULL && strcmp(chosen, path) == 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (may_be_link ? 0 : O_NOFOLLOW));

	return fd < 0 ? -errno : fd;
}

/* The segment of that identity, if it still is the dead one. Looked at and
 * removed in the same directory, whatever its owner does with the path
 * meanwhile. */
static int remove_segment(const char *path, uint64_t identity)
{
	const char *slash = strrchr(path, '/');
	char dir_path[PATH_MAX];
	struct segment_peek peek;
	struct stat status;
	int dir, error;

	if (slash == NULL || (size_t)(slash - path) >= sizeof(dir_path))
		return -EINVAL;
	memcpy(dir_path, path, (size_t)(slash - path));
	dir_path[slash - path] = '\0';
	dir = open_segment_dir(dir_path);
	if (dir < 0)
		return dir;
	error = segment_peek(path, &peek, NULL);
	if (error == 0 && (peek.identity != identity || peek.life == LIFE_ALIVE))
		error = -EBUSY;
	if (error == 0 && fstatat(dir, slash + 1, &status, AT_SYMLINK_NOFOLLOW) != 0)
		error = -errno;
	if (error == 0 && status.st_ino != peek.inode)
		error = -EBUSY;
	if (error == 0 && unlinkat(dir, slash + 1, 0) != 0)
		error = -errno;
	close(dir);
	return error;
}

static void finish_segment(const char *path, const struct segment_peek *peek,
                           struct postmortem_result *result)
{
	int error;

	if (run_mark_is_held(path, peek->run_id)) {
		result->awaited = true;
		return;
	}
	error = remove_segment(path, peek->identity);
	result->removed = error == 0 || error == -ENOENT;
	if (!result->removed)
		fails(result, result->outcome, error, "the segment cannot be removed");
}

/* Reads it all: whether there is something to keep. */
static int examine(const char *path, struct postmortem_result *result)
{
	struct segment_reject reject = {.reason = ""};
	struct segment_view *view;
	int error = segment_view_load(path, (uid_t)-1, VIEW_BUFFERS, &view, &reject);

	if (error != 0) {
		cannot_be_read(result, error, &reject);
		return error;
	}
	sum_up(view, result);
	result->outcome = is_spotless(view, result) ? POSTMORTEM_SPOTLESS : POSTMORTEM_FAILED;
	segment_view_destroy(view);
	return 0;
}

void postmortem_keep(const struct postmortem_store *store, const char *path, uint64_t identity,
                     const struct segment_end *end, struct postmortem_result *ret_result)
{
	struct postmortem_result *result = ret_result;
	struct segment_reject reject = {.reason = ""};
	struct segment_peek peek;
	int error = segment_peek(path, &peek, &reject);

	*result = (struct postmortem_result){.outcome = POSTMORTEM_GONE, .end = *end};
	if (error != 0)
		cannot_be_read(result, error, &reject);
	if (error != 0 || peek.identity != identity || peek.life == LIFE_ALIVE)
		return;
	if (is_known(store, identity, &result->name)) {
		result->outcome = POSTMORTEM_KNOWN;
	} else {
		if (examine(path, result) != 0)
			return;
		if (result->outcome != POSTMORTEM_SPOTLESS)
			keep_image(store, path, identity, result);
	}
	if (result->outcome == POSTMORTEM_KEPT || result->outcome == POSTMORTEM_SPOTLESS ||
	    result->outcome == POSTMORTEM_KNOWN)
		finish_segment(path, &peek, result);
}

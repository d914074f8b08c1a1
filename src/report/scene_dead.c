/* SPDX-License-Identifier: Apache-2.0 */
#include "scene_dead.h"

#include "postmortem_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_wanted(int32_t pid, const int32_t *pids, size_t pid_count)
{
	for (size_t i = 0; i < pid_count; i++)
		if (pids[i] == pid)
			return true;
	return pid_count == 0;
}

static int take_view(struct segment_view *view, void *arg)
{
	struct segment_view **ret_view = arg;

	segment_view_destroy(*ret_view);
	*ret_view = view;
	return 0;
}

/* The post-mortem says more than the segment: how it ended. */
static bool take_place(struct scene *scene, struct segment_view *view, const char *path)
{
	for (size_t i = 0; i < scene->views.count; i++) {
		if (scene->views.items[i]->identity != view->identity)
			continue;
		if (scene->views.items[i]->end.realtime_ns != 0)
			return false;
		segment_view_destroy(scene->views.items[i]);
		scene->views.items[i] = view;
		if (i < scene->paths.count) {
			free(scene->paths.items[i]);
			scene->paths.items[i] = mem_strdup(path);
		}
		return true;
	}
	if (scene->paths.count == scene->views.count)
		*vec_add(&scene->paths) = mem_strdup(path);
	*vec_add(&scene->views) = view;
	return true;
}

/* Anything else would count as something that is there now. */
static int check(const struct segment_view *view, const char *path, struct segment_reject *ret)
{
	if (view != NULL && view->end.realtime_ns != 0 && view->life != LIFE_ALIVE &&
	    view->life != LIFE_IMAGE)
		return 0;
	snprintf(ret->path, sizeof(ret->path), "%.*s", (int)sizeof(ret->path) - 1, path);
	snprintf(ret->reason, sizeof(ret->reason), "no post-mortem: it does not tell of an end");
	return -EINVAL;
}

static void add_file(struct scene *scene, const char *dir, const struct postmortem_file *file)
{
	struct segment_reject reject = {.path = "", .reason = ""};
	char path[PATH_MAX + POSTMORTEM_NAME];
	struct segment_view *view = NULL;
	int error;

	snprintf(path, sizeof(path), "%s/%s", dir, file->name);
	error = segment_file_read(path, take_view, &view, &reject);
	if (error == 0)
		error = check(view, path, &reject);
	if (error == 0 && !take_place(scene, view, path))
		segment_view_destroy(view);
	if (error == 0 || error == -ENOENT) /* pruned just now */
		return;
	segment_view_destroy(view);
	snprintf(reject.path, sizeof(reject.path), "%.*s", (int)sizeof(reject.path) - 1, path);
	*vec_add(&scene->rejects) = reject;
}

void scene_add_dead(struct scene *scene, const int32_t *pids, size_t pid_count)
{
	char(*dirs)[PATH_MAX] = mem_calloc(POSTMORTEM_DIRS, sizeof(*dirs));
	size_t count = postmortem_dirs(dirs, POSTMORTEM_DIRS);

	for (size_t i = 0; i < count; i++) {
		struct postmortem_list list = {0};

		postmortem_list(&list, dirs[i]);
		for (size_t n = 0; n < list.count; n++)
			if (is_wanted(list.items[n].pid, pids, pid_count))
				add_file(scene, dirs[i], &list.items[n]);
		postmortem_list_finish(&list);
	}
	free(dirs);
}

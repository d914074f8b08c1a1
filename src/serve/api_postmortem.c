/* SPDX-License-Identifier: Apache-2.0 */
/* Post-mortems in the API: those that this server keeps, by their names without the suffix. */
#include "api_internal.h"
#include "ended.h"
#include "leaks.h"
#include "postmortem_dir.h"
#include "shapes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_PATH = PATH_MAX + POSTMORTEM_NAME + 16 };

/* Reads one into a scene of its own. */
static int read_one(const struct api_work *work, const char *name, struct scene *scene,
                    char (*ret_path)[FILE_PATH])
{
	const struct scene_request request = {.depth = VIEW_BUFFERS, .from = *ret_path};
	struct text error = {0};
	int result;

	snprintf(*ret_path, sizeof(*ret_path), "%s/%s", work->server.dead_dir, name);
	result = scene_read(scene, &request, &error);
	text_finish(&error);
	return result;
}

static json_t *line_json(const struct api_work *work, const struct postmortem_file *file)
{
	size_t length = strlen(file->name) - strlen(POSTMORTEM_SUFFIX);
	struct ended_list ended = {0};
	char path[FILE_PATH];
	struct scene scene;
	json_t *json = NULL;

	if (read_one(work, file->name, &scene, &path) == 0)
		ended_find(&ended, &scene);
	if (ended.count != 0) {
		json = ended_json(&scene, &ended.items[0]);
		json_object_set_new(json, "id", json_stringn(file->name, length));
		json_object_set_new(json, "file_bytes", json_amount(file->bytes));
	}
	ended_finish(&ended);
	scene_close(&scene);
	return json;
}

static bool is_wanted(const struct report_query *query, int32_t pid)
{
	for (size_t i = 0; i < query->names.pid_count; i++)
		if (query->names.pids[i] == pid)
			return true;
	return query->names.pid_count == 0;
}

json_t *api_postmortems(const struct api_work *work, size_t *ret_total)
{
	const struct report_query *query = &work->request.query;
	struct postmortem_list list = {0};
	json_t *lines = json_array();
	size_t count = 0;

	if (work->server.dead_dir[0] != '\0')
		postmortem_list(&list, work->server.dead_dir);
	for (size_t i = 0; i < list.count; i++) {
		json_t *line;

		if (!is_wanted(query, list.items[i].pid) || !query_has_line(query, count++))
			continue;
		line = line_json(work, &list.items[i]);
		if (line != NULL) /* else it was removed just now, for a newer one */
			json_array_append_new(lines, line);
	}
	postmortem_list_finish(&list);
	*ret_total = count;
	return json_pack("{s:o, s:o}", "postmortems", lines, "postmortems_total",
	                 json_amount(count));
}

/* What its rows are: nobody else's are the same. */
static json_t *devices_of(const struct machine *machine)
{
	const struct machine_device *device;
	json_t *list = json_array();

	vec_for (device, &machine->devices)
		json_array_append_new(
			list,
			json_pack("{s:I, s:o, s:b, s:o, s:o, s:o}", "row",
		                  (json_int_t)(device - machine->devices.items), "unique_id",
		                  json_hex_known(device->unique_id), "unplaced",
		                  (int)device->unplaced, "ordinal",
		                  device->unplaced ? json_null() : json_integer(device->ordinal),
		                  "arch", json_foreign_known(device->arch), "bus",
		                  json_foreign_known(device->bus)));
	return list;
}

static json_t *one_json(struct scene *scene, const struct report_query *query, size_t *ret_total)
{
	const struct leak_options options = {.dead_only = true};
	struct ended_list ended;
	struct leaks leaks;
	json_t *root;

	leaks_find(&leaks, &scene->machine, &scene->selection, &options);
	ended_find(&ended, scene);
	root = leaks_json(scene, &leaks, query);
	json_object_update_new(root, ended_list_json(scene, &ended, query));
	json_object_set_new(root, "devices", devices_of(&scene->machine));
	*ret_total = leaks.leaks.count;
	ended_finish(&ended);
	leaks_finish(&leaks);
	return root;
}

json_t *api_postmortem(struct api_work *work, size_t *ret_total)
{
	char name[API_ID_BYTES + sizeof(POSTMORTEM_SUFFIX)], path[FILE_PATH];
	struct scene scene;
	json_t *root = NULL;
	int result;

	snprintf(name, sizeof(name), "%s%s", work->request.id, POSTMORTEM_SUFFIX);
	result = read_one(work, name, &scene, &path);
	if (result != 0) {
		work->status = result == -ENOENT ? 404 : 500;
		text_add(&work->error, result == -ENOENT ? "there is no such post-mortem (any more)"
		                                         : "the post-mortem cannot be read");
	} else if (scene_select(&scene, &work->request.query.names, &work->error) != 0) {
		work->status = 404;
	} else {
		root = one_json(&scene, &work->request.query, ret_total);
	}
	scene_close(&scene);
	return root;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a screen shows, as a file. */
#include "safe.h"
#include "screens.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool is_csv(const char *path)
{
	size_t length = strlen(path);

	return length > 4 && strcasecmp(path + length - 4, ".csv") == 0;
}

static bool follows_filter(const struct ui *ui)
{
	return !filter_needs_buffers(&ui->filter) || ui->screen == SCREEN_DEVICE ||
	       ui->screen == SCREEN_GROWTH ||
	       (ui->screen == SCREEN_TAGS && ui->tags_by == TAGS_BY_AGE);
}

static void write_json(const struct look *look, const struct sheet *sheet, struct text *out)
{
	const struct ui *ui = look->ui;
	json_t *json = json_object();
	char *bytes;

	json_object_set_new(json, "screen", json_string(screens[ui->screen].name));
	json_object_set_new(json, "unix_seconds", json_time(look->reading->scene.now_ns));
	json_object_set_new(json, "filter",
	                    json_foreign(ui->filter.source != NULL ? ui->filter.source : ""));
	/* Totals cannot follow what a filter says of single buffers. */
	json_object_set_new(json, "filter_followed", json_boolean(follows_filter(ui)));
	json_object_set_new(json, "rows", sheet_json(sheet));
	json_object_set_new(json, "more_rows", json_amount(sheet->more));
	bytes = json_dumps(json, JSON_INDENT(1));
	text_add(out, bytes);
	text_add(out, "\n");
	free(bytes);
	json_decref(json);
}

static int write_whole(int file, const struct text *out)
{
	for (size_t at = 0; at < out->length;) {
		ssize_t count = write(file, out->bytes + at, out->length - at);

		if (count < 0 && errno != EINTR)
			return -errno;
		at += count > 0 ? (size_t)count : 0;
	}
	return 0;
}

/* A new file, never one that is there already. */
static int write_file(const char *path, const struct text *out)
{
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), result;

	if (file < 0)
		return -errno;
	result = write_whole(file, out);
	if (close(file) != 0 && result == 0)
		result = -errno;
	if (result != 0)
		unlink(path); /* half of it is of no use */
	return result;
}

static void say(const char *path, const struct sheet *sheet, int result, struct text *said)
{
	char rows[UNITS_SIZE];

	text_clear(said);
	if (result == 0) {
		text_addf(said, "%s row%s written to ", units_count(&rows, sheet->rows.count),
		          sheet->rows.count == 1 ? "" : "s");
		safe_terminal(said, path);
		return;
	}
	safe_terminal(said, path);
	if (result == -EEXIST)
		text_add(said, " is there already: nothing was written. Press e and choose another "
		               "name.");
	else
		text_addf(said, " could not be written: %s. Press e to choose another name.",
		          strerror(-result));
}

int picture_export(const struct look *look, const char *path, struct text *said)
{
	const struct ui *ui = look->ui;
	struct text out = {0};
	struct sheet sheet;
	int result;

	if (look->reading == NULL) {
		text_clear(said);
		text_add(said, "nothing has been read yet");
		return -EAGAIN;
	}
	screens[ui->screen].make(look, &sheet);
	sheet_sort(&sheet, &look->ui->lists[ui->screen]);
	if (is_csv(path))
		sheet_csv(&sheet, &out);
	else
		write_json(look, &sheet, &out);
	result = write_file(path, &out);
	say(path, &sheet, result, said);
	sheet_finish(&sheet);
	text_finish(&out);
	return result;
}

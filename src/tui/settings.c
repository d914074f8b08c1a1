/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include "monitor.h"
#include "safe.h"
#include "ui_act.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFAULT_REFRESH_MS = 500, FILE_LIMIT = 65536, NAME_SIZE = 32 };

static const char *const ground_words[] = {"auto", "dark", "light"};
static const char *const tags_by_words[] = {"tag", "kind", "process", "device", "age"};
static const char *const switch_words[] = {"no", "yes"};

void settings_defaults(struct settings *settings)
{
	*settings = (struct settings){.refresh_ms = DEFAULT_REFRESH_MS, .tree = true};
}

void settings_path(struct text *path)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	text_clear(path);
	if (config != NULL && config[0] == '/')
		text_addf(path, "%s/meshtally/monitor.conf", config);
	else if (home != NULL && home[0] == '/')
		text_addf(path, "%s/.config/meshtally/monitor.conf", home);
}

static int find_word(const char *const *words, size_t count, const char *value)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], value) == 0)
			return (int)i;
	return -1;
}

static bool take_number(const char *value, uint64_t least, uint64_t most, uint64_t *ret)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || number < least ||
	    number > most)
		return false;
	*ret = number;
	return true;
}

static bool take_refresh(struct settings *settings, const char *value)
{
	uint64_t number;

	if (!take_number(value, REFRESH_LEAST_MS, REFRESH_MOST_MS, &number))
		return false;
	settings->refresh_ms = (unsigned)number;
	return true;
}

static void say_refresh(const struct settings *settings, struct text *value)
{
	text_addf(value, "%u", settings->refresh_ms);
}

static bool take_ground(struct settings *settings, const char *value)
{
	int word = find_word(ground_words, ARRAY_COUNT(ground_words), value);

	if (word < 0)
		return false;
	settings->ground = (enum ground)word;
	return true;
}

static void say_ground(const struct settings *settings, struct text *value)
{
	text_add(value, ground_words[settings->ground]);
}

static bool take_screen(struct settings *settings, const char *value)
{
	enum screen_id screen = screen_find(value);

	if (screen >= SCREEN_LIMIT)
		return false;
	settings->screen = screen;
	return true;
}

static void say_screen(const struct settings *settings, struct text *value)
{
	text_add(value, screens[settings->screen].name);
}

static bool take_tree(struct settings *settings, const char *value)
{
	int word = find_word(switch_words, ARRAY_COUNT(switch_words), value);

	if (word < 0)
		return false;
	settings->tree = word == 1;
	return true;
}

static void say_tree(const struct settings *settings, struct text *value)
{
	text_add(value, switch_words[settings->tree]);
}

static bool take_tags_by(struct settings *settings, const char *value)
{
	int word = find_word(tags_by_words, ARRAY_COUNT(tags_by_words), value);

	if (word < 0)
		return false;
	settings->tags_by = (enum tags_by)word;
	return true;
}

static void say_tags_by(const struct settings *settings, struct text *value)
{
	text_add(value, tags_by_words[settings->tags_by]);
}

static const struct setting {
	const char *name, *expected;
	bool (*take)(struct settings *settings, const char *value);
	void (*say)(const struct settings *settings, struct text *value);
} rows[] = {
	{"refresh_ms", "a number from 100 to 10000", take_refresh, say_refresh},
	{"ground", "auto, dark or light", take_ground, say_ground},
	{"screen", "mesh, device, processes, tags, growth or faults", take_screen, say_screen},
	{"tree", "yes or no", take_tree, say_tree},
	{"tags_by", "tag, kind, process, device or age", take_tags_by, say_tags_by},
};

/* "sort.tags = total_bytes down": a column as exports name it, or "none". */
static const char sort_start[] = "sort.";
static const char sort_expected[] = "none, or a column's name, as in exports, with up or down";

static bool take_sort(struct settings *settings, enum screen_id screen, const char *value)
{
	char column[SHEET_NAME] = "", way[8] = "", rest;

	if (strcmp(value, "none") == 0) {
		settings->sorts[screen][0] = '\0';
		settings->descending[screen] = false;
		return true;
	}
	if (sscanf(value, "%39s %7s %c", column, way, &rest) != 2 ||
	    (strcmp(way, "up") != 0 && strcmp(way, "down") != 0))
		return false;
	memcpy(settings->sorts[screen], column, sizeof(column));
	settings->descending[screen] = strcmp(way, "down") == 0;
	return true;
}

static void say_sort(const struct settings *settings, enum screen_id screen, struct text *value)
{
	const char *column = settings->sorts[screen];

	/* Kinds of memory have columns, and may be called anything. */
	if (column[0] == '\0' || column[strcspn(column, " \t\r\n\v\f")] != '\0')
		text_add(value, "none");
	else
		text_addf(value, "%s %s", column, settings->descending[screen] ? "down" : "up");
}

/* A line as name and value, without spaces around them. False: it is neither that nor empty. */
struct line {
	char name[NAME_SIZE];
	struct text value;
	bool empty; /* or a comment */
};

static bool read_line(const char *at, size_t length, struct line *line)
{
	const char *equals = memchr(at, '=', length), *end = at + length, *name_end = equals;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && strchr(" \t\r", end[-1]) != NULL)
		end--;
	line->name[0] = '\0';
	text_clear(&line->value);
	line->empty = at == end || *at == '#';
	if (line->empty)
		return true;
	if (equals == NULL || equals < at || equals >= end)
		return false;
	while (name_end > at && (name_end[-1] == ' ' || name_end[-1] == '\t'))
		name_end--;
	if (name_end == at || name_end - at >= NAME_SIZE)
		return false;
	memcpy(line->name, at, (size_t)(name_end - at));
	line->name[name_end - at] = '\0';
	for (equals++; equals < end && (*equals == ' ' || *equals == '\t'); equals++)
		;
	text_bytes(&line->value, equals, (size_t)(end - equals));
	return true;
}

static const struct setting *find_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static enum screen_id find_sort(const char *name)
{
	if (strncmp(name, sort_start, sizeof(sort_start) - 1) != 0)
		return SCREEN_LIMIT;
	return screen_find(name + sizeof(sort_start) - 1);
}

static void complain(struct text *complaints, const char *path, unsigned number, const char *name,
                     const char *expected)
{
	safe_terminal(complaints, path);
	text_addf(complaints, ":%u: ", number);
	if (expected != NULL) {
		safe_terminal(complaints, name);
		text_addf(complaints, " is to be %s\n", expected);
	} else if (name[0] != '\0') {
		text_add(complaints, "there is no setting '");
		safe_terminal(complaints, name);
		text_add(complaints, "'\n");
	} else {
		text_add(complaints, "expected NAME = VALUE\n");
	}
}

static void take_line(struct settings *settings, const struct line *line, const char *path,
                      unsigned number, struct text *complaints)
{
	const struct setting *row = find_row(line->name);
	enum screen_id sort = find_sort(line->name);
	const char *value = text_string(&line->value);

	if (row == NULL && sort >= SCREEN_LIMIT)
		complain(complaints, path, number, line->name, NULL);
	else if (row != NULL && !row->take(settings, value))
		complain(complaints, path, number, line->name, row->expected);
	else if (row == NULL && !take_sort(settings, sort, value))
		complain(complaints, path, number, line->name, sort_expected);
}

/* 0, also where there is none; -EFBIG where it cannot be one of ours. */
static int read_file(const char *path, struct text *out)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), result = 0;
	char bytes[4096];
	ssize_t count;

	if (file < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while ((count = read(file, bytes, sizeof(bytes))) > 0 && out->length < FILE_LIMIT)
		text_bytes(out, bytes, (size_t)count);
	if (count < 0)
		result = -errno;
	else if (out->length >= FILE_LIMIT)
		result = -EFBIG;
	close(file);
	return result;
}

void settings_load(struct settings *settings, const char *path, struct text *complaints)
{
	struct text file = {0};
	struct line line = {.name = ""};
	unsigned number = 1;
	int result = read_file(path, &file);

	if (result != 0) {
		safe_terminal(complaints, path);
		text_addf(complaints, ": %s\n", strerror(-result));
		text_clear(&file);
	}
	for (const char *at = text_string(&file); *at != '\0'; number++) {
		size_t length = strcspn(at, "\n");

		if (!read_line(at, length, &line))
			complain(complaints, path, number, "", NULL);
		else if (!line.empty)
			take_line(settings, &line, path, number, complaints);
		at += length + (at[length] == '\n');
	}
	text_finish(&line.value);
	text_finish(&file);
}

/* Which of the settings have been written. */
struct written {
	bool rows[ARRAY_COUNT(rows)], sorts[SCREEN_LIMIT];
};

static void write_row(const struct settings *settings, size_t i, struct text *out)
{
	text_addf(out, "%s = ", rows[i].name);
	rows[i].say(settings, out);
	text_add(out, "\n");
}

static void write_sort(const struct settings *settings, enum screen_id screen, struct text *out)
{
	text_addf(out, "%s%s = ", sort_start, screens[screen].name);
	say_sort(settings, screen, out);
	text_add(out, "\n");
}

/* The line as it is, or its setting as it is now; a second one of the same name goes. */
static void write_line(const struct settings *settings, const char *at, size_t length,
                       const struct line *line, struct written *written, struct text *out)
{
	const struct setting *row = find_row(line->name);
	enum screen_id sort = find_sort(line->name);
	size_t i = row != NULL ? (size_t)(row - rows) : 0;

	if (row != NULL) {
		if (!written->rows[i])
			write_row(settings, i, out);
		written->rows[i] = true;
	} else if (sort < SCREEN_LIMIT) {
		if (!written->sorts[sort])
			write_sort(settings, sort, out);
		written->sorts[sort] = true;
	} else {
		text_bytes(out, at, length);
		text_add(out, "\n");
	}
}

static void write_all(const struct settings *settings, const char *before, struct text *out)
{
	struct written written = {.rows = {false}};
	struct line line = {.name = ""};

	if (before[0] == '\0')
		text_add(out, "# meshtally's monitor: written by its key w\n");
	for (const char *at = before; *at != '\0';) {
		size_t length = strcspn(at, "\n");

		if (!read_line(at, length, &line))
			line.name[0] = '\0';
		write_line(settings, at, length, &line, &written, out);
		at += length + (at[length] == '\n');
	}
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		if (!written.rows[i])
			write_row(settings, i, out);
	for (enum screen_id i = 0; i < SCREEN_LIMIT; i++)
		if (!written.sorts[i])
			write_sort(settings, i, out);
	text_finish(&line.value);
}

/* The directories of a path. */
static int make_directories(const char *path)
{
	char *copy = mem_strdup(path);
	int result = 0;

	for (char *at = strchr(copy + 1, '/'); at != NULL && result == 0;
	     at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(copy, 0700) != 0 && errno != EEXIST)
			result = -errno;
		*at = '/';
	}
	free(copy);
	return result;
}

static int write_whole(int file, const struct text *text)
{
	for (size_t at = 0; at < text->length;) {
		ssize_t count = write(file, text->bytes + at, text->length - at);

		if (count < 0 && errno != EINTR)
			return -errno;
		at += count > 0 ? (size_t)count : 0;
	}
	return fsync(file) != 0 ? -errno : 0;
}

/* All of it or nothing: another file takes the place of this one. */
static int replace_file(const char *path, const struct text *text)
{
	struct text other = {0};
	int file, result;

	text_addf(&other, "%s.XXXXXX", path);
	file = mkostemp(other.bytes, O_CLOEXEC);
	if (file < 0) {
		result = -errno;
		text_finish(&other);
		return result;
	}
	result = write_whole(file, text);
	if (close(file) != 0 && result == 0)
		result = -errno;
	if (result == 0 && rename(other.bytes, path) != 0)
		result = -errno;
	if (result != 0)
		unlink(other.bytes);
	text_finish(&other);
	return result;
}

int settings_save(const struct settings *settings, const char *path)
{
	char *real = realpath(path, NULL); /* what a symbolic link leads to, not the link */
	struct text before = {0}, out = {0};
	int result = make_directories(path);

	if (result == 0)
		result = read_file(path, &before);
	if (result == 0) {
		write_all(settings, text_string(&before), &out);
		result = replace_file(real != NULL ? real : path, &out);
	}
	free(real);
	text_finish(&before);
	text_finish(&out);
	return result;
}

void settings_apply(const struct settings *settings, struct ui *ui)
{
	ui->refresh_ms = settings->refresh_ms;
	ui->screen = settings->screen;
	ui->tree = settings->tree;
	ui->tags_by = settings->tags_by;
	for (size_t i = 0; i < SCREEN_LIMIT; i++) {
		memcpy(ui->lists[i].sort_by, settings->sorts[i], SHEET_NAME);
		ui->lists[i].sort = SIZE_MAX;
		ui->lists[i].descending = settings->descending[i];
	}
}

void settings_take(struct settings *settings, const struct ui *ui)
{
	settings->refresh_ms = ui->refresh_ms;
	settings->screen = ui->screen;
	settings->tree = ui->tree;
	settings->tags_by = ui->tags_by;
	for (size_t i = 0; i < SCREEN_LIMIT; i++) {
		memcpy(settings->sorts[i], ui->lists[i].sort_by, SHEET_NAME);
		settings->descending[i] = ui->lists[i].descending;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The directories that segments lie in, and what is in them. */
#include "reader_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_MAX = 1 << 17 };

struct name_list {
	char **names;
	size_t count, room;
};

struct dir_list {
	char (*paths)[256];
	size_t count, limit;
};

/* A directory of the uid that its name ends with, which nobody else can have put there. */
static void dir_add(struct dir_list *list, const char *parent, const char *name, const char *prefix)
{
	size_t skip = strlen(prefix);
	char path[256], *end;
	struct stat st;
	unsigned long uid;

	if (strncmp(name, prefix, skip) != 0 || name[skip] < '0' || name[skip] > '9')
		return;
	errno = 0;
	uid = strtoul(name + skip, &end, 10);
	if (*end || errno || list->count == list->limit)
		return;
	if (snprintf(path, sizeof path, "%s/%s", parent, name) >= (int)sizeof path)
		return;
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != uid)
		return;
	if (faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) == 0)
		memcpy(list->paths[list->count++], path, sizeof path);
}

static void dirs_below(struct dir_list *list, const char *parent, const char *prefix)
{
	DIR *dir = opendir(parent);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		dir_add(list, parent, entry->d_name, prefix);
	closedir(dir);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(a, b);
}

size_t segment_dirs(char (*ret_paths)[256], size_t limit)
{
	struct dir_list list = {.paths = ret_paths, .limit = limit};
	const char *chosen = getenv("MESHTALLY_DIR");

	if (chosen && *chosen) {
		if (limit == 0 || strlen(chosen) >= sizeof *ret_paths)
			return 0;
		strcpy(ret_paths[0], chosen);
		return 1;
	}
	dirs_below(&list, "/run/meshtally", "");
	dirs_below(&list, "/dev/shm", "meshtally-");
	qsort(ret_paths, list.count, sizeof *ret_paths, compare_paths);
	return list.count;
}

static bool is_segment_name(const char *name)
{
	size_t length = strlen(name), suffix = sizeof SEGMENT_SUFFIX - 1;

	return name[0] != '.' && length > suffix &&
	       strcmp(name + length - suffix, SEGMENT_SUFFIX) == 0;
}

static int names_add(struct name_list *list, const char *name)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		char **names = reallocarray(list->names, room, sizeof *names);

		if (!names)
			return -ENOMEM;
		list->names = names;
		list->room = room;
	}
	list->names[list->count] = strdup(name);
	return list->names[list->count] ? (list->count++, 0) : -ENOMEM;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_read(struct name_list *list, DIR *dir)
{
	struct dirent *entry;
	int error = 0;

	while (!error && list->count < NAMES_MAX && (entry = readdir(dir)))
		if (is_segment_name(entry->d_name))
			error = names_add(list, entry->d_name);
	if (list->count)
		qsort(list->names, list->count, sizeof *list->names, compare_names);
	return error;
}

/* 0, or why this name in a directory of `owner` is not a segment: a directory that others may write
 * to is no reason to believe them. A file that has gone meanwhile is -ENOENT and nothing to be told
 * about. */
static int name_check(int dir, const char *name, uid_t owner, const char *path,
                      struct segment_reject *ret)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -ENOENT;
	if (S_ISLNK(st.st_mode))
		return reject(ret, -ELOOP, path, "a symbolic link, not a file");
	if (S_ISFIFO(st.st_mode))
		return reject(ret, -EINVAL, path, "a FIFO, not a file");
	if (!S_ISREG(st.st_mode))
		return reject(ret, -EINVAL, path, "not a file");
	if (st.st_uid != owner && st.st_uid != geteuid())
		return reject(ret, -EPERM, path, "belongs to uid %u, the directory to uid %u",
		              (unsigned)st.st_uid, (unsigned)owner);
	return 0;
}

int segment_dir_scan(const char *dir_path, int (*found)(const char *path, void *arg),
                     void (*rejected)(const struct segment_reject *, void *arg), void *arg)
{
	struct name_list list = {0};
	struct segment_reject why;
	char path[PATH_MAX];
	struct stat st;
	DIR *dir = opendir(dir_path);
	int result;
	size_t i;

	if (!dir)
		return -errno;
	result = fstat(dirfd(dir), &st) < 0 ? -errno : names_read(&list, dir);
	for (i = 0; i < list.count && result == 0; i++) {
		int error;

		snprintf(path, sizeof path, "%s/%s", dir_path, list.names[i]);
		error = name_check(dirfd(dir), list.names[i], st.st_uid, path, &why);
		if (!error)
			result = found(path, arg);
		else if (error != -ENOENT && rejected)
			rejected(&why, arg);
	}
	for (i = 0; i < list.count; i++)
		free(list.names[i]);
	free(list.names);
	closedir(dir);
	return result;
}

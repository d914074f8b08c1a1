/* SPDX-License-Identifier: Apache-2.0 */
#include "postmortem_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int join(char (*ret_path)[PATH_MAX], const char *first, const char *second)
{
	int length = snprintf(*ret_path, sizeof(*ret_path), "%s%s", first, second);

	return length < 0 || (size_t)length >= sizeof(*ret_path) ? -ENAMETOOLONG : 0;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static int user_state_dir(char (*ret_path)[PATH_MAX])
{
	const char *state = variable("XDG_STATE_HOME"), *home = variable("HOME");

	if (state != NULL)
		return join(ret_path, state, "/meshtally");
	return home != NULL ? join(ret_path, home, "/.local/state/meshtally") : -ENOENT;
}

int postmortem_state_dir(const char *chosen, char (*ret_path)[PATH_MAX])
{
	const char *dir =
		chosen != NULL && chosen[0] != '\0' ? chosen : variable("MESHTALLY_STATE_DIR");
	int error;

	if (dir != NULL)
		return join(ret_path, dir, "");
	dir = variable("STATE_DIRECTORY");
	if (dir == NULL)
		return user_state_dir(ret_path);
	/* A service manager may give several, separated by colons: the first is ours. */
	error = join(ret_path, dir, "");
	(*ret_path)[strcspn(*ret_path, ":")] = '\0';
	return error;
}

size_t postmortem_dirs(char (*ret_paths)[PATH_MAX], size_t limit)
{
	const char *chosen = variable("MESHTALLY_STATE_DIR");
	char state[PATH_MAX];
	size_t count = 0;

	if (count < limit && postmortem_state_dir(NULL, &state) == 0 &&
	    join(&ret_paths[count], state, "/dead") == 0)
		count++;
	if (chosen == NULL && count < limit &&
	    (count == 0 || strcmp(state, POSTMORTEM_SYSTEM) != 0))
		join(&ret_paths[count++], POSTMORTEM_SYSTEM, "/dead");
	return count;
}

void postmortem_name(char (*ret_name)[POSTMORTEM_NAME], uint64_t unix_ms, int32_t pid,
                     uint64_t identity)
{
	snprintf(*ret_name, sizeof(*ret_name), "%" PRIu64 "-%" PRId32 "-%016" PRIx64 "%s", unix_ms,
	         pid, identity, POSTMORTEM_SUFFIX);
}

/* Only names as they are made are taken: what else is there is somebody else's. */
static bool parse_name(const char *name, struct postmortem_file *ret_file)
{
	struct postmortem_file file = {.name = ""};
	char again[POSTMORTEM_NAME];

	if (sscanf(name, "%" SCNu64 "-%" SCNd32 "-%" SCNx64, &file.unix_ms, &file.pid,
	           &file.identity) != 3)
		return false;
	postmortem_name(&again, file.unix_ms, file.pid, file.identity);
	if (strcmp(again, name) != 0)
		return false;
	memcpy(file.name, again, sizeof(file.name));
	*ret_file = file;
	return true;
}

static int newest_first(const void *a, const void *b)
{
	const struct postmortem_file *x = a, *y = b;

	if (x->unix_ms != y->unix_ms)
		return x->unix_ms > y->unix_ms ? -1 : 1;
	return strcmp(x->name, y->name);
}

int postmortem_list(struct postmortem_list *list, const char *dir)
{
	struct postmortem_file file;
	DIR *stream = opendir(dir);
	struct dirent *entry;
	struct stat status;

	if (stream == NULL)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(stream)) != NULL) {
		if (!parse_name(entry->d_name, &file) ||
		    fstatat(dirfd(stream), file.name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(status.st_mode))
			continue;
		file.bytes = (uint64_t)status.st_size;
		*vec_add(list) = file;
	}
	closedir(stream);
	if (list->count != 0)
		qsort(list->items, list->count, sizeof(*list->items), newest_first);
	return 0;
}

void postmortem_list_finish(struct postmortem_list *list)
{
	vec_finish(list);
}

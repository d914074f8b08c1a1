/* SPDX-License-Identifier: Apache-2.0 */
#include "opencl_layer.h"

#include "memory.h"
#include "probe_file.h"
#include "probe_opencl.h"
#include "safe.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRY_SECONDS = 20, ANSWER_BYTES = PATH_MAX + 256 };

/* --- trying a file, in a child ------------------------------------------------------------ */

/* Runs in the child: writes its answer into the pipe and returns the exit status. */
typedef int (*attempt_in_child)(int fd, const char *name);

/* What a file says when it is loaded is not for the program's output. */
static void silence_output(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
}

/* The exit status of the child, or -1 where it was ended, and what it answered. */
static int try_in_child(attempt_in_child attempt, const char *name,
                        char (*ret_answer)[ANSWER_BYTES])
{
	size_t length = 0;
	ssize_t size = 1;
	int fds[2], status = -1;
	pid_t pid;

	(*ret_answer)[0] = '\0';
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		setenv("MESHTALLY", "0", 1); /* the layer brings our library with it */
		silence_output();
		alarm(TRY_SECONDS);
		_exit(attempt(fds[1], name));
	}
	close(fds[1]);
	while (pid > 0 && length < ANSWER_BYTES - 1 && size != 0) {
		size = read(fds[0], *ret_answer + length, ANSWER_BYTES - 1 - length);
		if (size < 0 && errno != EINTR)
			break;
		length += size > 0 ? (size_t)size : 0;
	}
	(*ret_answer)[length] = '\0';
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int answer(int fd, const char *text, int status)
{
	size_t length = strlen(text);

	return write(fd, text, length) == (ssize_t)length ? status : 2;
}

/* The dynamic loader's words without the name that the reader has just read. */
static const char *without_path(const char *words, const char *path)
{
	size_t length = strlen(path);

	return strncmp(words, path, length) == 0 && strncmp(words + length, ": ", 2) == 0
	               ? words + length + 2
	               : words;
}

static int attempt_layer(int fd, const char *path)
{
	static const char *const needed[] = {"clInitLayer", "clGetLayerInfo"};
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (handle == NULL)
		return answer(fd, without_path(dlerror(), path), 1);
	for (size_t i = 0; i < ARRAY_COUNT(needed); i++)
		if (dlsym(handle, needed[i]) == NULL)
			return answer(fd,
			              "it is no OpenCL layer: it does not export clInitLayer "
			              "and clGetLayerInfo",
			              1);
	return 0;
}

static int attempt_loader(int fd, const char *name)
{
	void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	struct link_map *map;

	if (handle == NULL || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
		return answer(fd, dlerror(), 1);
	return answer(fd, map->l_name, 0);
}

/* --- the layer ---------------------------------------------------------------------------- */

void opencl_architecture(struct text *text, const struct probe_file *file)
{
	const char *name = probe_machine_name(file->machine);

	if (name != NULL)
		text_add(text, name);
	else
		text_addf(text, "ELF machine %u", file->machine);
	text_addf(text, ", %u bit", file->bits);
}

/* The dynamic loader's words for this would be that there is no such file. */
static bool is_foreign(const char *path, struct text *reason)
{
	struct probe_file file, own;

	probe_file(path, &file);
	probe_file("/proc/self/exe", &own);
	if (file.machine == 0 || (file.machine == own.machine && file.bits == own.bits))
		return false;
	text_add(reason, "it is built for another architecture (");
	opencl_architecture(reason, &file);
	text_add(reason, ") than this command (");
	opencl_architecture(reason, &own);
	text_add(reason, ")");
	return true;
}

static void say_unusable(struct text *error, const char *path, const char *reason)
{
	text_add(error, "the OpenCL layer '");
	safe_terminal(error, path);
	text_add(error, "' cannot be used: ");
	safe_terminal(error, reason);
}

int opencl_layer_check(const char *path, struct text *error)
{
	char words[ANSWER_BYTES];
	struct text reason = {0};
	struct stat status;
	int result;

	if (strchr(path, '/') != NULL && stat(path, &status) != 0)
		text_add(&reason, strerror(errno));
	else if (strchr(path, '/') != NULL && !S_ISREG(status.st_mode))
		text_add(&reason, "it is no file");
	else if (!is_foreign(path, &reason)) {
		result = try_in_child(attempt_layer, path, &words);
		if (result != 0)
			text_add(&reason, words[0] != '\0'
			                          ? words
			                          : "the process that tried to load it was ended");
	}
	if (reason.length == 0)
		return 0;
	say_unusable(error, path, text_string(&reason));
	text_finish(&reason);
	return -EINVAL;
}

/* As the maps of a process will show it: a link's name is not seen there. */
static int take_named(const char *named, char (*ret_path)[PATH_MAX], struct text *error)
{
	if (realpath(named, *ret_path) == NULL) {
		text_add(error, "MESHTALLY_OPENCL_LAYER is '");
		safe_terminal(error, named);
		text_addf(error, "': %s", strerror(errno));
		return -ENOENT;
	}
	if (!probe_opencl_is_ours(*ret_path)) {
		text_add(error,
		         "MESHTALLY_OPENCL_LAYER has to name a " OPENCL_LAYER_FILE ", not '");
		safe_terminal(error, *ret_path);
		text_add(error, "'");
		return -ENOENT;
	}
	return 0;
}

/* Places as they are looked at, for the directory that this command is in. */
static size_t list_places(char (*places)[PATH_MAX], const char *directory)
{
	size_t count = 0;

	if (directory[0] != '\0') {
		snprintf(places[count++], PATH_MAX, "%.3000s/" OPENCL_LAYER_FILE, directory);
#ifdef MESHTALLY_LAYER_FROM_BIN
		snprintf(places[count++], PATH_MAX,
		         "%.3000s/" MESHTALLY_LAYER_FROM_BIN "/" OPENCL_LAYER_FILE, directory);
#endif
	}
	snprintf(places[count++], PATH_MAX, MESHTALLY_LAYER_DIR "/" OPENCL_LAYER_FILE);
	return count;
}

int opencl_layer_find(char (*ret_path)[PATH_MAX], struct text *error)
{
	const char *named = getenv("MESHTALLY_OPENCL_LAYER");
	char directory[PATH_MAX] = "", (*places)[PATH_MAX];
	size_t count;
	int result = -ENOENT;

	if (named != NULL && named[0] != '\0')
		return take_named(named, ret_path, error);
	if (readlink("/proc/self/exe", directory, sizeof(directory) - 1) > 0)
		*strrchr(directory, '/') = '\0';
	places = mem_calloc(3, sizeof(*places));
	count = list_places(places, directory);
	for (size_t i = 0; i < count && result != 0; i++)
		if (realpath(places[i], *ret_path) != NULL)
			result = 0;
	if (result != 0) {
		text_add(error, "meshtally's OpenCL layer (" OPENCL_LAYER_FILE
		                ") is not installed: Debian's package is meshtally-opencl; else "
		                "build meshtally with the OpenCL headers (opencl-c-headers), or "
		                "say in MESHTALLY_OPENCL_LAYER where it is. Looked in: ");
		for (size_t i = 0; i < count; i++) {
			*strrchr(places[i], '/') = '\0';
			text_add(error, i != 0 ? ", " : "");
			safe_terminal(error, places[i]);
		}
	}
	free(places);
	return result;
}

/* --- OPENCL_LAYERS and the loader ------------------------------------------------------------- */

static bool is_same_file(const char *a, const char *b)
{
	struct stat first, second;

	return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

/* Whether an entry will bring our layer in. */
static bool is_in_already(const char *entry, const char *path)
{
	struct text ignored = {0};
	bool works = is_same_file(entry, path) ||
	             (probe_opencl_is_ours(entry) && opencl_layer_check(entry, &ignored) == 0);

	text_finish(&ignored);
	return works;
}

int opencl_layers_with(const char *layers, const char *path, struct text *ret_layers,
                       struct text *error)
{
	char *copy = mem_strdup(layers != NULL ? layers : ""), *state = NULL;
	bool found = false;

	for (char *entry = strtok_r(copy, ":", &state); entry != NULL && !found;
	     entry = strtok_r(NULL, ":", &state))
		found = is_in_already(entry, path);
	free(copy);
	if (!found && strchr(path, ':') != NULL) {
		text_add(error, "OPENCL_LAYERS cannot name '");
		safe_terminal(error, path);
		text_add(error, "', for colons part the layers in it: put the layer elsewhere, and "
		                "its path into MESHTALLY_OPENCL_LAYER");
		return -EINVAL;
	}
	text_add(ret_layers, layers != NULL ? layers : "");
	if (!found) {
		text_add(ret_layers, ret_layers->length != 0 ? ":" : "");
		text_add(ret_layers, path);
	}
	return 0;
}

void opencl_loader_find(struct opencl_loader *ret_loader)
{
	struct opencl_loader loader = {.found = false};
	char words[ANSWER_BYTES];

	loader.found = try_in_child(attempt_loader, "libOpenCL.so.1", &words) == 0;
	if (loader.found) {
		snprintf(loader.path, sizeof(loader.path), "%.*s", PATH_MAX - 1, words);
		loader.old = probe_opencl_is_old(loader.path);
	} else {
		snprintf(loader.reason, sizeof(loader.reason), "%.*s",
		         (int)sizeof(loader.reason) - 1, words);
	}
	*ret_loader = loader;
}

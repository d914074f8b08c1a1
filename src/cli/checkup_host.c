/* SPDX-License-Identifier: Apache-2.0 */
/* What `doctor` looks at on the host. */
#include "checkup.h"
#include "safe.h"
#include "units.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define SMALL_SHM_BYTES (64u << 20)
enum { SLOW_CLOCK_NS = 200, CLOCK_CALLS = 10000 };

void checkup_add(struct checkup *checkup, const char *about, enum check_state state,
                 const char *advice, const char *format, ...)
{
	struct check *check = vec_add(&checkup->checks);
	struct text text = {0};
	va_list arguments;

	va_start(arguments, format);
	text_vaddf(&text, format, arguments);
	va_end(arguments);
	check->about = about;
	check->state = state;
	check->text = mem_strdup(text_string(&text));
	check->advice = advice != NULL ? mem_strdup(advice) : NULL;
	checkup->problems += state == CHECK_PROBLEM;
	text_finish(&text);
}

void checkup_finish(struct checkup *checkup)
{
	for (size_t i = 0; i < checkup->checks.count; i++) {
		free(checkup->checks.items[i].text);
		free(checkup->checks.items[i].advice);
	}
	vec_finish(&checkup->checks);
}

/* Whether the library can make this directory: of its path, all but the last part is there. */
static bool can_be_made(const char *path)
{
	char parent[256];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash != NULL)
		slash[slash == parent] = '\0';
	return access(slash != NULL ? parent : ".", W_OK | X_OK) == 0;
}

/* Where a program of this user writes. */
static void check_write_dir(struct checkup *checkup)
{
	const char *set = getenv("MESHTALLY_DIR");
	struct text name = {0};
	char path[256];
	int error;

	if (set != NULL && set[0] != '\0')
		snprintf(path, sizeof(path), "%s", set);
	else if (access("/run/meshtally", W_OK | X_OK) == 0)
		snprintf(path, sizeof(path), "/run/meshtally/%u", (unsigned)getuid());
	else
		snprintf(path, sizeof(path), "/dev/shm/meshtally-%u", (unsigned)getuid());
	safe_terminal(&name, path);
	error = access(path, W_OK | X_OK) == 0 ? 0 : errno;
	if (error == 0)
		checkup_add(checkup, "directory", CHECK_OK, NULL,
		            "programs of this user can write to %s", name.bytes);
	else if (error == ENOENT && can_be_made(path))
		checkup_add(checkup, "directory", CHECK_OK, NULL,
		            "%s is not there yet; the first program makes it", name.bytes);
	else
		checkup_add(checkup, "directory", CHECK_PROBLEM,
		            "make it writable for the user that runs the programs, or set "
		            "MESHTALLY_DIR to one that is",
		            "programs of this user cannot write to %s: %s", name.bytes,
		            strerror(error));
	text_finish(&name);
}

static void check_read_dirs(struct checkup *checkup, const struct scene *scene)
{
	for (size_t i = 0; i < scene->dir_count; i++) {
		struct text name = {0};
		struct stat status;
		DIR *stream = opendir(scene->dirs[i]);

		safe_terminal(&name, scene->dirs[i]);
		if (stream == NULL)
			checkup_add(
				checkup, "directory", CHECK_NOTE,
				"run as that user, as root, or with its group to see its programs",
				"%s cannot be read: %s", name.bytes, strerror(errno));
		else if (stat(scene->dirs[i], &status) == 0)
			checkup_add(checkup, "directory", CHECK_OK, NULL,
			            "segments are read from %s (mode %o, user %u)", name.bytes,
			            (unsigned)status.st_mode & 07777u, (unsigned)status.st_uid);
		if (stream != NULL)
			closedir(stream);
		text_finish(&name);
	}
	if (scene->dir_count == 0)
		checkup_add(checkup, "directory", CHECK_NOTE,
		            "run a program with `meshtally run -- PROGRAM`",
		            "there is no directory with segments yet");
}

static void check_space(struct checkup *checkup)
{
	char total[UNITS_SIZE], left[UNITS_SIZE];
	struct statvfs status;
	uint64_t size, free_bytes;

	if (statvfs("/dev/shm", &status) != 0) {
		checkup_add(checkup, "space", CHECK_PROBLEM,
		            "mount a tmpfs there, or set MESHTALLY_DIR", "/dev/shm: %s",
		            strerror(errno));
		return;
	}
	size = (uint64_t)status.f_blocks * status.f_frsize;
	free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
	units_bytes_short(&total, size);
	units_bytes_short(&left, free_bytes);
	if (free_bytes < 1 << 20)
		checkup_add(checkup, "space", CHECK_PROBLEM,
		            "remove what is not needed there; until then buffers have no records",
		            "/dev/shm is full: %s free of %s", left, total);
	else if (size <= SMALL_SHM_BYTES)
		checkup_add(checkup, "space", CHECK_NOTE,
		            "start the container with more, such as --shm-size=1g",
		            "/dev/shm is small (%s, %s free), as containers have it", total, left);
	else
		checkup_add(checkup, "space", CHECK_OK, NULL, "/dev/shm has %s, %s free", total,
		            left);
}

/* Whether a file of logind has the line RemoveIPC=no (1) or =yes (0); -1 neither. */
static int remove_ipc_in(const char *path)
{
	FILE *stream = fopen(path, "re");
	char line[256];
	int found = -1;

	while (stream != NULL && fgets(line, sizeof(line), stream) != NULL) {
		if (strncmp(line, "RemoveIPC=", 10) != 0)
			continue;
		found = strncmp(line + 10, "no", 2) == 0 || line[10] == '0' ||
		        strncmp(line + 10, "false", 5) == 0;
	}
	if (stream != NULL)
		fclose(stream);
	return found;
}

static void check_remove_ipc(struct checkup *checkup)
{
	int keeps = remove_ipc_in("/etc/systemd/logind.conf"), found;
	DIR *stream = opendir("/etc/systemd/logind.conf.d");
	struct dirent *entry;
	char path[512];

	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		snprintf(path, sizeof(path), "/etc/systemd/logind.conf.d/%s", entry->d_name);
		found = entry->d_name[0] != '.' ? remove_ipc_in(path) : -1;
		keeps = found >= 0 ? found : keeps;
	}
	if (stream != NULL)
		closedir(stream);
	if (access("/run/systemd/seats", F_OK) != 0 || getuid() < 1000)
		return;
	if (keeps == 1)
		checkup_add(checkup, "logind", CHECK_OK, NULL, "RemoveIPC=no is set");
	else
		checkup_add(checkup, "logind", CHECK_NOTE,
		            "set RemoveIPC=no in /etc/systemd/logind.conf, or use `loginctl "
		            "enable-linger`",
		            "logind removes this user's files in /dev/shm at the last logout, also "
		            "those of programs that run on");
}

static void check_clock(struct checkup *checkup)
{
	char source[64] = "unknown";
	FILE *stream =
		fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
	struct timespec start, now = {0};
	double cost;

	if (stream != NULL) {
		if (fgets(source, sizeof(source), stream) != NULL)
			source[strcspn(source, "\n")] = '\0';
		fclose(stream);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < CLOCK_CALLS; i++)
		clock_gettime(CLOCK_MONOTONIC, &now);
	cost = ((double)(now.tv_sec - start.tv_sec) * 1e9 + (double)(now.tv_nsec - start.tv_nsec)) /
	       CLOCK_CALLS;
	if (cost > SLOW_CLOCK_NS)
		checkup_add(checkup, "clock", CHECK_NOTE,
		            "if the hardware allows it, boot with clocksource=tsc",
		            "reading the time is slow: %.0f ns (clock source %s)", cost, source);
	else
		checkup_add(checkup, "clock", CHECK_OK, NULL,
		            "reading the time takes %.0f ns (clock source %s)", cost, source);
}

static void check_environment(struct checkup *checkup)
{
	static const char *const names[] = {"MESHTALLY",
	                                    "TT_ALLOC_TRACKING_ENABLED",
	                                    "MESHTALLY_DIR",
	                                    "MESHTALLY_TT_SHM",
	                                    "TT_METAL_SHM_TRACKING_DISABLED",
	                                    "OPENCL_LAYERS",
	                                    "MESHTALLY_OPENCL_LAYER",
	                                    "MESHTALLY_OPENCL_DEVICE_MEMORY"};
	const char *on = getenv("MESHTALLY");

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		const char *value = getenv(names[i]);
		struct text safe = {0};

		if (value == NULL)
			continue;
		safe_terminal(&safe, value);
		checkup_add(checkup, "environment", CHECK_OK, NULL, "%s=%s is set in this shell",
		            names[i], text_string(&safe));
		text_finish(&safe);
	}
	if (on != NULL && strcmp(on, "0") == 0)
		checkup_add(checkup, "environment", CHECK_PROBLEM, "unset it: `unset MESHTALLY`",
		            "MESHTALLY=0 turns tracking off for every program started from here");
}

void checkup_host(struct checkup *checkup, const struct scene *scene)
{
	check_write_dir(checkup);
	check_read_dirs(checkup, scene);
	check_space(checkup);
	check_remove_ipc(checkup);
	check_clock(checkup);
	check_environment(checkup);
}

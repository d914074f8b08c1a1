/* SPDX-License-Identifier: Apache-2.0 */
#include "tt_counters.h"

#include "process_alive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = 9280, READY_WORD = 0x52454459 };

const char *const tt_counter_names[TT_COUNTER_LIMIT] = {"DRAM",  "L1", "L1_SMALL",
                                                        "TRACE", "CB", "KERNEL"};

/* Where things are in a version of the file. */
struct tt_format {
	uint32_t version;
	size_t file_bytes;
	size_t counters; /* how many figures each total has */
	size_t chips, chip_bytes;
	size_t processes, process_bytes;
	bool unused_chip_is_zero;
	size_t ready; /* offset of the ready word; 0 none */
};

static const struct tt_format formats[] = {
	{1, 9280, 6, 96, 56, 992, 128, true, 0},
	{2, 8576, 5, 88, 48, 856, 120, true, 0},
	{3, 8576, 5, 88, 48, 856, 120, false, 0},
	{4, 8576, 5, 88, 48, 856, 120, false, 8536},
};

static uint32_t get32(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint64_t get64(const unsigned char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void get_counters(const struct tt_format *format, const unsigned char *bytes,
                         uint64_t *ret_bytes)
{
	for (size_t i = 0; i < format->counters; i++)
		ret_bytes[i] = get64(bytes + 8 * i);
}

static const struct tt_format *find_format(const unsigned char *bytes, size_t size,
                                           const char **ret_reason)
{
	const struct tt_format *format = NULL;

	*ret_reason = "shorter than a header";
	if (size < 96)
		return NULL;
	for (size_t i = 0; i < ARRAY_COUNT(formats); i++)
		if (formats[i].version == get32(bytes))
			format = &formats[i];
	*ret_reason = "a version that is not known (1 to 4 are)";
	if (format == NULL)
		return NULL;
	*ret_reason = "cut off";
	if (size < format->file_bytes)
		return NULL;
	*ret_reason = "not ready: its process is still setting it up, or died doing so";
	if (format->ready != 0 && get32(bytes + format->ready) != READY_WORD)
		return NULL;
	return format;
}

/* In versions 1 and 2 an unused slot looks like chip 0: it is one only if it holds something, or
 * comes first. */
static bool is_chip_used(const struct tt_format *format, const struct tt_chip *chip, size_t slot)
{
	if (!format->unused_chip_is_zero || chip->chip_id != 0)
		return chip->chip_id != 0xffffffffu;
	for (size_t i = 0; i < TT_COUNTER_LIMIT; i++)
		if (chip->bytes[i] != 0)
			return true;
	return slot == 0;
}

static void get_chips(const struct tt_format *format, const unsigned char *bytes,
                      struct tt_device *device)
{
	for (size_t i = 0; i < TT_MAX_CHIPS; i++) {
		const unsigned char *at = bytes + format->chips + i * format->chip_bytes;
		struct tt_chip chip = {.chip_id = get32(at), .remote = get32(at + 4) != 0};

		get_counters(format, at + 8, chip.bytes);
		if (is_chip_used(format, &chip, i))
			device->chips[device->chip_count++] = chip;
	}
}

static void get_processes(const struct tt_format *format, const unsigned char *bytes,
                          struct tt_device *device)
{
	for (size_t i = 0; i < TT_MAX_PROCESSES; i++) {
		const unsigned char *at = bytes + format->processes + i * format->process_bytes;
		size_t after = 8 + 8 * format->counters;
		struct tt_process process = {.pid = (int32_t)get32(at)};

		if (process.pid <= 0)
			continue;
		get_counters(format, at + 8, process.bytes);
		process.last_update_ns = get64(at + after);
		memcpy(process.name, at + after + 8, TT_NAME_BYTES);
		device->processes[device->process_count++] = process;
	}
}

int tt_counters_parse(const void *bytes, size_t size, struct tt_device *ret_device,
                      const char **ret_reason)
{
	const unsigned char *at = bytes;
	const struct tt_format *format = find_format(at, size, ret_reason);
	struct tt_device device = {0};

	if (format == NULL)
		return -EINVAL;
	device.version = format->version;
	device.last_update_ns = get64(at + 8);
	device.board_serial = get64(at + 24);
	device.asic_id = get64(at + 32);
	device.device_id = (int32_t)get32(at + 40);
	get_counters(format, at + 48, device.bytes);
	get_chips(format, at, &device);
	get_processes(format, at, &device);
	*ret_device = device;
	*ret_reason = NULL;
	return 0;
}

const char *tt_counters_dir(void)
{
	const char *dir = getenv("MESHTALLY_TT_SHM");

	return dir != NULL && dir[0] != '\0' ? dir : "/dev/shm";
}

/* Whether the name is tt_device_<decimal>_memory, and the number. */
static bool parse_name(const char *name, uint64_t *ret_id)
{
	static const char before[] = "tt_device_";
	char *end;

	if (strncmp(name, before, sizeof(before) - 1) != 0)
		return false;
	name += sizeof(before) - 1;
	if (name[0] < '0' || name[0] > '9')
		return false;
	errno = 0;
	*ret_id = strtoull(name, &end, 10);
	return errno == 0 && strcmp(end, "_memory") == 0;
}

/* The bytes of a plain file, without waiting on anything that pretends to be one. */
static ssize_t read_file(int dir, const char *name, unsigned char *bytes, const char **ret_reason)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	ssize_t size = -1;

	if (fd < 0) {
		*ret_reason = strerror(errno);
		return -1;
	}
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		*ret_reason = "not a plain file";
	else if ((size = pread(fd, bytes, MAX_FILE_BYTES, 0)) < 0)
		*ret_reason = strerror(errno);
	close(fd);
	return size;
}

static void scan_file(struct tt_counters *counters, const char *dir, int dir_fd, const char *name,
                      uint64_t id)
{
	static _Thread_local unsigned char bytes[MAX_FILE_BYTES];
	const char *reason = "";
	struct tt_device device;
	ssize_t size = read_file(dir_fd, name, bytes, &reason);

	if (size < 0 || tt_counters_parse(bytes, (size_t)size, &device, &reason) != 0) {
		struct tt_reject *reject = vec_add(&counters->rejects);

		snprintf(reject->path, sizeof(reject->path), "%s/%s", dir, name);
		snprintf(reject->reason, sizeof(reject->reason), "%s", reason);
		return;
	}
	device.unique_id = id;
	for (uint32_t i = 0; i < device.process_count; i++)
		device.processes[i].dead =
			!process_alive(device.processes[i].pid, device.processes[i].last_update_ns);
	*vec_add(&counters->devices) = device;
}

static int by_id(const void *a, const void *b)
{
	const struct tt_device *x = a, *y = b;

	return x->unique_id < y->unique_id ? -1 : x->unique_id > y->unique_id;
}

int tt_counters_scan(const char *dir, struct tt_counters *ret_counters)
{
	DIR *stream = opendir(dir);
	struct tt_counters counters = {0};
	struct dirent *entry;
	uint64_t id;

	if (stream == NULL)
		return -errno;
	while ((entry = readdir(stream)) != NULL)
		if (parse_name(entry->d_name, &id))
			scan_file(&counters, dir, dirfd(stream), entry->d_name, id);
	closedir(stream);
	if (counters.devices.count > 1)
		qsort(counters.devices.items, counters.devices.count,
		      sizeof(*counters.devices.items), by_id);
	*ret_counters = counters;
	return 0;
}

void tt_counters_finish(struct tt_counters *counters)
{
	vec_finish(&counters->devices);
	vec_finish(&counters->rejects);
}

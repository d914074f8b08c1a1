/* SPDX-License-Identifier: Apache-2.0 */
#include "tt_devices.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_LIMIT = 256 << 10, LINE_LIMIT = 512, BANKS_LIMIT = 4096 };

/* The memories of an entry while it is read, in this order. */
static const struct {
	const char *name;
	uint32_t kind;
	int like; /* whose number of banks it has, unless it says so itself; -1 */
} memories[TT_MEMORY_LIMIT] = {
	{"dram", MT_DRAM, -1},
	{"l1", MT_L1, -1},
	{"l1_small", MT_L1_SMALL, 1},
	{"trace", MT_TRACE, 0},
};

enum memory_key { KEY_BANKS, KEY_BANK_BYTES, KEY_BASE, KEY_ALIGN, KEY_MEMORY_LIMIT };
static const char *const memory_keys[KEY_MEMORY_LIMIT] = {"banks", "bank_bytes", "base", "align"};

enum entry_key { KEY_ARCH, KEY_BUS, KEY_UNIQUE_ID, KEY_ORDINAL, KEY_ENTRY_LIMIT };
static const char *const entry_keys[KEY_ENTRY_LIMIT] = {"arch", "bus", "unique_id", "ordinal"};

/* A section being read: which keys it had, and the ordinals it is for. */
struct section {
	bool open;
	struct tt_device_entry entry;
	int32_t last_ordinal;
	uint64_t values[TT_MEMORY_LIMIT][KEY_MEMORY_LIMIT];
	uint32_t seen[TT_MEMORY_LIMIT]; /* a bit per memory_key */
	uint32_t seen_entry;            /* a bit per entry_key */
};

struct parser {
	struct tt_devices *devices;
	struct section section;
	const char *name;
	uint32_t line;
	char *error;
	size_t error_size;
};

static __attribute__((format(printf, 2, 3))) int fail(struct parser *parser, const char *format,
                                                      ...)
{
	va_list arguments;
	int length = snprintf(parser->error, parser->error_size, "%s:%" PRIu32 ": ", parser->name,
	                      parser->line);

	va_start(arguments, format);
	if (length >= 0 && (size_t)length < parser->error_size)
		vsnprintf(parser->error + length, parser->error_size - (size_t)length, format,
		          arguments);
	va_end(arguments);
	return -EINVAL;
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

/* "12", "0x3f", "1464 KiB", "1GiB". */
static bool parse_bytes(const char *text, uint64_t *ret_value)
{
	static const struct {
		const char *unit;
		unsigned shift;
	} units[] = {{"", 0},    {"B", 0},    {"K", 10}, {"KB", 10}, {"KiB", 10}, {"M", 20},
	             {"MB", 20}, {"MiB", 20}, {"G", 30}, {"GB", 30}, {"GiB", 30}};
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno != 0)
		return false;
	while (isspace((unsigned char)*end))
		end++;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		*ret_value = value << units[i].shift;
		return *ret_value >> units[i].shift == value;
	}
	return false;
}

static bool parse_number(const char *text, int base, uint64_t limit, uint64_t *ret_value)
{
	char *end;

	if (!isxdigit((unsigned char)*text))
		return false;
	errno = 0;
	*ret_value = strtoull(text, &end, base);
	return errno == 0 && *end == '\0' && *ret_value < limit;
}

static bool parse_unique_id(const char *text, uint64_t *ret_id)
{
	return text[0] == '0' && (text[1] == 'x' || text[1] == 'X') &&
	       parse_number(text + 2, 16, UINT64_MAX, ret_id) && *ret_id != 0;
}

/* --- a section's end --------------------------------------------------------------------- */

static int finish_memory(struct parser *parser, size_t at)
{
	struct section *section = &parser->section;
	const uint64_t *values = section->values[at];
	int like = memories[at].like;
	uint64_t banks = values[KEY_BANKS];

	if (section->seen[at] == 0)
		return 0;
	if (!(section->seen[at] & 1u << KEY_BANK_BYTES))
		return fail(parser,
		            "the section of line %" PRIu32 " has no %s_bank_bytes, "
		            "expected one beside its other %s_ keys",
		            section->entry.line, memories[at].name, memories[at].name);
	if (banks == 0 && like >= 0)
		banks = section->values[like][KEY_BANKS];
	section->entry.memories[section->entry.memory_count++] =
		(struct mt_memory){.kind = memories[at].kind,
	                           .banks = banks ? (uint32_t)banks : 1,
	                           .base = values[KEY_BASE],
	                           .bank_bytes = values[KEY_BANK_BYTES],
	                           .align = values[KEY_ALIGN]};
	return 0;
}

static int add_entry(struct parser *parser, const struct tt_device_entry *entry)
{
	struct tt_devices *devices = parser->devices;

	for (uint32_t i = 0; i < devices->count; i++) {
		const struct tt_device_entry *other = &devices->entries[i];

		if (entry->ordinal >= 0 && other->ordinal == entry->ordinal)
			return fail(parser,
			            "device %" PRId32 " is in the section of line %" PRIu32
			            " already, expected each device once",
			            entry->ordinal, other->line);
		if (entry->unique_id != 0 && other->unique_id == entry->unique_id)
			return fail(parser,
			            "unique id 0x%" PRIx64 " is in the section of line "
			            "%" PRIu32 " already, expected each device once",
			            entry->unique_id, other->line);
	}
	if (devices->count == TT_DEVICES_LIMIT)
		return fail(parser, "too many devices, expected at most %d", TT_DEVICES_LIMIT);
	devices->entries[devices->count++] = *entry;
	return 0;
}

static int finish_section(struct parser *parser)
{
	struct section *section = &parser->section;
	int error = 0;

	if (!section->open)
		return 0;
	for (size_t i = 0; i < TT_MEMORY_LIMIT && !error; i++)
		error = finish_memory(parser, i);
	if (!error && section->last_ordinal > section->entry.ordinal &&
	    section->entry.unique_id != 0)
		error = fail(parser,
		             "unique_id in the section of line %" PRIu32
		             ", expected none where a section is for several devices",
		             section->entry.line);
	do {
		if (!error)
			error = add_entry(parser, &section->entry);
	} while (!error && section->entry.ordinal++ < section->last_ordinal);
	section->open = false;
	return error;
}

/* --- lines ------------------------------------------------------------------------------- */

/* "[3]", "[0-7]", "[0x8000000012345678]" */
static int begin_section(struct parser *parser, char *text)
{
	struct section *section = &parser->section;
	char *end = strchr(text, ']'), *dash;
	uint64_t first = 0, last;
	int error = finish_section(parser);

	if (error)
		return error;
	if (end == NULL || end[1] != '\0')
		return fail(parser, "\"%s\", expected [ORDINAL], [FIRST-LAST] or [0xUNIQUE_ID]",
		            text);
	*end = '\0';
	text = trim(text + 1);
	*section = (struct section){.open = true, .last_ordinal = -1};
	section->entry.line = parser->line;
	section->entry.ordinal = -1;
	if (parse_unique_id(text, &section->entry.unique_id)) {
		section->seen_entry |= 1u << KEY_UNIQUE_ID;
		return 0;
	}
	dash = strchr(text, '-');
	if (dash != NULL)
		*dash = '\0';
	if (!parse_number(text, 10, TT_DEVICE_LIMIT, &first) ||
	    (dash != NULL && (!parse_number(dash + 1, 10, TT_DEVICE_LIMIT, &last) || last < first)))
		return fail(parser,
		            "[%s%s%s], expected an ordinal from 0 to %d, FIRST-LAST, or a "
		            "unique id as 0x...",
		            text, dash ? "-" : "", dash ? dash + 1 : "", TT_DEVICE_LIMIT - 1);
	section->entry.ordinal = (int32_t)first;
	section->last_ordinal = dash != NULL ? (int32_t)last : (int32_t)first;
	section->seen_entry |= 1u << KEY_ORDINAL;
	return 0;
}

static int put_entry_key(struct parser *parser, enum entry_key key, const char *value)
{
	struct section *section = &parser->section;
	char *text = key == KEY_ARCH ? section->entry.arch : section->entry.bus;
	uint64_t number;

	if (section->seen_entry & 1u << key)
		return fail(parser, "%s again, expected it once in a section", entry_keys[key]);
	section->seen_entry |= 1u << key;
	switch (key) {
	case KEY_UNIQUE_ID:
		if (!parse_unique_id(value, &section->entry.unique_id))
			return fail(parser, "unique_id is \"%s\", expected 0x and up to 16 digits",
			            value);
		return 0;
	case KEY_ORDINAL:
		if (!parse_number(value, 10, TT_DEVICE_LIMIT, &number))
			return fail(parser, "ordinal is \"%s\", expected a number from 0 to %d",
			            value, TT_DEVICE_LIMIT - 1);
		section->entry.ordinal = section->last_ordinal = (int32_t)number;
		return 0;
	default:
		if (*value == '\0' || strlen(value) >= TT_ARCH_BYTES)
			return fail(parser, "%s is \"%s\", expected 1 to %d characters",
			            entry_keys[key], value, TT_ARCH_BYTES - 1);
		strcpy(text, value);
		return 0;
	}
}

static int put_memory_key(struct parser *parser, size_t memory, enum memory_key key,
                          const char *value)
{
	uint64_t *out = &parser->section.values[memory][key];

	if (parser->section.seen[memory] & 1u << key)
		return fail(parser, "%s_%s again, expected it once in a section",
		            memories[memory].name, memory_keys[key]);
	parser->section.seen[memory] |= 1u << key;
	if (key == KEY_BANKS) {
		if (!parse_number(value, 10, BANKS_LIMIT + 1, out) || *out == 0)
			return fail(parser, "%s_banks is \"%s\", expected a number from 1 to %d",
			            memories[memory].name, value, BANKS_LIMIT);
	} else if (!parse_bytes(value, out) || *out >= 1ull << 48) {
		return fail(parser,
		            "%s_%s is \"%s\", expected a number of bytes such as 1073741824 "
		            "or 1 GiB",
		            memories[memory].name, memory_keys[key], value);
	}
	if (key == KEY_BANK_BYTES && *out == 0)
		return fail(parser,
		            "%s_bank_bytes is 0, expected the size of a bank, or no such key",
		            memories[memory].name);
	return 0;
}

static int put_key(struct parser *parser, const char *key, const char *value)
{
	if (!parser->section.open)
		return fail(parser, "\"%s\" before any section, expected [ORDINAL] first", key);
	for (size_t i = 0; i < KEY_ENTRY_LIMIT; i++) {
		if (strcmp(key, entry_keys[i]) == 0)
			return put_entry_key(parser, (enum entry_key)i, value);
	}
	for (size_t i = 0; i < TT_MEMORY_LIMIT; i++) {
		size_t length = strlen(memories[i].name);

		for (size_t k = 0; k < KEY_MEMORY_LIMIT; k++) {
			if (strncmp(key, memories[i].name, length) == 0 && key[length] == '_' &&
			    strcmp(key + length + 1, memory_keys[k]) == 0)
				return put_memory_key(parser, i, (enum memory_key)k, value);
		}
	}
	return fail(parser,
	            "unknown key \"%s\", expected arch, bus, unique_id, ordinal, or one of "
	            "dram_, l1_, l1_small_, trace_ with banks, bank_bytes, base, align",
	            key);
}

static int parse_line(struct parser *parser, char *line)
{
	char *text = trim(line), *equals;

	if (*text == '\0' || *text == '#' || *text == ';')
		return 0;
	if (*text == '[')
		return begin_section(parser, text);
	equals = strchr(text, '=');
	if (equals == NULL)
		return fail(parser, "\"%s\", expected KEY = VALUE or a [SECTION]", text);
	*equals = '\0';
	return put_key(parser, trim(text), trim(equals + 1));
}

static bool are_alike(const struct tt_devices *devices)
{
	const struct tt_device_entry *first = &devices->entries[0];

	for (uint32_t i = 1; i < devices->count; i++) {
		const struct tt_device_entry *other = &devices->entries[i];

		if (strcmp(first->arch, other->arch) != 0 ||
		    first->memory_count != other->memory_count ||
		    memcmp(first->memories, other->memories, sizeof first->memories) != 0)
			return false;
	}
	return devices->count != 0;
}

int tt_devices_parse(const char *text, const char *name, struct tt_devices *ret_devices,
                     char *error, size_t error_size)
{
	struct tt_devices *devices = calloc(1, sizeof *devices);
	struct parser parser = {
		.devices = devices, .name = name, .error = error, .error_size = error_size};
	int result = devices == NULL ? -ENOMEM : 0;

	while (result == 0 && *text != '\0') {
		size_t length = strcspn(text, "\n");
		char line[LINE_LIMIT];

		parser.line++;
		if (length < sizeof line) {
			memcpy(line, text, length);
			line[length] = '\0';
			result = parse_line(&parser, line);
		} else {
			result = fail(&parser, "a line of %zu bytes, expected fewer than %d",
			              length, LINE_LIMIT);
		}
		text += length + (text[length] == '\n');
	}
	if (result == 0)
		result = finish_section(&parser);
	if (result == 0 && devices->count == 0)
		result = fail(&parser, "no device, expected a section such as [0]");
	if (result == 0) {
		devices->alike = are_alike(devices);
		*ret_devices = *devices;
	}
	free(devices);
	return result;
}

static ssize_t read_all(int fd, char *text, size_t limit)
{
	size_t length = 0;
	ssize_t got;

	while (length < limit && (got = read(fd, text + length, limit - length)) != 0) {
		if (got < 0 && errno != EINTR)
			return -errno;
		length += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)length;
}

int tt_devices_load(const char *path, struct tt_devices *ret_devices, char *error,
                    size_t error_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), result;
	char *text = calloc(1, FILE_LIMIT + 1);
	struct stat status;
	ssize_t length = -ENOMEM;

	if (fd < 0)
		length = -errno;
	else if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		length = -EINVAL;
	else if (text != NULL)
		length = read_all(fd, text, FILE_LIMIT);
	if (fd >= 0)
		close(fd);
	result = length < 0 ? (int)length : 0;
	if (result == -EINVAL)
		snprintf(error, error_size, "%s: not a plain file", path);
	else if (result != 0)
		snprintf(error, error_size, "%s: %s", path, strerror(-result));
	else if (length == FILE_LIMIT || strlen(text) != (size_t)length)
		result = -EINVAL, snprintf(error, error_size,
		                           "%s: not a table of devices, expected text of less than "
		                           "%d bytes",
		                           path, FILE_LIMIT);
	else
		result = tt_devices_parse(text, path, ret_devices, error, error_size);
	free(text);
	return result;
}

/* --- asking it --------------------------------------------------------------------------- */

const struct tt_device_entry *tt_devices_find(const struct tt_devices *devices, int32_t ordinal)
{
	for (uint32_t i = 0; devices != NULL && ordinal >= 0 && i < devices->count; i++) {
		if (devices->entries[i].ordinal == ordinal)
			return &devices->entries[i];
	}
	return NULL;
}

uint32_t tt_devices_limit(const struct tt_devices *devices)
{
	uint32_t limit = 0;

	for (uint32_t i = 0; devices != NULL && i < devices->count; i++) {
		if (devices->entries[i].ordinal >= (int32_t)limit)
			limit = (uint32_t)devices->entries[i].ordinal + 1;
	}
	return limit;
}

void tt_device_describe(const struct tt_device_entry *entry, struct tt_answer *answer)
{
	if (entry == NULL)
		return;
	answer->available = 1;
	answer->arch_type = tt_arch_type(entry->arch);
	for (uint32_t i = 0; i < entry->memory_count; i++) {
		const struct mt_memory *memory = &entry->memories[i];

		if (memory->kind == MT_DRAM) {
			answer->dram_channels = memory->banks;
			answer->dram_channel_bytes = memory->bank_bytes;
			answer->total_dram_bytes = memory->banks * memory->bank_bytes;
		} else if (memory->kind == MT_L1) {
			answer->l1_core_bytes = memory->bank_bytes;
			answer->total_l1_bytes = memory->banks * memory->bank_bytes;
		}
	}
}

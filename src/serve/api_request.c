/* SPDX-License-Identifier: Apache-2.0 */
#include "api_request.h"

#include "memory.h"
#include "safe.h"
#include "words.h"

#include <string.h>

/* Parameters, as bits: which address takes which. */
enum {
	TAKES_DEVICE = 1 << 0,
	TAKES_PID = 1 << 1,
	TAKES_KIND = 1 << 2,
	TAKES_TAG = 1 << 3,
	TAKES_CLASS = 1 << 4,
	TAKES_MIN_BYTES = 1 << 5,
	TAKES_SORT = 1 << 6,
	TAKES_BY = 1 << 7,
	TAKES_DEAD = 1 << 8,
	TAKES_LIMIT = 1 << 9,
	TAKES_OFFSET = 1 << 10,
	TAKES_PAGE = TAKES_LIMIT | TAKES_OFFSET,
	TAKES_FILTERS = TAKES_DEVICE | TAKES_PID | TAKES_KIND | TAKES_PAGE
};

static const struct {
	const char *path;
	unsigned takes;
	const char *summary;
} paths[API_PATH_LIMIT] = {
	[API_INDEX] = {"/", 0, "this page"},
	[API_HEALTHZ] = {"/healthz", 0, "whether the server runs"},
	[API_READYZ] = {"/readyz", 0, "whether it can read segments"},
	[API_METRICS] = {"/metrics", 0, "for Prometheus (OpenMetrics or text)"},
	[API_DEVICES] = {"/api/v1/devices", TAKES_FILTERS, "what is held on each device"},
	[API_PROCESSES] = {"/api/v1/processes", TAKES_FILTERS,
                           "processes that hold device memory, or did"},
	[API_BUFFERS] = {"/api/v1/buffers",
                         TAKES_FILTERS | TAKES_TAG | TAKES_CLASS | TAKES_MIN_BYTES | TAKES_SORT |
                                 TAKES_BY | TAKES_DEAD,
                         "live buffers, or sums of them"},
	[API_LEAKS] = {"/api/v1/leaks", TAKES_FILTERS | TAKES_DEAD,
                       "what was not given back, and why"},
	[API_FAULTS] = {"/api/v1/faults", TAKES_FILTERS,
                        "wrong calls that were seen, and what comparing finds"},
	[API_POSTMORTEMS] = {"/api/v1/postmortems", TAKES_PID | TAKES_PAGE,
                             "processes that ended with something to tell"},
	[API_POSTMORTEM] = {"/api/v1/postmortems/ID", TAKES_DEVICE | TAKES_KIND | TAKES_PAGE,
                            "what one of them left"},
};

static int name_index(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

/* NULL: fine; else what was expected. */
static const char *number(const char *text, uint64_t least, uint64_t most, uint64_t *ret,
                          const char *expected)
{
	uint64_t value = 0;

	if (text[0] == '\0' || strlen(text) > 18)
		return expected;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return expected;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	if (value < least || value > most)
		return expected;
	*ret = value;
	return NULL;
}

#define TOO_MANY "it at most 16 times"

static const char *take_device(struct api_request *r, const char *value)
{
	if (r->query.names.device_count == API_REPEATS)
		return TOO_MANY;
	r->devices[r->query.names.device_count++] = value;
	return value[0] != '\0' ? NULL : "a device";
}

static const char *take_kind(struct api_request *r, const char *value)
{
	if (r->query.names.kind_count == API_REPEATS)
		return TOO_MANY;
	r->kinds[r->query.names.kind_count++] = value;
	return value[0] != '\0' ? NULL : "a kind of memory";
}

static const char *take_pid(struct api_request *r, const char *value)
{
	uint64_t pid = 0;
	const char *expected = number(value, 1, INT32_MAX, &pid, "a process id");

	if (expected != NULL)
		return expected;
	if (r->query.names.pid_count == API_REPEATS)
		return TOO_MANY;
	r->pids[r->query.names.pid_count++] = (int32_t)pid;
	return NULL;
}

static const char *take_tag(struct api_request *r, const char *value)
{
	r->query.filter.tag = value;
	return NULL;
}

static const char *take_class(struct api_request *r, const char *value)
{
	int class_wanted = name_index(class_words, CLASS_LIMIT, value);

	if (class_wanted < 0)
		return "user, system, cache, view, sub, import or virtual";
	r->query.filter.classes |= 1u << class_wanted;
	return NULL;
}

static const char *take_min_bytes(struct api_request *r, const char *value)
{
	return number(value, 0, INT64_MAX, &r->query.filter.least_bytes, "a number of bytes");
}

static const char *take_sort(struct api_request *r, const char *value)
{
	static const char *const names[] = {"size", "age", "device", "tag"};
	int order = name_index(names, ARRAY_COUNT(names), value);

	if (order < 0)
		return "size, age, device or tag";
	r->query.sort = (enum listing_order)order;
	return NULL;
}

static const char *take_by(struct api_request *r, const char *value)
{
	static const char *const names[] = {"tag", "device", "kind", "process"};

	r->query.by = name_index(names, ARRAY_COUNT(names), value);
	return r->query.by < 0 ? "tag, device, kind or process" : NULL;
}

static const char *take_dead(struct api_request *r, const char *value)
{
	r->query.dead = strcmp(value, "1") == 0;
	return r->query.dead || strcmp(value, "0") == 0 ? NULL : "0 or 1";
}

static const char *take_limit(struct api_request *r, const char *value)
{
	uint64_t limit = 0;
	const char *expected = number(value, 1, API_LIMIT_MOST, &limit, "1 to 10000 lines");

	r->query.limit = limit;
	return expected;
}

static const char *take_offset(struct api_request *r, const char *value)
{
	uint64_t offset = 0;
	const char *expected = number(value, 0, API_OFFSET_MOST, &offset, "0 to 10000000");

	r->query.offset = offset;
	return expected;
}

static const struct parameter {
	const char *name;
	unsigned bit;
	bool repeatable;
	const char *(*take)(struct api_request *r, const char *value);
} parameters[] = {
	{"device", TAKES_DEVICE, true, take_device},
	{"pid", TAKES_PID, true, take_pid},
	{"kind", TAKES_KIND, true, take_kind},
	{"tag", TAKES_TAG, false, take_tag},
	{"class", TAKES_CLASS, true, take_class},
	{"min_bytes", TAKES_MIN_BYTES, false, take_min_bytes},
	{"sort", TAKES_SORT, false, take_sort},
	{"by", TAKES_BY, false, take_by},
	{"dead", TAKES_DEAD, false, take_dead},
	{"limit", TAKES_LIMIT, false, take_limit},
	{"offset", TAKES_OFFSET, false, take_offset},
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Names are what they are: nothing in them is decoded. */
static const char *keep(struct api_request *r, const char *bytes, size_t length)
{
	char *start = r->strings + r->string_bytes;

	memcpy(start, bytes, length);
	start[length] = '\0';
	r->string_bytes += length + 1;
	return start;
}

/* Into the strings of the request, which are as long as any target. NULL: cannot be decoded. */
static const char *decode(struct api_request *r, const char *bytes, size_t length)
{
	char *start = r->strings + r->string_bytes, *to = start;

	for (size_t i = 0; i < length; i++) {
		char c = bytes[i];

		if (c == '%') {
			int high = length - i > 2 ? hex_digit(bytes[i + 1]) : -1;
			int low = length - i > 2 ? hex_digit(bytes[i + 2]) : -1;

			if (high < 0 || low < 0)
				return NULL;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+') {
			c = ' ';
		}
		if (c == '\0')
			return NULL;
		*to++ = c;
	}
	*to++ = '\0';
	r->string_bytes += (size_t)(to - start);
	return start;
}

/* Valid UTF-8 comes out of it as it went in. */
static bool is_utf8(const char *string)
{
	struct text safe = {0};
	bool same;

	safe_utf8(&safe, string);
	same = strcmp(text_string(&safe), string) == 0;
	text_finish(&safe);
	return same;
}

static int refuse(struct text *error, const char *before, const char *foreign, const char *after)
{
	text_add(error, before);
	safe_utf8(error, foreign);
	text_add(error, after);
	return 400;
}

static int take_parameter(struct api_request *r, const char *name, const char *value,
                          unsigned *given, struct text *error)
{
	for (size_t i = 0; i < ARRAY_COUNT(parameters); i++) {
		const struct parameter *parameter = &parameters[i];
		const char *expected;

		if (strcmp(name, parameter->name) != 0)
			continue;
		if ((paths[r->path].takes & parameter->bit) == 0)
			return refuse(error, "there is no parameter '", name, "' here");
		if (!parameter->repeatable && (*given & parameter->bit) != 0)
			return refuse(error, "'", name, "' is given twice");
		*given |= parameter->bit;
		expected = parameter->take(r, value);
		if (expected == NULL)
			return 0;
		text_addf(error, "%s: expected %s, not '", name, expected);
		return refuse(error, "", value, "'");
	}
	return refuse(error, "there is no parameter '", name, "'");
}

static int parse_pair(struct api_request *r, const char *bytes, size_t length, unsigned *given,
                      struct text *error)
{
	const char *equals = memchr(bytes, '=', length);
	size_t name_length = equals != NULL ? (size_t)(equals - bytes) : length;
	const char *name, *value = "";

	if (length == 0)
		return 0;
	name = keep(r, bytes, name_length);
	if (equals != NULL)
		value = decode(r, equals + 1, length - name_length - 1);
	if (value == NULL || !is_utf8(value)) {
		text_add(error, "the query is not percent-encoded UTF-8 text");
		return 400;
	}
	return take_parameter(r, name, value, given, error);
}

static int parse_query(struct api_request *r, const char *at, const char *end, struct text *error)
{
	unsigned given = 0;
	int status = 0;

	while (status == 0 && at < end) {
		const char *amp = memchr(at, '&', (size_t)(end - at));
		const char *stop = amp != NULL ? amp : end;

		status = parse_pair(r, at, (size_t)(stop - at), &given, error);
		at = stop + 1;
	}
	return status;
}

/* "<unix ms>-<pid>-<identity>": nothing in it leads out of a directory. */
static bool is_id(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (hex_digit(bytes[i]) < 0 && bytes[i] != '-')
			return false;
	return length != 0 && length < API_ID_BYTES;
}

/* Paths are what they are, byte by byte: nothing is decoded, and nothing is a directory. */
static bool parse_path(struct api_request *r, const char *path, size_t length)
{
	static const char below[] = "/api/v1/postmortems/";
	const size_t skip = sizeof(below) - 1;

	for (int i = 0; i < API_PATH_LIMIT; i++)
		if (i != API_POSTMORTEM && strlen(paths[i].path) == length &&
		    memcmp(paths[i].path, path, length) == 0) {
			r->path = (enum api_path)i;
			return true;
		}
	if (length <= skip || memcmp(path, below, skip) != 0 || !is_id(path + skip, length - skip))
		return false;
	r->path = API_POSTMORTEM;
	memcpy(r->id, path + skip, length - skip);
	return true;
}

/* Everything else comes percent-encoded. */
static bool is_visible(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] <= ' ' || bytes[i] > '~')
			return false;
	return true;
}

int api_request_parse(struct api_request *ret, const char *target, size_t length,
                      struct text *error)
{
	const char *question = memchr(target, '?', length), *end = target + length;
	size_t path_length = question != NULL ? (size_t)(question - target) : length;
	struct selection_names *names = &ret->query.names;
	int status = 0;

	memset(ret, 0, sizeof(*ret));
	if (length > HTTP_TARGET_BYTES || length == 0 || target[0] != '/' ||
	    !is_visible(target, length)) {
		text_add(error, "the address makes no sense");
		return 400;
	}
	if (!parse_path(ret, target, path_length)) {
		text_add(error, "there is nothing here; / lists what there is");
		return 404;
	}
	names->devices = ret->devices;
	names->kinds = ret->kinds;
	names->pids = ret->pids;
	ret->query.by = -1;
	ret->query.limit = API_LIMIT;
	if (question != NULL)
		status = parse_query(ret, question + 1, end, error);
	return status;
}

static bool is_offset(const char *bytes, size_t length)
{
	return length >= 7 && memcmp(bytes, "offset=", 7) == 0;
}

void api_request_next(const char *target, size_t length, size_t offset, struct text *out)
{
	const char *question = memchr(target, '?', length), *end = target + length;
	const char *at = question != NULL ? question + 1 : end;

	text_bytes(out, target, question != NULL ? (size_t)(question - target) : length);
	text_add(out, "?");
	while (at < end) {
		const char *amp = memchr(at, '&', (size_t)(end - at));
		const char *stop = amp != NULL ? amp : end;

		if (stop > at && !is_offset(at, (size_t)(stop - at))) {
			text_bytes(out, at, (size_t)(stop - at));
			text_add(out, "&");
		}
		at = stop + 1;
	}
	text_addf(out, "offset=%zu", offset);
}

void api_index(struct text *out)
{
	text_add(out, "meshtally: who holds device memory, and was it given back.\n\n");
	for (size_t i = 0; i < API_PATH_LIMIT; i++) {
		text_addf(out, "%-24s%s\n", paths[i].path, paths[i].summary);
		if (paths[i].takes == 0)
			continue;
		text_fill(out, ' ', 26);
		for (size_t j = 0; j < ARRAY_COUNT(parameters); j++)
			if ((paths[i].takes & parameters[j].bit) != 0)
				text_addf(out, "%s ", parameters[j].name);
		out->bytes[--out->length] = '\0';
		text_add(out, "\n");
	}
}

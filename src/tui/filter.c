/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include "filter_number.h"
#include "safe.h"
#include "tag_match.h"
#include "words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One term as it was typed: name and operator, then the value without its quotes. */
struct term {
	char name[16];     /* lower case; "" a word */
	char operation[4]; /* ":", ">", "<=", ... */
	struct text value;
};

typedef bool take_term(struct filter *filter, const struct term *term);

/* Fault types are matched by a part of their words, as they are written in the list of faults. */
enum { FOLDED_TYPE = 64 };
static void fold_type(const char *words, char (*ret)[FOLDED_TYPE])
{
	size_t length = 0;

	for (; *words != '\0' && length < FOLDED_TYPE - 1; words++) {
		char byte = *words >= 'A' && *words <= 'Z' ? (char)(*words + 32) : *words;

		(*ret)[length++] = byte == ' ' || byte == '_' ? '-' : byte;
	}
	(*ret)[length] = '\0';
}

static bool type_is(const char *wanted, uint32_t type)
{
	char part[FOLDED_TYPE], words[FOLDED_TYPE], name[FOLDED_TYPE];

	fold_type(wanted, &part);
	fold_type(fault_words(type), &words);
	fold_type(fault_name(type), &name);
	return strstr(words, part) != NULL || strstr(name, part) != NULL;
}

static bool take_device(struct filter *filter, const struct term *term)
{
	*vec_add(&filter->devices) = mem_strdup(text_string(&term->value));
	return true;
}

static bool take_kind(struct filter *filter, const struct term *term)
{
	*vec_add(&filter->kinds) = mem_strdup(text_string(&term->value));
	return true;
}

static bool take_tag(struct filter *filter, const struct term *term)
{
	*vec_add(&filter->tags) = mem_strdup(text_string(&term->value));
	return true;
}

static bool take_pid(struct filter *filter, const struct term *term)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text_string(&term->value), &end, 10);
	if (errno != 0 || *end != '\0' || pid <= 0 || pid > INT32_MAX ||
	    term->value.bytes[0] < '0' || term->value.bytes[0] > '9')
		return false;
	*vec_add(&filter->pids) = (int32_t)pid;
	return true;
}

static bool take_type(struct filter *filter, const struct term *term)
{
	for (uint32_t type = 0; type < SEGMENT_FAULT_TYPES; type++) {
		if (!fault_is_known(type) || !type_is(text_string(&term->value), type))
			continue;
		*vec_add(&filter->types) = mem_strdup(text_string(&term->value));
		return true;
	}
	return false;
}

/* ">" leaves out the bound itself. False where nothing can be so. */
static bool narrow(struct filter_bounds *bounds, const char *operation, uint64_t value)
{
	bool open = strchr(operation, '=') == NULL;

	if (strchr(operation, '<') != NULL) {
		if (value <= open)
			return false;
		value -= open;
		bounds->most = value < bounds->most ? value : bounds->most;
	} else {
		if (strchr(operation, '>') == NULL && value == 0)
			return false;
		if (strchr(operation, '>') == NULL)
			bounds->most = value < bounds->most ? value : bounds->most;
		else if (open && value++ == UINT64_MAX)
			return false;
		bounds->least = value > bounds->least ? value : bounds->least;
	}
	return true;
}

static bool take_size(struct filter *filter, const struct term *term)
{
	uint64_t bytes;

	return filter_number_size(text_string(&term->value), &bytes) &&
	       narrow(&filter->size_bytes, term->operation, bytes);
}

static bool take_age(struct filter *filter, const struct term *term)
{
	uint64_t ns;

	return filter_number_age(text_string(&term->value), &ns) &&
	       narrow(&filter->age_ns, term->operation, ns);
}

static const struct term_row {
	const char *name, *other_name;
	bool compares; /* with > and < */
	const char *expected;
	take_term *take;
} term_rows[] = {
	{"dev", "device", false, "a device as 3, 0-7, 0xUID, a bus address, @row,column, unplaced",
         take_device},
	{"kind", NULL, false, "a kind of memory as DRAM or L1", take_kind},
	{"tag", NULL, false, "a tag as model/attn or a pattern as attn*", take_tag},
	{"pid", "process", false, "a process id as 1234 (for a command, type it as a word alone)",
         take_pid},
	{"size", NULL, true, "a size as 512K, 1M or 2G", take_size},
	{"age", NULL, true, "a time as 10s, 5m, 2h or 1d", take_age},
	{"type", NULL, false, "a fault as double-free, unknown-free, drift or alloc-failed",
         take_type},
};

static const struct term_row *find_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(term_rows); i++)
		if (strcmp(term_rows[i].name, name) == 0 ||
		    (term_rows[i].other_name != NULL && strcmp(term_rows[i].other_name, name) == 0))
			return &term_rows[i];
	return NULL;
}

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* "size>=": letters, then at most one each of ':', '<' or '>', '='. Else the term is a word. */
static const char *read_name(const char *at, struct term *term)
{
	size_t letters = 0, length;

	while (is_letter(at[letters]))
		letters++;
	length = strspn(at + letters, ":<>=");
	if (letters == 0 || length == 0 || letters >= sizeof(term->name) ||
	    length >= sizeof(term->operation))
		return at;
	for (size_t i = 0; i < letters; i++)
		term->name[i] = (char)(at[i] | 0x20);
	memcpy(term->operation, at + letters, length);
	return at + letters + length;
}

/* Up to the next space that is not in quotes. NULL: a quote is not closed. */
static const char *read_term(const char *at, struct term *term)
{
	bool inside = false;

	*term = (struct term){.name = ""};
	at = read_name(at, term);
	for (; *at != '\0' && (inside || !is_space(*at)); at++) {
		if (*at == '"') {
			inside = !inside;
		} else {
			text_bytes(&term->value, at, 1);
		}
	}
	return inside ? NULL : at;
}

static void complain_unknown(const struct term *term, struct text *error)
{
	text_add(error, "there is no '");
	safe_terminal(error, term->name);
	text_addf(error, "%s': known are", term->operation);
	for (size_t i = 0; i < ARRAY_COUNT(term_rows); i++)
		text_addf(error, "%s %s%s", i != 0 ? "," : "", term_rows[i].name,
		          term_rows[i].compares ? "> <" : ":");
	text_add(error, "; what is to be found as it is goes in quotes, as \"a:b\"");
}

static void complain_value(const struct term *term, const struct term_row *row, struct text *error)
{
	text_addf(error, "%s%s: expected %s", row->name, term->operation, row->expected);
	if (term->value.length == 0)
		return;
	text_add(error, ", not '");
	safe_terminal(error, text_string(&term->value));
	text_add(error, "'");
}

static bool has_operation(const struct term_row *row, const char *operation)
{
	static const char *const known[] = {":", ">", "<", ">=", "<=", "=", ":>", ":<"};

	if (!row->compares)
		return strcmp(operation, ":") == 0 || strcmp(operation, "=") == 0;
	for (size_t i = 0; i < ARRAY_COUNT(known); i++)
		if (strcmp(operation, known[i]) == 0)
			return true;
	return false;
}

static bool take(struct filter *filter, const struct term *term, struct text *error)
{
	const struct term_row *row = find_row(term->name);

	if (term->name[0] == '\0') {
		if (term->value.length != 0)
			*vec_add(&filter->words) = mem_strdup(term->value.bytes);
		return true;
	}
	if (row == NULL) {
		complain_unknown(term, error);
	} else if (!has_operation(row, term->operation)) {
		text_addf(error, "'%s%s' is not understood: write %s", row->name, term->operation,
		          row->compares ? "it with >, <, >= or <=, as size>1M or age>10m"
		                        : "it with a colon, as dev:3 or tag:attn*");
	} else if (term->value.length == 0 || !row->take(filter, term)) {
		complain_value(term, row, error);
	} else {
		return true;
	}
	return false;
}

static bool bounds_leave(const struct filter_bounds *bounds, const char *name, struct text *error)
{
	if (bounds->least <= bounds->most)
		return true;
	text_addf(error, "%s> and %s< leave nothing between them", name, name);
	return false;
}

static bool parse_terms(struct filter *filter, const char *at, struct text *error)
{
	const char *end;
	struct term term;
	bool good;

	for (; *at != '\0'; at = end) {
		if (is_space(*at)) {
			end = at + 1;
			continue;
		}
		end = read_term(at, &term);
		if (end == NULL)
			text_add(error, "a quote is open: close it with \"");
		good = end != NULL && take(filter, &term, error);
		text_finish(&term.value);
		if (!good)
			return false;
	}
	return bounds_leave(&filter->size_bytes, "size", error) &&
	       bounds_leave(&filter->age_ns, "age", error);
}

static void set_empty(struct filter *filter)
{
	*filter = (struct filter){.size_bytes.most = UINT64_MAX, .age_ns.most = UINT64_MAX};
}

int filter_parse(struct filter *filter, const char *source, struct text *error)
{
	set_empty(filter);
	filter->source = mem_strdup(source);
	if (parse_terms(filter, source, error))
		return 0;
	filter_finish(filter);
	set_empty(filter);
	filter->source = mem_strdup("");
	return -EINVAL;
}

static void finish_strings(char **strings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(strings[i]);
	vec_release(strings);
}

void filter_finish(struct filter *filter)
{
	finish_strings(filter->devices.items, filter->devices.count);
	finish_strings(filter->kinds.items, filter->kinds.count);
	finish_strings(filter->tags.items, filter->tags.count);
	finish_strings(filter->words.items, filter->words.count);
	finish_strings(filter->types.items, filter->types.count);
	vec_finish(&filter->pids);
	free(filter->source);
	*filter = (struct filter){.source = NULL};
}

static bool is_bounded(const struct filter_bounds *bounds)
{
	/* Also in a filter that is all zero, as one that was finished. */
	return bounds->least != 0 || (bounds->most != UINT64_MAX && bounds->most != 0);
}

bool filter_needs_buffers(const struct filter *filter)
{
	return is_bounded(&filter->size_bytes) || is_bounded(&filter->age_ns);
}

bool filter_is_empty(const struct filter *filter)
{
	return filter->devices.count + filter->kinds.count + filter->tags.count +
	                       filter->words.count + filter->pids.count + filter->types.count ==
	               0 &&
	       !filter_needs_buffers(filter);
}

bool filter_has_tag(const struct filter *filter, const char *tag)
{
	for (size_t i = 0; i < filter->tags.count; i++)
		if (tag_matches(filter->tags.items[i], tag != NULL ? tag : ""))
			return true;
	return filter->tags.count == 0;
}

bool filter_has_words(const struct filter *filter, const char *a, const char *b)
{
	for (size_t i = 0; i < filter->words.count; i++)
		if (!(a != NULL && text_has_word(a, filter->words.items[i])) &&
		    !(b != NULL && text_has_word(b, filter->words.items[i])))
			return false;
	return true;
}

bool filter_has_fault(const struct filter *filter, uint32_t type)
{
	for (size_t i = 0; i < filter->types.count; i++)
		if (type_is(filter->types.items[i], type))
			return true;
	return filter->types.count == 0;
}

void filter_survey(const struct filter *filter, struct survey_filter *ret_filter)
{
	*ret_filter = (struct survey_filter){
		.tags = (const char *const *)filter->tags.items,
		.tag_count = filter->tags.count,
		.words = (const char *const *)filter->words.items,
		.word_count = filter->words.count,
		.least_bytes = filter->size_bytes.least,
		.most_bytes = filter->size_bytes.most,
		.least_age_ns = filter->age_ns.least,
		.most_age_ns = filter->age_ns.most,
	};
	/* There 0 is no bound. */
	if (filter->size_bytes.most == UINT64_MAX)
		ret_filter->most_bytes = 0;
	if (filter->age_ns.most == UINT64_MAX)
		ret_filter->most_age_ns = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lookout_request.h"

#include <stdlib.h>
#include <string.h>

static void *own(struct request_copy *copy, void *bytes)
{
	*vec_add(&copy->owned) = bytes;
	return bytes;
}

static const char *const *copy_strings(struct request_copy *copy, const char *const *from,
                                       size_t count)
{
	const char **strings;

	if (count == 0)
		return NULL;
	strings = own(copy, mem_calloc(count, sizeof(*strings)));
	for (size_t i = 0; i < count; i++)
		strings[i] = own(copy, mem_strdup(from[i]));
	return strings;
}

static const void *copy_array(struct request_copy *copy, const void *from, size_t count,
                              size_t size)
{
	void *array;

	if (count == 0)
		return NULL;
	array = own(copy, mem_calloc(count, size));
	memcpy(array, from, count * size);
	return array;
}

void request_copy(struct request_copy *copy, const struct survey_request *from)
{
	struct survey_request *to = &copy->request;

	*copy = (struct request_copy){.request = *from};
	to->devices = copy_strings(copy, from->devices, from->device_count);
	to->kinds = copy_strings(copy, from->kinds, from->kind_count);
	to->pids = copy_array(copy, from->pids, from->pid_count, sizeof(*from->pids));
	to->since = copy_array(copy, from->since, from->since_count, sizeof(*from->since));
	to->filter.tags = copy_strings(copy, from->filter.tags, from->filter.tag_count);
	to->filter.words = copy_strings(copy, from->filter.words, from->filter.word_count);
}

void request_copy_finish(struct request_copy *copy)
{
	for (size_t i = 0; i < copy->owned.count; i++)
		free(copy->owned.items[i]);
	vec_finish(&copy->owned);
	*copy = (struct request_copy){.owned = {NULL, 0, 0}};
}

static bool equal_strings(const char *const *a, size_t a_count, const char *const *b,
                          size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static bool equal_filters(const struct survey_filter *a, const struct survey_filter *b)
{
	return equal_strings(a->tags, a->tag_count, b->tags, b->tag_count) &&
	       equal_strings(a->words, a->word_count, b->words, b->word_count) &&
	       a->least_bytes == b->least_bytes && a->most_bytes == b->most_bytes &&
	       a->least_age_ns == b->least_age_ns && a->most_age_ns == b->most_age_ns;
}

static bool equal_marks(const struct survey_request *a, const struct survey_request *b)
{
	if (a->has_mark != b->has_mark || a->since_count != b->since_count)
		return false;
	for (size_t i = 0; i < a->since_count; i++)
		if (a->since[i].identity != b->since[i].identity ||
		    a->since[i].op != b->since[i].op || a->since[i].time != b->since[i].time)
			return false;
	return true;
}

static bool equal_focus(const struct survey_request *a, const struct survey_request *b)
{
	return a->has_focus == b->has_focus &&
	       (!a->has_focus || (a->focus_unique_id == b->focus_unique_id &&
	                          strncmp(a->focus, b->focus, sizeof(a->focus)) == 0));
}

static bool equal_pids(const struct survey_request *a, const struct survey_request *b)
{
	return a->pid_count == b->pid_count &&
	       (a->pid_count == 0 ||
	        memcmp(a->pids, b->pids, a->pid_count * sizeof(*a->pids)) == 0);
}

bool request_equal(const struct survey_request *a, const struct survey_request *b)
{
	return equal_strings(a->devices, a->device_count, b->devices, b->device_count) &&
	       equal_strings(a->kinds, a->kind_count, b->kinds, b->kind_count) &&
	       equal_pids(a, b) && equal_filters(&a->filter, &b->filter) && a->order == b->order &&
	       a->dead == b->dead && a->lists == b->lists && equal_focus(a, b) && equal_marks(a, b);
}

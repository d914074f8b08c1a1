/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what is typed behind `/` in the monitor: the line, a newline, then a tag, a site and
 * a command to be looked at with it. What is refused says why; what is taken is taken again.
 */
#include "filter.h"
#include "filter_number.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void select_in_nothing(const struct filter *filter)
{
	struct scene scene = {.from = NULL};
	struct selection selection;
	struct text missing = {0};

	filter_select(filter, &scene, &selection, &missing);
	if (filter->devices.count + filter->pids.count != 0 && missing.length == 0)
		abort();
	selection_finish(&selection);
	text_finish(&missing);
}

static void look(const struct filter *filter, const char *foreign)
{
	struct survey_filter survey;

	filter_has_tag(filter, foreign);
	filter_has_words(filter, foreign, NULL);
	for (uint32_t type = 0; type < SEGMENT_FAULT_TYPES; type++)
		filter_has_fault(filter, type);
	filter_survey(filter, &survey);
	if ((survey.most_bytes != 0 && survey.least_bytes > survey.most_bytes) ||
	    (survey.most_age_ns != 0 && survey.least_age_ns > survey.most_age_ns))
		abort();
	select_in_nothing(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	/* A copy of just this size, so that a read beyond it is seen. */
	char *line = malloc(size + 1), *foreign;
	struct filter filter;
	struct text error = {0};
	uint64_t number;
	int result;

	if (line == NULL)
		abort();
	memcpy(line, bytes, size);
	line[size] = '\0';
	foreign = strchr(line, '\n');
	if (foreign != NULL)
		*foreign++ = '\0';
	filter_number_size(line, &number);
	filter_number_age(line, &number);
	result = filter_parse(&filter, line, &error);
	if ((result != 0) != (error.length != 0) || (result != 0 && !filter_is_empty(&filter)) ||
	    (result == 0 && strcmp(filter.source, line) != 0))
		abort();
	look(&filter, foreign != NULL ? foreign : line);
	filter_finish(&filter);
	text_finish(&error);
	free(line);
	return 0;
}

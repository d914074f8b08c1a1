/* SPDX-License-Identifier: Apache-2.0 */
/* One survey over what a reading shows: streams of what is running, buffers of a file. */
#ifndef MESHTALLY_TUI_LOOKOUT_SURVEY_H
#define MESHTALLY_TUI_LOOKOUT_SURVEY_H

#include "lookout_source.h"

struct survey_hooks {
	/* Before each process, and now and then within one: true ends the survey. */
	bool (*is_over)(void *arg);
	/* After each process, and now and then within one: may read the source. */
	void (*between)(void *arg);
	void *arg;
};

/* NULL: it was ended. cost_ns is set. */
struct survey *lookout_survey(struct lookout_source *source, const struct reading *reading,
                              const struct survey_request *request,
                              const struct survey_hooks *hooks);

#endif

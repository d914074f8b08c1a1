/* SPDX-License-Identifier: Apache-2.0 */
/* A request for surveys with strings of its own, for the thread that answers it. */
#ifndef MESHTALLY_TUI_LOOKOUT_REQUEST_H
#define MESHTALLY_TUI_LOOKOUT_REQUEST_H

#include "survey.h"

struct request_copy {
	struct survey_request request;
	VEC(void *) owned;
};

void request_copy(struct request_copy *copy, const struct survey_request *from);
void request_copy_finish(struct request_copy *copy);
bool request_equal(const struct survey_request *a, const struct survey_request *b);

#endif

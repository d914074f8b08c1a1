/* SPDX-License-Identifier: Apache-2.0 */
/* How a process ended, in words. */
#ifndef MESHTALLY_REPORT_END_WORDS_H
#define MESHTALLY_REPORT_END_WORDS_H

#include "text.h"
#include "view.h"

/* What follows the name of a process: "was killed by signal 9 (SIGKILL)", "ended with status 3". */
void end_words(struct text *text, enum view_life life, const struct segment_end *end);

/* "SIGKILL"; "" where the number has no name. */
void end_signal_name(struct text *text, int number);

#endif

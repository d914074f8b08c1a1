/* SPDX-License-Identifier: Apache-2.0 */
/* Words for numbers: classes, faults. */
#ifndef MESHTALLY_REPORT_WORDS_H
#define MESHTALLY_REPORT_WORDS_H

#include "layout.h"

#include <stdbool.h>

extern const char *const class_words[CLASS_LIMIT];

/* mt_result by its number: "double free" and "MT_DOUBLE_FREE". */
const char *fault_words(uint32_t type);
const char *fault_name(uint32_t type);
/* What it means, and what to do about it: a sentence or two. "" of an unknown one. */
const char *fault_advice(uint32_t type);
bool fault_is_known(uint32_t type);

#endif

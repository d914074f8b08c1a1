/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One server per directory of segments: a lock on <directory>/.server.lock, which ends with the
 * process that holds it, however that ends.
 */
#ifndef MESHTALLY_SERVE_CLAIM_H
#define MESHTALLY_SERVE_CLAIM_H

#include "text.h"

/* The descriptor that holds the claim until it is closed, or a negative errno with a sentence that
 * says what to do; -EAGAIN: another server has it. */
int claim_directory(const char *directory, struct text *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What comparing has found, in a line. */
#ifndef MESHTALLY_REPORT_FINDING_LINE_H
#define MESHTALLY_REPORT_FINDING_LINE_H

#include "findings.h"
#include "text.h"

/* Safe text, without an end of line. */
void finding_line(struct text *out, const struct machine *machine, const struct finding *finding);

#endif

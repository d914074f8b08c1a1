/* SPDX-License-Identifier: Apache-2.0 */
/* What the processes screen says of the process under the cursor. From the thread that draws. */
#ifndef MESHTALLY_TUI_PROCESS_DETAILS_H
#define MESHTALLY_TUI_PROCESS_DETAILS_H

#include "list_screen.h"

/* Of its state. */
enum style process_style(const struct machine_process *process);
void process_details(const struct look *look, const struct machine_process *process,
                     struct said *said);

#endif

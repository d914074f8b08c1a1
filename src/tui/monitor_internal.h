/* SPDX-License-Identifier: Apache-2.0 */
/* What the monitor's loop and its printed picture share. */
#ifndef MESHTALLY_TUI_MONITOR_INTERNAL_H
#define MESHTALLY_TUI_MONITOR_INTERNAL_H

#include "monitor.h"

/* Sets screen, refresh and filter of a ui that was initialised. 0, or -EINVAL with a sentence. */
int monitor_apply(const struct monitor_options *options, struct ui *ui, struct text *error);

/* The device that the device's screen begins with: the first that the filter names. */
void monitor_choose_device(struct ui *ui, const struct reading *reading);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user asked to be kept (`w`): $XDG_CONFIG_HOME/meshtally/monitor.conf, "name = value" a
 * line. A line that is not understood is told and left as it is when the file is written again.
 */
#ifndef MESHTALLY_TUI_SETTINGS_H
#define MESHTALLY_TUI_SETTINGS_H

#include "ui.h"

enum ground { GROUND_AUTO, GROUND_DARK, GROUND_LIGHT };

struct settings {
	unsigned refresh_ms;
	enum ground ground;
	enum screen_id screen;
	bool tree;
	enum tags_by tags_by;
	char sorts[SCREEN_LIMIT][SHEET_NAME]; /* columns by name; "": as made */
	bool descending[SCREEN_LIMIT];
};

void settings_defaults(struct settings *settings);
/* "" where there is no place for it: no HOME. */
void settings_path(struct text *path);
/* A missing file is fine. Complaints are added a line each. */
void settings_load(struct settings *settings, const char *path, struct text *complaints);
/* Of a ui, and back: refresh, screen, tree, tags_by and sorting. */
void settings_apply(const struct settings *settings, struct ui *ui);
void settings_take(struct settings *settings, const struct ui *ui);
/* Makes the directory; lines that are not understood stay. 0 or a negative errno. */
int settings_save(const struct settings *settings, const char *path);

#endif

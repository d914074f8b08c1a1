/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screens: each a row of one table, drawing a pure function of a look and a size. picture_draw
 * puts together header, screen, footer and overlays.
 */
#ifndef MESHTALLY_TUI_SCREENS_H
#define MESHTALLY_TUI_SCREENS_H

#include "ui.h"

struct screen {
	const char *name;  /* of --screen: "mesh" */
	const char *title; /* on its tab */
	const char *help;  /* what it shows: a sentence or two */
	/* What the screen lists, as it is filtered and before it is sorted; also for exports. */
	void (*make)(const struct look *look, struct sheet *sheet);
	/* Draws into the area; `sheet` is what `make` made, sorted and settled. */
	void (*draw)(const struct look *look, struct sheet *sheet, struct canvas *canvas,
	             struct area area, struct hits *hits);
	/* Keys of its own; false: not one of them. NULL: none. */
	bool (*key)(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
	            struct ui_wish *wish);
};

extern const struct screen screens[SCREEN_LIMIT];

void mesh_make(const struct look *look, struct sheet *sheet);
void mesh_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
               struct area area, struct hits *hits);
bool mesh_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
              struct ui_wish *wish);
void device_make(const struct look *look, struct sheet *sheet);
void device_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                 struct area area, struct hits *hits);
bool device_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
                struct ui_wish *wish);
void processes_make(const struct look *look, struct sheet *sheet);
void processes_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                    struct area area, struct hits *hits);
bool processes_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
                   struct ui_wish *wish);
void tags_make(const struct look *look, struct sheet *sheet);
void tags_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
               struct area area, struct hits *hits);
bool tags_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
              struct ui_wish *wish);
void growth_make(const struct look *look, struct sheet *sheet);
void growth_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                 struct area area, struct hits *hits);
bool growth_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
                struct ui_wish *wish);
void faults_make(const struct look *look, struct sheet *sheet);
void faults_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
                 struct area area, struct hits *hits);
bool faults_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
                struct ui_wish *wish);

/* The whole picture, in the canvas's size. */
void picture_draw(const struct look *look, struct canvas *canvas, struct hits *hits);

/* What the screen shows, for `e`: CSV where the path ends with .csv, else JSON. 0, or a negative
 * errno; says in `said` what was written, or what went wrong. */
int picture_export(const struct look *look, const char *path, struct text *said);

#endif

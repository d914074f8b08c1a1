/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the monitor that keys change: which screen, where its lists stand, filter, mark,
 * prompts. ui_event is the only thing that changes it; drawing (screens.h) reads it, but for the
 * scroll positions that drawing corrects. Pure: what the loop must do is said in `struct ui_wish`.
 */
#ifndef MESHTALLY_TUI_UI_H
#define MESHTALLY_TUI_UI_H

#include "filter.h"
#include "history.h"
#include "hits.h"
#include "input.h"
#include "reading.h"
#include "sheet.h"

enum screen_id {
	SCREEN_MESH,
	SCREEN_DEVICE,
	SCREEN_PROCESSES,
	SCREEN_TAGS,
	SCREEN_GROWTH,
	SCREEN_FAULTS,
	SCREEN_LIMIT
};

enum tags_by {
	TAGS_BY_TAG,
	TAGS_BY_KIND,
	TAGS_BY_PROCESS,
	TAGS_BY_DEVICE,
	TAGS_BY_AGE,
	TAGS_BY_LIMIT
};

enum ui_prompt { PROMPT_NONE, PROMPT_FILTER, PROMPT_EXPORT, PROMPT_LIMIT };
enum ui_overlay { OVERLAY_NONE, OVERLAY_HELP, OVERLAY_LIMIT };

/* What there was at the mark. */
struct ui_mark {
	bool set;
	uint64_t realtime_ns;
	VEC(struct survey_since) since; /* the op of each process, and its time */
	struct sums tags;               /* by tag; the strings are owned */
	VEC(char *) tag_names;
};

struct ui {
	enum screen_id screen;
	enum screen_id back; /* where Esc leads to; SCREEN_LIMIT: nowhere */
	struct sheet_state lists[SCREEN_LIMIT];
	struct filter filter;
	bool paused;
	unsigned refresh_ms;
	enum ui_prompt prompt;
	char line[256]; /* of the prompt: UTF-8 */
	size_t line_length, line_cursor;
	struct text
		complaint; /* about the line of the prompt, or what was done: until the next key */
	bool complaint_is_bad;
	enum ui_overlay overlay;
	int overlay_top;
	struct ui_mark mark;
	/* Screens' own. */
	uint32_t device;           /* row that SCREEN_DEVICE is about; of mesh: the selected tile */
	uint64_t device_unique_id; /* of it, so that it is the same when rows change */
	bool mesh_as_list;
	enum history_span span;
	uint32_t map_kind; /* of the machine: the one that is mapped, UINT32_MAX: the first */
	enum listing_order buffers_order;
	bool tree;               /* of processes */
	VEC(uint64_t) folded;    /* keys of shut nodes: tags, processes */
	VEC(uint64_t) dismissed; /* identities of ended processes */
	enum tags_by tags_by;
	bool growth_buffers; /* single buffers, not groups of them */
	uint32_t fault_type; /* 0: all */
};

/* What the loop is to do after an event. */
struct ui_wish {
	bool quit, suspend, redraw_all, hurry;
	bool survey; /* what is wanted of the lookout has changed: ui_want, refresh, pause */
	bool save_settings;
	bool dismiss;            /* there are more of ui.dismissed */
	const char *export_path; /* NULL none; the ui's, until the next event */
};

/* Everything that a picture is made of. */
struct look {
	const struct reading *reading; /* NULL: the first is under way */
	const struct history *history;
	struct ui *ui;
	/* CLOCK_REALTIME and CLOCK_MONOTONIC, by which ages and curves are drawn. Where nothing
	 * happens they go on in steps, so that a quiet screen stays as it is in between; with what
	 * is paused, or in a file, they stand still. */
	uint64_t now_ns, monotonic_ns;
	uint64_t read_ago_ns;       /* since the reading was made; exact */
	struct selection selection; /* of the filter, in the reading's scene */
	struct text missing;        /* names in the filter that nothing has */
};

void ui_init(struct ui *ui, unsigned refresh_ms);
void ui_finish(struct ui *ui);
/* A key or the mouse. `hits`: of the picture that is shown. The look's selection is void then: the
 * filter may be another. */
void ui_event(struct ui *ui, const struct look *look, const struct hits *hits,
              const struct input_event *event, struct ui_wish *ret_wish);
/* Sets the filter as if it was typed; false, and says why, where it makes no sense. */
bool ui_filter(struct ui *ui, const char *source);
/* Puts a term into the filter in place of those of the same name: ("pid", "12"), ("tag", tag). The
 * value may be any bytes. */
void ui_narrow(struct ui *ui, const char *name, const char *value);
/* Says something in the line above the keys, until the next key. Foreign text made safe before. */
void ui_say(struct ui *ui, bool bad, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Shut nodes of trees. */
bool ui_is_folded(const struct ui *ui, uint64_t key);
void ui_fold(struct ui *ui, uint64_t key, bool folded);
/* Goes to a screen, so that Esc comes back. */
void ui_open(struct ui *ui, enum screen_id screen);
/* Makes a device the one that is looked at. */
void ui_set_device(struct ui *ui, const struct reading *reading, uint32_t row);

/* What surveys are to answer, by the state. Valid until the next event. */
struct ui_want {
	struct survey_request request;
	VEC(const char *) tags, words, devices, kinds;
	VEC(char *) strings;
};
void ui_want(const struct ui *ui, const struct reading *reading, struct ui_want *ret_want);
void ui_want_finish(struct ui_want *want);

void mark_set(struct ui_mark *mark, const struct reading *reading);
void mark_clear(struct ui_mark *mark);
/* Bytes a tag had at the mark. */
uint64_t mark_tag_bytes(const struct ui_mark *mark, const char *tag);

/* Binds what is drawn from; finished by look_finish. The clocks are exact ones. */
void look_init(struct look *look, const struct reading *reading, const struct history *history,
               struct ui *ui, uint64_t now_ns, uint64_t monotonic_ns);
void look_finish(struct look *look);

#endif

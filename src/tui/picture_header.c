/* SPDX-License-Identifier: Apache-2.0 */
/* The lines above the screen. */
#include "meshtally.h"
#include "picture_parts.h"
#include "safe.h"
#include "units.h"

#include <inttypes.h>
#include <string.h>

static const uint64_t second_ns = 1000000000u;

/* A reading this much too late is told. */
enum { LATE_REFRESHES = 3, LATE_LEAST_MS = 2000 };

static const char program_name[] = "meshtally";

/* "no events for 40 s", in steps of 10 s below a minute, then of minutes and hours: a screen on
 * which nothing happens is written that often and no more. */
static void add_quiet(struct text *words, uint64_t seconds, bool few)
{
	static const struct {
		uint64_t from, step;
		const char *unit, *letter;
	} steps[] = {{86400, 86400, "days", "d"}, {3600, 3600, "h", "h"}, {60, 60, "min", "m"}};

	text_add(words, few ? "quiet" : seconds < 10 ? "no new events" : "no events for ");
	if (seconds < 10)
		return;
	text_add(words, few ? " " : "");
	for (size_t i = 0; i < ARRAY_COUNT(steps); i++)
		if (seconds >= steps[i].from * (i == 0 ? 2 : 1)) {
			text_addf(words, "%" PRIu64 "%s%s", seconds / steps[i].step, few ? "" : " ",
			          few ? steps[i].letter : steps[i].unit);
			return;
		}
	text_addf(words, "%" PRIu64 "0%s", seconds / 10, few ? "s" : " s");
}

static void add_file_name(struct text *words, const char *path)
{
	const char *slash = strrchr(path, '/');

	safe_terminal(words, slash != NULL && slash[1] != '\0' ? slash + 1 : path);
}

static uint64_t since(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

static uint64_t late_ns(const struct ui *ui)
{
	uint64_t ms = (uint64_t)ui->refresh_ms * LATE_REFRESHES;

	return (ms > LATE_LEAST_MS ? ms : LATE_LEAST_MS) * 1000000u;
}

void status_words(const struct look *look, bool few, struct text *words, enum style *ret_style)
{
	const struct reading *reading = look->reading;
	uint64_t age_ns = look->read_ago_ns;
	char age[UNITS_SIZE];

	*ret_style = STYLE_DIM;
	if (reading == NULL) {
		text_add(words, "reading ...");
	} else if (reading->from != NULL) {
		add_file_name(words, reading->from);
		*ret_style = STYLE_TITLE;
	} else if (look->ui->paused) {
		text_add(words, "paused");
		*ret_style = STYLE_WARNING;
	} else if (age_ns >= late_ns(look->ui)) {
		text_addf(words, "updated %s ago", units_age(&age, age_ns / second_ns * second_ns));
		*ret_style = STYLE_WARNING;
	} else if (reading->events != 0) {
		text_addf(words, few ? "%s ago" : "updated %s ago", units_age(&age, age_ns));
		*ret_style = STYLE_GOOD;
	} else if (reading->last_event_ns == 0) {
		text_add(words, few ? "quiet" : "no events");
	} else {
		add_quiet(words, since(look->now_ns, reading->last_event_ns) / second_ns, few);
	}
}

/* "1 Mesh", or "1" alone where there is little room and another one is shown. */
static int tab_width(const struct ui *ui, enum screen_id id, bool wide)
{
	return wide || id == ui->screen ? 4 + (int)strlen(screens[id].title) : 3;
}

static int tabs_width(const struct ui *ui, bool wide)
{
	int width = 0;

	for (enum screen_id id = 0; id < SCREEN_LIMIT; id++)
		width += tab_width(ui, id, wide);
	return width;
}

static int draw_tabs(const struct ui *ui, struct canvas *canvas, struct area line, bool wide,
                     struct hits *hits)
{
	int at = line.column, end = line.column + line.columns;

	for (enum screen_id id = 0; id < SCREEN_LIMIT && at < end; id++) {
		bool here = id == ui->screen;
		enum style style = here ? STYLE_TAB_HERE : STYLE_TAB;
		int width = tab_width(ui, id, wide);

		width = width < end - at ? width : end - at;
		if (width > 3)
			canvas_textf(canvas, line.row, at, width, style, " %d %s ", (int)id + 1,
			             screens[id].title);
		else
			canvas_textf(canvas, line.row, at, width, style, " %d ", (int)id + 1);
		hits_add(hits, HIT_SCREEN, (struct area){line.row, at, 1, width}, id);
		at += width;
	}
	return at - line.column;
}

void header_tabs(const struct look *look, struct canvas *canvas, struct area line,
                 struct hits *hits)
{
	struct text words = {0};
	enum style style;
	int name = (int)sizeof(program_name) + 1, right, tabs, left;
	bool wide;

	status_words(look, false, &words, &style);
	right = (int)safe_width(text_string(&words)) + 2;
	tabs = tabs_width(look->ui, true);
	wide = tabs + (right < 20 ? right : 20) <= line.columns;
	if (wide && name + tabs + right <= line.columns) {
		canvas_text(canvas, line.row, line.column + 1, name, STYLE_TITLE, program_name);
		line.column += name;
		line.columns -= name;
	}
	left = draw_tabs(look->ui, canvas, line, wide, hits);
	if (line.columns - left < right - 1) {
		text_clear(&words);
		status_words(look, true, &words, &style);
	}
	if (line.columns - left > 3)
		canvas_right(canvas, line.row, line.column + left + 1, line.columns - left - 1,
		             style, text_string(&words));
	text_finish(&words);
}

/* A pen along a line. */
struct line_pen {
	struct canvas *canvas;
	struct hits *hits;
	int row, at, end;
};

static bool has_room(const struct line_pen *pen, const char *words)
{
	return pen->end - pen->at >= (int)safe_width(words);
}

/* Whole parts alone: half a figure is worse than none. */
static bool add_part(struct line_pen *pen, enum style style, const char *words)
{
	if (!has_room(pen, words))
		return false;
	pen->at += canvas_text(pen->canvas, pen->row, pen->at, pen->end - pen->at, style, words);
	pen->at += 2;
	return true;
}

static void add_count(struct line_pen *pen, uint64_t count, const char *one, const char *many)
{
	struct text words = {0};
	char figure[UNITS_SIZE];

	text_addf(&words, "%s %s", units_count(&figure, count), count == 1 ? one : many);
	add_part(pen, STYLE_TEXT, text_string(&words));
	text_finish(&words);
}

/* What is held of a kind, with its capacity where that is known of all devices. */
struct kind_sum {
	uint64_t held, capacity;
	bool exact, all_known;
};

static struct kind_sum sum_kind(const struct machine *machine, uint32_t kind)
{
	struct kind_sum sum = {.exact = true, .all_known = true};

	for (uint32_t row = 0; row < machine_chips(machine); row++) {
		const struct machine_figure *figure = &machine->devices.items[row].figures[kind];

		if (!figure->present)
			continue;
		sum.held += figure->held;
		sum.capacity += figure->capacity;
		sum.exact = sum.exact && figure->exact;
		sum.all_known = sum.all_known && figure->capacity != 0;
	}
	sum.all_known = sum.all_known && sum.capacity != 0;
	return sum;
}

/* "DRAM 14 GB of 96 GB"; where there is no room, "DRAM 14.6 %". */
static void add_kind(struct line_pen *pen, const struct machine *machine, uint32_t kind)
{
	struct kind_sum sum = sum_kind(machine, kind);
	char held[UNITS_SIZE], all[UNITS_SIZE];
	struct text name = {0}, words = {0};

	if (sum.held == 0 && sum.capacity == 0)
		return;
	safe_terminal(&name, machine->kind_names[kind]);
	text_addf(&words, "%s %s%s", text_string(&name), sum.exact ? "" : "~",
	          units_bytes_short(&held, sum.held));
	if (sum.all_known)
		text_addf(&words, " of %s", units_bytes_short(&all, sum.capacity));
	if (!add_part(pen, STYLE_TEXT, text_string(&words)) && sum.all_known) {
		text_clear(&words);
		text_addf(&words, "%s %s%s", text_string(&name), sum.exact ? "" : "~",
		          units_percent(&held, sum.held, sum.capacity));
		add_part(pen, STYLE_TEXT, text_string(&words));
	}
	text_finish(&name);
	text_finish(&words);
}

/* "unplaced 64 MB" */
static void add_unplaced(struct line_pen *pen, const struct machine *machine)
{
	const struct machine_figure *figures;
	struct machine_figure sum = {0};
	struct text words = {0};
	char bytes[UNITS_SIZE];

	if (!machine_has_unplaced(machine))
		return;
	figures = machine->devices.items[machine_chips(machine)].figures;
	for (uint32_t kind = 0; kind < machine->kind_count; kind++)
		if (figures[kind].present && machine_kind_on_device(machine, kind))
			figure_add(&sum, &figures[kind]);
	text_addf(&words, "%s %s%s", unplaced_name, sum.exact ? "" : "~",
	          units_bytes_short(&bytes, figure_bytes(&sum)));
	if (figure_buffers(&sum) != 0)
		add_part(pen, STYLE_TEXT, text_string(&words));
	text_finish(&words);
}

/* "3 faults: 6", where 6 is the key of the screen that tells more. */
struct trouble {
	uint64_t count;
	const char *one, *many;
	enum style style;
	enum screen_id screen;
};

static void trouble_words(const struct trouble *trouble, struct text *words)
{
	char figure[UNITS_SIZE];

	text_clear(words);
	text_addf(words, "%s %s: %d", units_count(&figure, trouble->count),
	          trouble->count == 1 ? trouble->one : trouble->many, (int)trouble->screen + 1);
}

static void add_trouble(struct line_pen *pen, const struct trouble *trouble)
{
	struct text words = {0};
	int from = pen->at;

	trouble_words(trouble, &words);
	if (add_part(pen, trouble->style, text_string(&words)))
		hits_add(pen->hits, HIT_SCREEN, (struct area){pen->row, from, 1, pen->at - from},
		         trouble->screen);
	text_finish(&words);
}

static int troubles_width(const struct trouble *troubles, size_t count)
{
	struct text words = {0};
	int width = 0;

	for (size_t i = 0; i < count; i++)
		if (troubles[i].count != 0) {
			trouble_words(&troubles[i], &words);
			width += (int)safe_width(text_string(&words)) + 2;
		}
	text_finish(&words);
	return width;
}

/* Whether a process that ended has left buffers, or a live one closed a device with some in it. */
static bool has_left(const struct machine_process *process)
{
	const struct segment_view *view = process->view;

	for (uint32_t i = 0; i < view->row_count; i++)
		if ((process->dead || view->rows[i].closed) && view->rows[i].buffers != 0 &&
		    view->rows[i].class_now == CLASS_USER)
			return true;
	return false;
}

struct machine_sum {
	uint64_t processes, faults, failures, left;
};

static struct machine_sum sum_machine(const struct machine *machine)
{
	struct machine_sum sum = {0};

	for (size_t i = 0; i < machine->processes.count; i++) {
		const struct machine_process *process = &machine->processes.items[i];
		const struct segment_view *view = process->view;

		if (process->witness)
			continue;
		/* One that is known by several sources is one. */
		sum.processes += process->counted && !process->dead &&
		                 (process->subject == SIZE_MAX || process->subject == i);
		if (view == NULL)
			continue;
		sum.faults += view->fault_total - view->faults_by_type[MT_ALLOC_FAILED];
		sum.failures += view->failure_count;
		sum.left += has_left(process);
	}
	return sum;
}

static void draw_machine(const struct look *look, struct line_pen *pen)
{
	const struct machine *machine = &look->reading->scene.machine;
	struct machine_sum sum = sum_machine(machine);
	const struct trouble troubles[] = {
		{sum.failures, "failed allocation", "failed allocations", STYLE_BAD, SCREEN_FAULTS},
		{sum.faults, "fault", "faults", STYLE_BAD, SCREEN_FAULTS},
		{sum.left, "process left buffers", "processes left buffers", STYLE_WARNING,
	         SCREEN_PROCESSES},
	};
	int end = pen->end;

	add_count(pen, machine_chips(machine), "device", "devices");
	add_count(pen, sum.processes, "process", "processes");
	pen->end -= troubles_width(troubles, ARRAY_COUNT(troubles));
	for (uint32_t kind = 0; kind < machine->kind_count; kind++)
		add_kind(pen, machine, kind);
	add_unplaced(pen, machine);
	pen->end = end;
	for (size_t i = 0; i < ARRAY_COUNT(troubles); i++)
		if (troubles[i].count != 0)
			add_trouble(pen, &troubles[i]);
}

/* Where a screen does not say it itself, by say_totals_filter(). */
static const char *what_is_not_filtered(const struct look *look)
{
	static const char *const words[SCREEN_LIMIT] = {
		[SCREEN_MESH] = "size and age are those of single buffers: these totals cannot "
				"follow them",
		[SCREEN_DEVICE] = "size and age are for the list of buffers alone",
		[SCREEN_FAULTS] = "size and age are those of live buffers: faults cannot follow "
				  "them",
	};

	return filter_needs_buffers(&look->ui->filter) ? words[look->ui->screen] : NULL;
}

static void draw_filter(const struct look *look, struct line_pen *pen)
{
	pen->at += canvas_text(pen->canvas, pen->row, pen->at, pen->end - pen->at, STYLE_DIM,
	                       "filter ");
	pen->at += canvas_foreign(pen->canvas, pen->row, pen->at, pen->end - pen->at, STYLE_WARNING,
	                          look->ui->filter.source);
	pen->at += 2;
	if (look->missing.length != 0 && pen->at < pen->end)
		canvas_text(pen->canvas, pen->row, pen->at, pen->end - pen->at, STYLE_BAD,
		            text_string(&look->missing));
	else if (what_is_not_filtered(look) != NULL && pen->at < pen->end)
		canvas_text(pen->canvas, pen->row, pen->at, pen->end - pen->at, STYLE_WARNING,
		            what_is_not_filtered(look));
	else
		add_part(pen, STYLE_DIM, "Esc shows all");
}

void header_summary(const struct look *look, struct canvas *canvas, struct area line,
                    struct hits *hits)
{
	struct line_pen pen = {canvas, hits, line.row, line.column + 1, line.column + line.columns};

	if (!filter_is_empty(&look->ui->filter))
		draw_filter(look, &pen);
	else if (look->reading != NULL && !picture_is_empty(look))
		draw_machine(look, &pen);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor.h"

#include "lookout.h"
#include "monitor_internal.h"
#include "safe.h"
#include "settings.h"
#include "terminal.h"
#include "tui_clock.h"
#include "units.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MS 1000000u

enum {
	DRAW_GAP_NS = 30 * MS,   /* between pictures that no key asked for */
	ESCAPE_GAP_NS = 50 * MS, /* after which an escape is the key of that name */
	AGES_GAP_NS = 1000 * MS, /* ages in the picture go on */
	INPUT_BYTES = 512
};

struct monitor {
	const struct monitor_options *options;
	struct settings settings;
	struct text settings_path;
	struct ui ui;
	struct lookout *lookout;
	struct terminal *terminal;
	struct history *history;
	struct reading *reading; /* NULL: the first is under way */
	struct canvas canvas;
	struct hits hits; /* of the picture that is shown */
	struct input input;
	uint64_t input_ns; /* of the last byte */
	int signal_fd;
	sigset_t signals_before;
	uint64_t drawn_ns;
	bool dirty, urgent; /* urgent: drawn at once */
	bool quit;
	int signal;  /* that ended it; 0 none */
	int failure; /* negative errno: the terminal is gone */
};

/* Everything that must not leave the terminal as it is. */
static const int ending_signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
static const int other_signals[] = {SIGWINCH, SIGCONT, SIGTSTP};

/* What the screen wants to know, told to the thread. */
static void tell_wants(struct monitor *monitor)
{
	struct lookout_want want = {.refresh_ms = monitor->ui.refresh_ms,
	                            .paused = monitor->ui.paused};
	struct ui_want asked;

	ui_want(&monitor->ui, monitor->reading, &asked);
	want.survey = asked.request;
	lookout_want(monitor->lookout, &want);
	ui_want_finish(&asked);
}

static void look_begin(struct monitor *monitor, struct look *look)
{
	look_init(look, monitor->reading, monitor->history, &monitor->ui, units_now_ns(),
	          tui_monotonic_ns());
}

static void take_reading(struct monitor *monitor)
{
	struct reading *reading = lookout_take(monitor->lookout);
	bool first = monitor->reading == NULL;

	if (reading == NULL)
		return;
	reading_destroy(monitor->reading);
	monitor->reading = reading;
	history_add(monitor->history, reading);
	monitor_choose_device(&monitor->ui, reading);
	tell_wants(monitor);
	monitor->dirty = true;
	monitor->urgent = monitor->urgent || first;
}

static void save_settings(struct monitor *monitor)
{
	struct ui *ui = &monitor->ui;
	struct text safe = {0};
	int error;

	settings_take(&monitor->settings, ui);
	if (monitor->settings_path.length == 0) {
		ui_say(ui, true, "not saved: HOME is not set, so that there is no place for it");
		return;
	}
	error = settings_save(&monitor->settings, monitor->settings_path.bytes);
	safe_terminal(&safe, monitor->settings_path.bytes);
	if (error != 0)
		ui_say(ui, true, "not saved to %s: %s", text_string(&safe), strerror(-error));
	else
		ui_say(ui, false, "saved to %s", text_string(&safe));
	text_finish(&safe);
}

static void export_picture(struct monitor *monitor, const char *path)
{
	struct text said = {0};
	struct look look;
	int error;

	look_begin(monitor, &look);
	/* Not as a quiet picture has it: ages are of the time that the file names. */
	if (look.reading != NULL)
		look.now_ns = look.reading->scene.now_ns;
	error = picture_export(&look, path, &said);
	look_finish(&look);
	ui_say(&monitor->ui, error != 0, "%s", text_string(&said));
	text_finish(&said);
}

static void suspend(struct monitor *monitor)
{
	terminal_suspend(monitor->terminal);
	monitor->dirty = monitor->urgent = true;
}

/* All that have ever been: what the lookout has heard before it does not mind. */
static void dismiss(struct monitor *monitor)
{
	const uint64_t *identity;

	vec_for (identity, &monitor->ui.dismissed)
		lookout_dismiss(monitor->lookout, *identity);
}

static void grant(struct monitor *monitor, const struct ui_wish *wish)
{
	monitor->quit = monitor->quit || wish->quit;
	if (wish->redraw_all)
		terminal_forget(monitor->terminal);
	if (wish->survey)
		tell_wants(monitor);
	if (wish->hurry)
		lookout_hurry(monitor->lookout);
	if (wish->dismiss)
		dismiss(monitor);
	if (wish->save_settings)
		save_settings(monitor);
	if (wish->export_path != NULL)
		export_picture(monitor, wish->export_path);
	if (wish->suspend)
		suspend(monitor);
}

static void take_ground(struct monitor *monitor, bool light)
{
	if (monitor->settings.ground == GROUND_AUTO)
		terminal_paint(monitor->terminal)->palette.light = light;
}

static void take_events(struct monitor *monitor, bool idle)
{
	struct input_event event;
	struct ui_wish wish;
	struct look look;

	while (!monitor->quit && input_next(&monitor->input, idle, &event)) {
		monitor->dirty = monitor->urgent = true;
		if (event.type == INPUT_GROUND) {
			take_ground(monitor, event.light);
			continue;
		}
		look_begin(monitor, &look);
		ui_event(&monitor->ui, &look, &monitor->hits, &event, &wish);
		look_finish(&look);
		grant(monitor, &wish);
	}
}

/* The terminal is gone where nothing more can come from it. */
static void read_input(struct monitor *monitor)
{
	char bytes[INPUT_BYTES];
	int input = terminal_input(monitor->terminal);
	ssize_t count;

	/* A signal that came with it may have told that the terminal is not ours now. */
	if (input < 0)
		return;
	count = read(input, bytes, sizeof(bytes));
	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (count <= 0) {
		monitor->failure = count < 0 ? -errno : -EIO;
		return;
	}
	monitor->input_ns = tui_monotonic_ns();
	for (size_t fed = 0; fed < (size_t)count && !monitor->quit;) {
		fed += input_feed(&monitor->input, bytes + fed, (size_t)count - fed);
		take_events(monitor, false);
	}
}

static void take_signal(struct monitor *monitor, int number)
{
	for (size_t i = 0; i < ARRAY_COUNT(ending_signals); i++) {
		if (ending_signals[i] != number)
			continue;
		monitor->signal = number;
		monitor->quit = true;
	}
	if (number == SIGTSTP)
		suspend(monitor);
	if (number == SIGCONT)
		terminal_resume(monitor->terminal);
	monitor->dirty = monitor->urgent = true;
}

static void read_signals(struct monitor *monitor)
{
	struct signalfd_siginfo info;

	while (!monitor->quit && read(monitor->signal_fd, &info, sizeof(info)) == sizeof(info))
		take_signal(monitor, (int)info.ssi_signo);
}

static void draw(struct monitor *monitor)
{
	struct look look;
	size_t bytes;
	int rows, columns, result;

	terminal_size(monitor->terminal, &rows, &columns);
	canvas_size(&monitor->canvas, rows, columns);
	hits_clear(&monitor->hits);
	look_begin(monitor, &look);
	picture_draw(&look, &monitor->canvas, &monitor->hits);
	monitor->drawn_ns = tui_monotonic_ns();
	look_finish(&look);
	result = terminal_show(monitor->terminal, &monitor->canvas, &bytes);
	monitor->urgent = false;
	monitor->dirty = result == -EAGAIN;
	if (result != 0 && result != -EAGAIN)
		monitor->failure = result;
}

/* When there is something to do though nothing comes. */
static uint64_t next_ns(const struct monitor *monitor)
{
	uint64_t next = monitor->drawn_ns + AGES_GAP_NS, escape;

	if (monitor->urgent)
		next = 0;
	else if (monitor->dirty)
		next = monitor->drawn_ns + DRAW_GAP_NS;
	/* A terminal that is behind says itself when it can take the next picture. */
	if (terminal_is_behind(monitor->terminal))
		next = UINT64_MAX;
	escape = monitor->input_ns + ESCAPE_GAP_NS;
	return input_is_partial(&monitor->input) && escape < next ? escape : next;
}

static int wait_ms(uint64_t until_ns)
{
	uint64_t now = tui_monotonic_ns();

	if (until_ns == UINT64_MAX)
		return -1;
	return until_ns <= now ? 0 : (int)((until_ns - now + MS - 1) / MS);
}

static void wait_for_something(struct monitor *monitor)
{
	struct pollfd fds[] = {
		{.fd = terminal_input(monitor->terminal), .events = POLLIN},
		{.fd = lookout_descriptor(monitor->lookout), .events = POLLIN},
		{.fd = monitor->signal_fd, .events = POLLIN},
		{.fd = terminal_is_behind(monitor->terminal) ? STDOUT_FILENO : -1,
	         .events = POLLOUT},
	};

	if (poll(fds, ARRAY_COUNT(fds), wait_ms(next_ns(monitor))) < 0)
		return;
	if (fds[2].revents != 0)
		read_signals(monitor);
	if (fds[0].revents != 0 && !monitor->quit)
		read_input(monitor);
	if (fds[1].revents != 0)
		take_reading(monitor);
	if (fds[3].revents != 0 && monitor->failure == 0)
		monitor->failure = terminal_flush(monitor->terminal);
}

static bool must_draw(const struct monitor *monitor)
{
	uint64_t passed_ns = tui_monotonic_ns() - monitor->drawn_ns;

	if (monitor->quit || monitor->failure != 0 || terminal_is_behind(monitor->terminal))
		return false;
	return monitor->urgent || passed_ns >= (monitor->dirty ? DRAW_GAP_NS : AGES_GAP_NS);
}

static void loop(struct monitor *monitor)
{
	while (!monitor->quit && monitor->failure == 0) {
		if (must_draw(monitor))
			draw(monitor);
		if (monitor->failure != 0)
			break;
		wait_for_something(monitor);
		if (input_is_partial(&monitor->input) &&
		    tui_monotonic_ns() - monitor->input_ns >= ESCAPE_GAP_NS)
			take_events(monitor, true);
	}
}

static int open_signals(struct monitor *monitor, struct text *error)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(ending_signals); i++)
		sigaddset(&set, ending_signals[i]);
	for (size_t i = 0; i < ARRAY_COUNT(other_signals); i++)
		sigaddset(&set, other_signals[i]);
	pthread_sigmask(SIG_BLOCK, &set, &monitor->signals_before);
	monitor->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (monitor->signal_fd >= 0)
		return 0;
	text_addf(error, "cannot make a descriptor for signals: %s", strerror(errno));
	return -errno;
}

static void load_settings(struct monitor *monitor)
{
	struct text complaints = {0};

	settings_defaults(&monitor->settings);
	settings_path(&monitor->settings_path);
	if (monitor->settings_path.length != 0)
		settings_load(&monitor->settings, monitor->settings_path.bytes, &complaints);
	ui_init(&monitor->ui, monitor->settings.refresh_ms);
	settings_apply(&monitor->settings, &monitor->ui);
	/* One line is enough to find the file by; the others are told the next time. */
	if (complaints.length != 0)
		ui_say(&monitor->ui, true, "%.*s", (int)strcspn(complaints.bytes, "\n"),
		       complaints.bytes);
	text_finish(&complaints);
}

static int open_lookout(struct monitor *monitor, struct text *error)
{
	struct lookout_want want = {.refresh_ms = monitor->ui.refresh_ms};
	struct ui_want asked;
	int result;

	ui_want(&monitor->ui, NULL, &asked);
	want.survey = asked.request;
	want.survey.dead = monitor->options->from != NULL;
	result = lookout_start(&monitor->lookout, monitor->options->from, &want, error);
	ui_want_finish(&asked);
	return result;
}

static void prepare_terminal(struct monitor *monitor)
{
	monitor->canvas.ascii = monitor->options->ascii || !terminal_is_utf8(monitor->terminal);
	if (monitor->settings.ground != GROUND_AUTO)
		terminal_paint(monitor->terminal)->palette.light =
			monitor->settings.ground == GROUND_LIGHT;
	monitor->dirty = monitor->urgent = true;
}

static int run(struct monitor *monitor, struct text *error)
{
	int result = monitor_apply(monitor->options, &monitor->ui, error);

	if (result == 0)
		result = open_signals(monitor, error);
	if (result == 0)
		result = open_lookout(monitor, error);
	if (result == 0)
		result = terminal_open(&monitor->terminal, STDIN_FILENO, STDOUT_FILENO,
		                       monitor->options->no_color, error);
	if (result != 0)
		return result;
	monitor->history = history_create();
	prepare_terminal(monitor);
	loop(monitor);
	if (monitor->failure != 0 && monitor->signal == 0)
		text_addf(error, "the terminal is gone: %s", strerror(-monitor->failure));
	return monitor->failure;
}

static void finish(struct monitor *monitor)
{
	terminal_close(monitor->terminal);
	lookout_stop(monitor->lookout);
	reading_destroy(monitor->reading);
	history_destroy(monitor->history);
	canvas_finish(&monitor->canvas);
	hits_finish(&monitor->hits);
	ui_finish(&monitor->ui);
	text_finish(&monitor->settings_path);
	if (monitor->signal_fd >= 0)
		close(monitor->signal_fd);
}

int monitor_run(const struct monitor_options *options, struct text *error)
{
	struct monitor monitor = {.options = options, .signal_fd = -1};
	int result;

	pthread_sigmask(SIG_SETMASK, NULL, &monitor.signals_before);
	load_settings(&monitor);
	result = run(&monitor, error);
	finish(&monitor);
	pthread_sigmask(SIG_SETMASK, &monitor.signals_before, NULL);
	/* Whoever waits for us is to see that the signal ended us. */
	if (monitor.signal != 0) {
		signal(monitor.signal, SIG_DFL);
		raise(monitor.signal);
	}
	return result;
}

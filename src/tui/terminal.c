/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include "memory.h"
#include "terminal_info.h"
#include "terminal_rescue.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
	ROWS_MOST = 500, /* of what says it is larger a part is used */
	COLUMNS_MOST = 1000,
	ROWS_USUAL = 24,
	COLUMNS_USUAL = 80,
	BLOCKING_BYTES = 256 /* that a terminal takes without waiting when poll says it is ready */
};

struct terminal {
	int input, output;
	bool owns_output; /* opened anew, so that it need not block */
	bool taken;       /* it is ours now: not suspended */
	bool asked;       /* about the colour of its ground */
	struct termios before;
	struct terminal_info info;
	struct text enter, leave;
	struct paint paint;
	struct palette shown_palette;
	struct canvas shown; /* what is shown, or on its way */
	bool is_known;       /* `shown` holds */
	struct text pending;
	size_t sent; /* of pending */
};

/* Presses and the wheel of the mouse, with places beyond column 223. */
static const char mouse_on[] = "\033[?1000h\033[?1006h", mouse_off[] = "\033[?1006l\033[?1000l";
/* "Which colour is your ground?" */
static const char ask_ground[] = "\033]11;?\033\\";

/* The same terminal, opened again: not to block is then a matter of this descriptor alone, and not
 * of the shell's and everybody's who shares the one we were given. -1: cannot be had. */
static int open_anew(int descriptor)
{
	const int flags = O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	struct text path = {0};
	int anew;

	text_addf(&path, "/proc/self/fd/%d", descriptor);
	anew = open(text_string(&path), flags);
	text_finish(&path);
	if (anew < 0 && tcgetsid(descriptor) == getsid(0))
		anew = open("/dev/tty", flags);
	if (anew >= 0 && !isatty(anew)) {
		close(anew);
		anew = -1;
	}
	return anew;
}

/* Setting modes from the background would stop the process; whoever calls knows what he does. */
static int set_modes(int descriptor, const struct termios *modes)
{
	sigset_t set, before;
	int status;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	do
		status = tcsetattr(descriptor, TCSANOW, modes);
	while (status != 0 && errno == EINTR);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return status == 0 ? 0 : -errno;
}

/* A job in the background must leave the terminal alone. */
static bool is_in_front(const struct terminal *terminal)
{
	pid_t group = tcgetpgrp(terminal->output);

	return group < 0 || group == getpgrp();
}

static int take(struct terminal *terminal)
{
	struct termios raw = terminal->before;
	int error;

	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	terminal_rescue_arm(terminal->output, &terminal->before, &terminal->leave);
	error = set_modes(terminal->input, &raw);
	if (error != 0) {
		terminal_rescue_disarm();
		return error;
	}
	terminal->taken = true;
	terminal->is_known = false;
	text_clear(&terminal->pending);
	terminal->sent = 0;
	text_add(&terminal->pending, text_string(&terminal->enter));
	if (!terminal->asked)
		text_add(&terminal->pending, ask_ground);
	terminal->asked = true;
	return 0;
}

static void leave(struct terminal *terminal)
{
	if (!terminal->taken)
		return;
	terminal->taken = false;
	terminal->is_known = false;
	if (!terminal_is_rescued()) {
		terminal_write_all(terminal->output, terminal->leave.bytes, terminal->leave.length);
		/* What was typed, and answers that came too late, are not for the shell. */
		tcflush(terminal->input, TCIFLUSH);
		set_modes(terminal->input, &terminal->before);
	}
	terminal_rescue_disarm();
	text_clear(&terminal->pending);
	terminal->sent = 0;
}

static void prepare(struct terminal *terminal, bool no_color)
{
	const char *term = getenv("TERM");

	text_add(&terminal->enter, text_string(&terminal->info.enter));
	text_add(&terminal->enter, mouse_on);
	/* The first ends whatever sequence was cut off in the middle. */
	text_add(&terminal->leave, "\033[m\033[?2026l");
	text_add(&terminal->leave, mouse_off);
	text_add(&terminal->leave, text_string(&terminal->info.leave));
	/* The Linux console would show the question. */
	terminal->asked = term != NULL && strcmp(term, "linux") == 0;
	terminal->paint.erases = terminal->info.erases;
	terminal->paint.palette.depth = no_color ? COLORS_NONE : style_depth(terminal->info.colors);
	terminal->paint.palette.light = style_is_light();
}

/* Started in the background, it stops as everything does that wants the terminal from there. */
static int wait_for_front(const struct terminal *terminal, struct text *error)
{
	if (!is_in_front(terminal))
		raise(SIGTTOU);
	if (is_in_front(terminal))
		return 0;
	text_add(error, "this job is in the background, where it has no terminal; use --once");
	return -EIO;
}

static int begin(struct terminal *terminal, bool no_color, struct text *error)
{
	int result = wait_for_front(terminal, error);

	if (result == 0)
		result = terminal_info_load(&terminal->info, terminal->output, error);
	if (result != 0)
		return result;
	prepare(terminal, no_color);
	result = tcgetattr(terminal->input, &terminal->before) == 0 ? take(terminal) : -errno;
	if (result != 0)
		text_addf(error, "the terminal cannot be taken over: %s", strerror(-result));
	return result;
}

int terminal_open(struct terminal **ret_terminal, int input, int output, bool no_color,
                  struct text *error)
{
	struct terminal *terminal;
	int anew, result;

	if (!isatty(input) || !isatty(output)) {
		text_addf(error, "standard %s is not a terminal; use --once",
		          isatty(input) ? "output" : "input");
		return -ENOTTY;
	}
	terminal = mem_calloc(1, sizeof(*terminal));
	anew = open_anew(output);
	terminal->owns_output = anew >= 0;
	terminal->output = terminal->owns_output ? anew : output;
	terminal->input = input;
	result = begin(terminal, no_color, error);
	if (result != 0) {
		terminal_close(terminal);
		return result;
	}
	terminal_flush(terminal);
	*ret_terminal = terminal;
	return 0;
}

void terminal_close(struct terminal *terminal)
{
	if (terminal == NULL)
		return;
	leave(terminal);
	terminal_rescue_remove();
	if (terminal->owns_output)
		close(terminal->output);
	terminal_info_finish(&terminal->info);
	text_finish(&terminal->enter);
	text_finish(&terminal->leave);
	text_finish(&terminal->pending);
	canvas_finish(&terminal->shown);
	free(terminal);
}

int terminal_input(const struct terminal *terminal)
{
	return terminal->taken ? terminal->input : -1;
}

static int positive(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL ? atoi(value) : 0;
}

/* The first that is known, within bounds. */
static int choose(int told, int of_environment, int usual, int most)
{
	int chosen = told > 0 ? told : of_environment > 0 ? of_environment : usual;

	return chosen < most ? chosen : most;
}

void terminal_size(const struct terminal *terminal, int *ret_rows, int *ret_columns)
{
	struct winsize size = {0};

	if (ioctl(terminal->output, TIOCGWINSZ, &size) != 0)
		size = (struct winsize){0};
	*ret_rows = choose(size.ws_row, positive("LINES"), ROWS_USUAL, ROWS_MOST);
	*ret_columns = choose(size.ws_col, positive("COLUMNS"), COLUMNS_USUAL, COLUMNS_MOST);
}

bool terminal_is_utf8(const struct terminal *terminal)
{
	(void)terminal;
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

struct paint *terminal_paint(struct terminal *terminal)
{
	return &terminal->paint;
}

bool terminal_is_behind(const struct terminal *terminal)
{
	return terminal->sent < terminal->pending.length;
}

int terminal_flush(struct terminal *terminal)
{
	struct pollfd ready = {.fd = terminal->output, .events = POLLOUT};

	if (terminal_is_rescued())
		return -EIO;
	while (terminal_is_behind(terminal)) {
		size_t left = terminal->pending.length - terminal->sent;
		ssize_t written;

		if (!terminal->owns_output) {
			left = left < BLOCKING_BYTES ? left : BLOCKING_BYTES;
			if (poll(&ready, 1, 0) == 0)
				return 0;
		}
		written = write(terminal->output, terminal->pending.bytes + terminal->sent, left);
		if (written < 0 && errno == EAGAIN)
			return 0;
		if (written < 0 && errno != EINTR)
			return -errno;
		terminal->sent += written > 0 ? (size_t)written : 0;
	}
	text_clear(&terminal->pending);
	terminal->sent = 0;
	return 0;
}

static bool is_base(const struct terminal *terminal, const struct canvas *canvas)
{
	return terminal->is_known && terminal->shown.rows == canvas->rows &&
	       terminal->shown.columns == canvas->columns &&
	       terminal->shown_palette.depth == terminal->paint.palette.depth &&
	       terminal->shown_palette.light == terminal->paint.palette.light;
}

static void remember(struct terminal *terminal, const struct canvas *canvas)
{
	size_t count = (size_t)canvas->rows * (size_t)canvas->columns;

	if (terminal->shown.rows != canvas->rows || terminal->shown.columns != canvas->columns)
		canvas_size(&terminal->shown, canvas->rows, canvas->columns);
	if (count != 0)
		memcpy(terminal->shown.cells, canvas->cells, count * sizeof(*canvas->cells));
	terminal->shown.cursor_row = canvas->cursor_row;
	terminal->shown.cursor_column = canvas->cursor_column;
	terminal->shown_palette = terminal->paint.palette;
	terminal->is_known = true;
}

int terminal_show(struct terminal *terminal, const struct canvas *canvas, size_t *ret_bytes)
{
	int result;

	if (!terminal->taken || !is_in_front(terminal))
		terminal_resume(terminal);
	if (!terminal->taken)
		return -EAGAIN;
	result = terminal_flush(terminal);
	if (result != 0)
		return result;
	if (terminal_is_behind(terminal))
		return -EAGAIN;
	paint(&terminal->pending, &terminal->paint,
	      is_base(terminal, canvas) ? &terminal->shown : NULL, canvas);
	*ret_bytes = terminal->pending.length;
	remember(terminal, canvas);
	return terminal_flush(terminal);
}

void terminal_resume(struct terminal *terminal)
{
	if (!is_in_front(terminal)) {
		/* Continued in the background: it belongs to somebody else, who has set it up. */
		terminal->taken = terminal->is_known = false;
		text_clear(&terminal->pending);
		terminal->sent = 0;
		terminal_rescue_disarm();
	} else if (take(terminal) == 0) {
		terminal_flush(terminal);
	}
}

void terminal_suspend(struct terminal *terminal)
{
	struct sigaction action = {.sa_handler = SIG_IGN}, before;
	sigset_t set, mask;

	leave(terminal);
	/* The whole job stops, as a shell expects. The others first, while we ignore it: of a
	 * blocked one that would be put by for later, and stop us a second time. Then this thread,
	 * which does not return from raise() before the process has stopped and was continued. */
	sigemptyset(&action.sa_mask);
	sigaction(SIGTSTP, &action, &before);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &set, &mask);
	kill(0, SIGTSTP);
	action.sa_handler = SIG_DFL;
	sigaction(SIGTSTP, &action, NULL);
	raise(SIGTSTP);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGTSTP, &before, NULL);
	terminal_resume(terminal);
}

void terminal_forget(struct terminal *terminal)
{
	terminal->is_known = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor's terminal on a pseudo terminal: taken, drawn on, and always given back. */
#include "cmocka_all.h"
#include "memory.h"
#include "terminal.h"
#include "terminal_emulator.h"
#include "text.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

struct line {
	int outer, inner; /* the emulator's end, and the program's */
	struct termios before;
	struct text heard;
};

static void line_open(struct line *line, int rows, int columns)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};

	*line = (struct line){0};
	assert_int_equal(openpty(&line->outer, &line->inner, NULL, NULL, &size), 0);
	assert_int_equal(tcgetattr(line->inner, &line->before), 0);
	setenv("TERM", "xterm-256color", 1);
}

static void line_close(struct line *line)
{
	close(line->outer);
	close(line->inner);
	text_finish(&line->heard);
}

static void hear_some(struct line *line)
{
	struct pollfd ready = {.fd = line->outer, .events = POLLIN};
	char bytes[4096];
	ssize_t count;

	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	count = read(line->outer, bytes, sizeof(bytes));
	assert_true(count > 0);
	text_bytes(&line->heard, bytes, (size_t)count);
}

static void hear_until(struct line *line, const char *needle)
{
	while (strstr(text_string(&line->heard), needle) == NULL)
		hear_some(line);
}

static void hear_bytes(struct line *line, size_t count)
{
	while (line->heard.length < count)
		hear_some(line);
	assert_int_equal(line->heard.length, count);
}

#define assert_heard(line, needle) assert_non_null(strstr(text_string(&(line)->heard), needle))

static const char entered[] = "\033]11;?\033\\", left[] = "\033[?1049l";

static void assert_given_back(struct line *line)
{
	struct termios now;

	/* The modes are set after what is written. */
	for (;;) {
		assert_int_equal(tcgetattr(line->inner, &now), 0);
		if (now.c_lflag == line->before.c_lflag)
			break;
		sched_yield();
	}
	assert_int_equal(now.c_iflag, line->before.c_iflag);
	assert_int_equal(now.c_oflag, line->before.c_oflag);
	assert_int_equal(now.c_cflag, line->before.c_cflag);
	assert_memory_equal(now.c_cc, line->before.c_cc, sizeof(now.c_cc));
	hear_until(line, left);
	assert_heard(line, "\033[?1000l");
	assert_heard(line, "\033[?1006l");
	assert_heard(line, "\033[?7h");
	assert_heard(line, "\033[?25h");
}

static struct terminal *open_terminal(struct line *line)
{
	struct terminal *terminal = NULL;
	struct text error = {0};

	assert_int_equal(terminal_open(&terminal, line->inner, line->inner, false, &error), 0);
	assert_string_equal(text_string(&error), "");
	return terminal;
}

static void taken_and_given_back(void **state)
{
	struct canvas canvas = {0};
	struct emulator emulator;
	struct terminal *terminal;
	struct termios now;
	struct line line;
	size_t bytes = 1;

	(void)state;
	line_open(&line, 5, 20);
	terminal = open_terminal(&line);
	hear_until(&line, entered);
	assert_int_equal(tcgetattr(line.inner, &now), 0);
	assert_false(now.c_lflag & (ICANON | ECHO | ISIG));
	assert_false(now.c_oflag & OPOST);
	assert_int_equal(terminal_input(terminal), line.inner);
	assert_false(fcntl(line.inner, F_GETFL) & O_NONBLOCK);
	emulator_init(&emulator, 5, 20);
	emulator_feed(&emulator, line.heard.bytes, line.heard.length);
	assert_true(emulator.alternate && !emulator.wraps && !emulator.cursor_shown);
	canvas_size(&canvas, 5, 20);
	canvas_text(&canvas, 4, 15, 5, STYLE_SELECTED, "hello");
	text_clear(&line.heard);
	assert_int_equal(terminal_show(terminal, &canvas, &bytes), 0);
	hear_bytes(&line, bytes);
	emulator_feed(&emulator, line.heard.bytes, line.heard.length);
	assert_string_equal(
		emulator_differs(&emulator, &canvas, &terminal_paint(terminal)->palette), "");
	assert_int_equal(terminal_show(terminal, &canvas, &bytes), 0);
	assert_int_equal(bytes, 0); /* nothing has changed */
	terminal_paint(terminal)->palette.light = true;
	assert_int_equal(terminal_show(terminal, &canvas, &bytes), 0);
	assert_int_not_equal(bytes, 0); /* the colours have */
	terminal_forget(terminal);
	assert_int_equal(terminal_show(terminal, &canvas, &bytes), 0);
	assert_int_not_equal(bytes, 0);
	terminal_close(terminal);
	assert_given_back(&line);
	canvas_finish(&canvas);
	emulator_finish(&emulator);
	line_close(&line);
}

/* How a program may end that has a terminal. */
static void by_fault(struct terminal *terminal)
{
	volatile int *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)terminal;
	*nowhere = 1;
}

static void by_abort(struct terminal *terminal)
{
	(void)terminal;
	abort();
}

static void by_signal(struct terminal *terminal)
{
	(void)terminal;
	kill(getpid(), SIGBUS);
	for (;;)
		pause();
}

static void by_deep_calls(struct terminal *terminal)
{
	(void)terminal;
	for (;;)
		*(volatile char *)alloca(1024) = 1;
}

static void by_exit(struct terminal *terminal)
{
	static struct terminal *volatile still_held; /* or it would count as lost */

	still_held = terminal;
	exit(still_held != NULL ? 3 : 4);
}

/* A child of a child that calls exit() must leave the terminal alone. */
static void by_closing(struct terminal *terminal)
{
	size_t bytes;
	struct canvas canvas = {0};
	pid_t pid = fork();

	if (pid == 0)
		exit(0);
	waitpid(pid, NULL, 0);
	canvas_size(&canvas, 2, 2);
	if (terminal_show(terminal, &canvas, &bytes) != 0 || bytes == 0)
		_exit(9);
	canvas_finish(&canvas);
	terminal_close(terminal);
	_exit(0);
}

static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

static pid_t start(struct line *line, void (*end)(struct terminal *))
{
	struct rlimit none = {0};
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	for (size_t i = 0; i < ARRAY_COUNT(fatal); i++)
		signal(fatal[i], SIG_DFL); /* cmocka has its own */
	setrlimit(RLIMIT_CORE, &none);
	end(open_terminal(line));
	_exit(7);
}

static void given_back_at_any_end(void **state)
{
	static const struct {
		void (*end)(struct terminal *);
		int signal, status;
	} ends[] = {
		{by_fault, SIGSEGV, 0},      {by_abort, SIGABRT, 0}, {by_signal, SIGBUS, 0},
		{by_deep_calls, SIGSEGV, 0}, {by_exit, 0, 3},        {by_closing, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		struct line line;
		int status;
		pid_t pid;

		line_open(&line, 5, 20);
		pid = start(&line, ends[i].end);
		hear_until(&line, left);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (ends[i].signal != 0)
			assert_int_equal(WTERMSIG(status), ends[i].signal);
		else
			assert_int_equal(WEXITSTATUS(status), ends[i].status);
		assert_int_equal(WIFSIGNALED(status), ends[i].signal != 0);
		assert_given_back(&line);
		assert_int_equal(write(line.inner, "end", 3), 3);
		hear_until(&line, "end");
		/* Once. */
		assert_null(strstr(strstr(line.heard.bytes, left) + 1, left));
		line_close(&line);
	}
}

static void stop_and_go_on(struct terminal *terminal)
{
	terminal_suspend(terminal);
	terminal_close(terminal);
	_exit(5);
}

static void in_own_group(struct terminal *terminal)
{
	setpgid(0, 0);
	stop_and_go_on(terminal);
}

/* As in the monitor, which reads signals from a descriptor. */
static void in_own_group_blocked(struct terminal *terminal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTSTP);
	in_own_group(terminal);
}

static void suspended(void **state)
{
	void (*const ways[])(struct terminal *) = {in_own_group, in_own_group_blocked};
	struct line line;
	int status;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
		line_open(&line, 5, 20);
		pid = start(&line, ways[i]);
		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		assert_true(WIFSTOPPED(status));
		assert_given_back(&line);
		text_clear(&line.heard);
		kill(pid, SIGCONT);
		hear_until(&line, "\033[?1049h"); /* taken again */
		/* Stopped once, and no more. */
		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 5);
		assert_given_back(&line);
		assert_null(strstr(text_string(&line.heard), entered)); /* asked once */
		line_close(&line);
	}
}

static void fill(struct canvas *canvas, unsigned picture)
{
	for (int row = 0; row < canvas->rows; row++)
		for (int column = 0; column + 4 <= canvas->columns; column += 4)
			canvas_textf(canvas, row, column, 4,
			             (enum style)((picture + (unsigned)row) % 9), "%03u",
			             (picture * 7 + (unsigned)(row * column)) % 1000);
}

/* Who reads slowly misses pictures, but never a part of one. */
static void slow_reader(void **state)
{
	struct canvas canvas = {0}, accepted = {0};
	struct emulator emulator;
	struct terminal *terminal;
	struct line line;
	size_t bytes, total;
	unsigned picture = 0;

	(void)state;
	line_open(&line, 30, 100);
	terminal = open_terminal(&line);
	hear_until(&line, entered);
	total = line.heard.length;
	canvas_size(&canvas, 30, 100);
	canvas_size(&accepted, 30, 100);
	for (;;) {
		fill(&canvas, ++picture);
		if (terminal_show(terminal, &canvas, &bytes) != 0)
			break;
		fill(&accepted, picture);
		total += bytes;
		assert_true(picture < 1000);
	}
	assert_int_equal(terminal_show(terminal, &canvas, &bytes), -EAGAIN);
	assert_true(terminal_is_behind(terminal));
	while (terminal_is_behind(terminal)) {
		hear_some(&line);
		assert_int_equal(terminal_flush(terminal), 0);
	}
	hear_bytes(&line, total);
	emulator_init(&emulator, 30, 100);
	emulator_feed(&emulator, line.heard.bytes, line.heard.length);
	assert_string_equal(
		emulator_differs(&emulator, &accepted, &terminal_paint(terminal)->palette), "");
	text_clear(&line.heard);
	assert_int_equal(terminal_show(terminal, &canvas, &bytes), 0);
	hear_bytes(&line, bytes);
	emulator_feed(&emulator, line.heard.bytes, line.heard.length);
	assert_string_equal(
		emulator_differs(&emulator, &canvas, &terminal_paint(terminal)->palette), "");
	terminal_close(terminal);
	emulator_finish(&emulator);
	canvas_finish(&canvas);
	canvas_finish(&accepted);
	line_close(&line);
}

static void gone(void **state)
{
	struct canvas canvas = {0};
	struct terminal *terminal;
	struct line line;
	size_t bytes;

	(void)state;
	line_open(&line, 5, 20);
	terminal = open_terminal(&line);
	close(line.outer);
	canvas_size(&canvas, 5, 20);
	assert_int_equal(terminal_show(terminal, &canvas, &bytes), -EIO);
	terminal_close(terminal);
	canvas_finish(&canvas);
	close(line.inner);
}

static void cannot_be_taken(void **state)
{
	static const struct {
		const char *term, *says;
	} table[] = {
		{NULL, "TERM is not set"},
		{"", "TERM is not set"},
		{"no-such-terminal", "'no-such-terminal' (TERM) is not in the terminfo database"},
		{"dumb", "the terminal 'dumb' cannot move its cursor; use --once"},
		{"vt52", "the terminal 'vt52' has a language of its own; use --once"},
	};
	struct terminal *terminal = NULL;
	struct text error = {0};
	struct termios now;
	struct line line;
	int file;

	(void)state;
	line_open(&line, 5, 20);
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		if (table[i].term != NULL)
			setenv("TERM", table[i].term, 1);
		else
			unsetenv("TERM");
		text_clear(&error);
		assert_true(terminal_open(&terminal, line.inner, line.inner, false, &error) < 0);
		assert_non_null(strstr(text_string(&error), table[i].says));
		assert_non_null(strstr(text_string(&error), "--once"));
		assert_null(terminal);
	}
	file = open("/dev/null", O_RDWR | O_CLOEXEC);
	text_clear(&error);
	assert_int_equal(terminal_open(&terminal, line.inner, file, false, &error), -ENOTTY);
	assert_string_equal(text_string(&error), "standard output is not a terminal; use --once");
	assert_int_equal(terminal_open(&terminal, file, line.inner, false, &error), -ENOTTY);
	assert_int_equal(tcgetattr(line.inner, &now), 0);
	assert_int_equal(now.c_lflag, line.before.c_lflag);
	close(file);
	text_finish(&error);
	line_close(&line);
}

static void sizes(void **state)
{
	static const struct {
		int rows, columns;
		const char *lines_variable, *columns_variable;
		int wanted_rows, wanted_columns;
	} table[] = {
		{1, 1, NULL, NULL, 1, 1},
		{7, 300, "5", "6", 7, 300},
		{0, 0, "40", "120", 40, 120},
		{0, 0, NULL, NULL, 24, 80},
		{0, 0, "-3", "x", 24, 80},
		{60000, 60000, NULL, NULL, 500, 1000},
		{0, 90, "999999999", NULL, 500, 90},
	};
	struct terminal *terminal;
	struct line line;

	(void)state;
	line_open(&line, 5, 20);
	terminal = open_terminal(&line);
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct winsize size = {.ws_row = (unsigned short)table[i].rows,
		                       .ws_col = (unsigned short)table[i].columns};
		int rows, columns;

		unsetenv("LINES");
		unsetenv("COLUMNS");
		if (table[i].lines_variable != NULL)
			setenv("LINES", table[i].lines_variable, 1);
		if (table[i].columns_variable != NULL)
			setenv("COLUMNS", table[i].columns_variable, 1);
		assert_int_equal(ioctl(line.outer, TIOCSWINSZ, &size), 0);
		terminal_size(terminal, &rows, &columns);
		assert_int_equal(rows, table[i].wanted_rows);
		assert_int_equal(columns, table[i].wanted_columns);
	}
	unsetenv("LINES");
	unsetenv("COLUMNS");
	terminal_close(terminal);
	line_close(&line);
}

/* What terminfo says of each is used; all end as they began. */
static void other_terminals(void **state)
{
	static const char *const names[] = {"xterm", "screen", "screen-256color", "tmux-256color",
	                                    "linux", "vt100",  "rxvt-unicode",    "ansi"};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		struct terminal *terminal;
		struct termios now;
		struct line line;

		line_open(&line, 5, 20);
		setenv("TERM", names[i], 1);
		terminal = open_terminal(&line);
		hear_until(&line, "\033[?1006h");
		terminal_close(terminal);
		hear_until(&line, "\033[?1000l");
		assert_null(strstr(text_string(&line.heard), "$<"));
		if (strcmp(names[i], "linux") == 0)
			assert_null(strstr(text_string(&line.heard), "]11;"));
		assert_int_equal(tcgetattr(line.inner, &now), 0);
		assert_int_equal(now.c_lflag, line.before.c_lflag);
		line_close(&line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_and_given_back),
		cmocka_unit_test(given_back_at_any_end),
		cmocka_unit_test(suspended),
		cmocka_unit_test(slow_reader),
		cmocka_unit_test(gone),
		cmocka_unit_test(cannot_be_taken),
		cmocka_unit_test(sizes),
		cmocka_unit_test(other_terminals),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	unsetenv("NO_COLOR");
	unsetenv("COLORTERM");
	unsetenv("COLORFGBG");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal_info.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>

/* A capability; NULL: the terminal has none. */
static const char *capability(const char *name)
{
	const char *found = tigetstr(name);

	return found != NULL && found != (const char *)-1 ? found : NULL;
}

/* Without the pauses "$<5>" that are for terminals of another age. */
static void add(struct text *text, const char *name, const char *otherwise)
{
	const char *from = capability(name), *pause, *end;

	if (from == NULL)
		from = otherwise;
	while ((pause = strstr(from, "$<")) != NULL && (end = strchr(pause, '>')) != NULL) {
		text_bytes(text, from, (size_t)(pause - from));
		from = end + 1;
	}
	text_add(text, from);
}

static int open_database(const char *term, int output, struct text *error)
{
	int status = 0;

	if (term == NULL || term[0] == '\0') {
		text_add(error, "TERM is not set, so that nothing is known about this terminal; "
		                "set it (export TERM=xterm-256color), or use --once");
		return -EINVAL;
	}
	if (setupterm(term, output, &status) == 0)
		return 0;
	/* 1: it is known, as something that prints on paper; 0 also for names of no terminal. */
	if (status == 1 || strcmp(term, "dumb") == 0)
		text_addf(error, "the terminal '%s' cannot move its cursor; use --once", term);
	else if (status == 0)
		text_addf(error,
		          "the terminal '%s' (TERM) is not in the terminfo database; "
		          "set TERM to one that is, such as xterm-256color, or use --once",
		          term);
	else
		text_add(error, "there is no terminfo database; install ncurses-base or what has "
		                "it here, or use --once");
	return -EOPNOTSUPP;
}

/* Pictures are painted with the sequences of ECMA-48, as all terminals of today have them. */
static int check(const char *term, struct text *error)
{
	const char *move = capability("cup");

	if (move == NULL) {
		text_addf(error, "the terminal '%s' cannot move its cursor; use --once", term);
		return -EOPNOTSUPP;
	}
	if (strncmp(move, "\033[", 2) != 0) {
		text_addf(error, "the terminal '%s' has a language of its own; use --once", term);
		return -EOPNOTSUPP;
	}
	return 0;
}

int terminal_info_load(struct terminal_info *info, int output, struct text *error)
{
	const char *term = getenv("TERM");
	int error_number = open_database(term, output, error);

	*info = (struct terminal_info){.colors = -1};
	if (error_number != 0)
		return error_number;
	error_number = check(term, error);
	if (error_number == 0) {
		info->colors = tigetnum("colors");
		info->erases = capability("ech") != NULL;
		add(&info->enter, "smcup", "");
		add(&info->enter, "rmam", "\033[?7l");
		add(&info->enter, "civis", "\033[?25l");
		add(&info->leave, "smam", "\033[?7h");
		add(&info->leave, "cnorm", "\033[?25h");
		/* Without a second screen the shell goes on below the picture. */
		add(&info->leave, "rmcup", "\033[999;1H\r\n");
	}
	del_curterm(cur_term);
	return error_number;
}

void terminal_info_finish(struct terminal_info *info)
{
	text_finish(&info->enter);
	text_finish(&info->leave);
}

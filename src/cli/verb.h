/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of the command and their options. verbs.c has the one table of verbs, options.c the one
 * table of options; help is made from them.
 */
#ifndef MESHTALLY_CLI_VERB_H
#define MESHTALLY_CLI_VERB_H

#include "memory.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_FOUND = 4 /* a check found something */
};

/* Options, as bits: which verb takes which. */
enum option_bit {
	OPTION_DEVICE = 1 << 0,
	OPTION_PID = 1 << 1,
	OPTION_KIND = 1 << 2,
	OPTION_JSON = 1 << 3,
	OPTION_FROM = 1 << 4,
	OPTION_SORT = 1 << 5,
	OPTION_BY = 1 << 6,
	OPTION_LIMIT = 1 << 7,
	OPTION_DEAD = 1 << 8,
	OPTION_ONCE = 1 << 9,
	OPTION_ALL = 1 << 10,
	OPTION_REFRESH = 1 << 11,
	OPTION_LONG = 1 << 12,
	OPTION_FAIL_ON_LEAK = 1 << 13,
	OPTION_KEEP = 1 << 14,
	OPTION_AT = 1 << 15,
	OPTION_FAIL_ON_GROWTH = 1 << 16,
	OPTION_CHECK = 1 << 17,
	OPTION_HELP = 1 << 18,
	OPTION_JSON_FILE = 1 << 19,
	OPTION_DEAD_ONLY = 1 << 20,
	OPTION_TT_SOCKET = 1 << 21,
	OPTION_TT_SOCKET_MODE = 1 << 22,
	OPTION_TT_PROTOCOL = 1 << 23,
	OPTION_DUPLICATES = 1 << 24,
	OPTION_DEVICES_FILE = 1 << 25,
	OPTION_LISTEN = 1 << 26,
	OPTION_HTTP_SOCKET = 1 << 27,
	OPTION_TOKEN_FILE = 1 << 28,
	OPTION_STATE_DIR = 1 << 29,
	OPTION_KEEP_DEAD = 1 << 30,
	OPTION_KEEP_DEAD_BYTES = 1ull << 31,
	OPTION_LOG_LEVEL = 1ull << 32,
	OPTION_SCREEN = 1ull << 33,
	OPTION_FILTER = 1ull << 34,
	OPTION_NO_COLOR = 1ull << 35,
	OPTION_ASCII = 1ull << 36,
	OPTION_FOR = 1ull << 37,
	OPTION_OPENCL = 1ull << 38,
	OPTION_DEVICE_MEMORY = 1ull << 39,
	OPTION_FILTERS = OPTION_DEVICE | OPTION_PID | OPTION_KIND,
	OPTION_DATA = OPTION_FILTERS | OPTION_JSON | OPTION_FROM,
	OPTION_MONITOR = OPTION_ONCE | OPTION_ALL | OPTION_REFRESH | OPTION_LIMIT | OPTION_SCREEN |
	                 OPTION_FILTER | OPTION_NO_COLOR | OPTION_ASCII,
	OPTION_SERVE = OPTION_TT_SOCKET | OPTION_TT_SOCKET_MODE | OPTION_TT_PROTOCOL |
	               OPTION_DUPLICATES | OPTION_DEVICES_FILE | OPTION_LISTEN |
	               OPTION_HTTP_SOCKET | OPTION_TOKEN_FILE | OPTION_STATE_DIR |
	               OPTION_KEEP_DEAD | OPTION_KEEP_DEAD_BYTES | OPTION_LOG_LEVEL
};

struct options;
struct serve_options;

struct verb {
	const char *name;
	const char *arguments;               /* as in the usage line; "" none */
	const char *summary;                 /* one line */
	const char *details;                 /* for its --help: whole lines */
	uint64_t options;                    /* OPTION_* */
	int least_arguments, most_arguments; /* -1: any */
	int (*run)(const struct options *options);
};

struct options {
	const struct verb *verb;
	VEC(const char *) devices;
	VEC(const char *) kinds;
	VEC(int32_t) pids;
	bool json;
	const char *json_file; /* NULL: standard output */
	const char *from;
	int sort; /* enum listing_order */
	int by;   /* enum sum_key, or -1 */
	size_t limit;
	bool dead, once, all, long_form, help;
	bool fail_on_leak, fail_on_growth, check;
	bool no_color, ascii;
	bool opencl;
	uint64_t device_memory; /* bytes; 0: not given */
	const char *keep, *at;
	const char *screen, *filter; /* of the monitor; NULL: not given */
	unsigned refresh_ms;         /* 0: not given */
	uint64_t for_ns;
	struct serve_options *serve; /* NULL: of another verb */
	char **arguments;
	int argument_count;
};

extern const struct verb verbs[];
extern const size_t verb_count;
const struct verb *verb_find(const char *name);

/* Other names of the command, and the verb that each is; ends with NULL. */
struct command_alias {
	const char *command, *verb;
};
extern const struct command_alias command_aliases[];

struct exit_meaning {
	int status;
	const char *meaning;
};
extern const struct exit_meaning exit_meanings[]; /* ends with NULL */

/* The verb that the command is, where it is called by this name; NULL: the command itself. */
const struct verb *verb_of_command(const char *path);

/* Parses argv[1...] for a verb (argv[0] is its name). 0, or -EINVAL with a sentence. */
int options_parse(struct options *options, const struct verb *verb, int argc, char **argv,
                  struct text *error);
void options_finish(struct options *options);

/* Options of `serve`: their defaults, and taking one of them; `word` is the argument's index where
 * the table of options has words. NULL: fine; else what was expected. */
struct serve_options *serve_options_create(void);
const char *serve_options_take(struct serve_options *serve, uint64_t bit, const char *argument,
                               int word);

void help_command(struct text *out);
void help_verb(struct text *out, const struct verb *verb);

/* The command without its process: returns the exit status. */
int command(int argc, char **argv);

/* Says on standard error what failed and what to do: "meshtally ls: ...". Returns STATUS_FAILED. */
int verb_fails(const struct options *options, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

int verb_run(const struct options *options);
int verb_devices(const struct options *options);
int verb_ps(const struct options *options);
int verb_ls(const struct options *options);
int verb_leaks(const struct options *options);
int verb_faults(const struct options *options);
int verb_oom(const struct options *options);
int verb_peak(const struct options *options);
int verb_top(const struct options *options);
int verb_growth(const struct options *options);
int verb_snapshot(const struct options *options);
int verb_diff(const struct options *options);
int verb_doctor(const struct options *options);
int verb_serve(const struct options *options);
int verb_help(const struct options *options);
int verb_version(const struct options *options);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options, and parsing and help made from it. */
#include "options.h"

#include "listing.h"
#include "log.h"
#include "safe.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char *const sort_words[] = {"size", "age", "device", "tag", NULL};
static const char *const key_words[] = {"tag", "device", "kind", "process", NULL};
static const char *const when_words[] = {"exit", "peak", "failure", "mark=NAME:N", NULL};
/* As serve_options_take counts them. */
static const char *const protocol_words[] = {"auto", "72", "112", "128", "144", NULL};
static const char *const screen_words[] = {"mesh",   "device", "processes", "tags",
                                           "growth", "faults", NULL};
static const char *const rule_words[] = {"collapse", "refcount", NULL};

#define MAX_DURATION_NS (24 * 3600000000000ull)

const struct option_row option_rows[] = {
	{OPTION_DEVICE, 'd', "device", "DEVICE",
         "only this device: its row in `meshtally devices`, 0xUID,\nbus address, mesh@ROW,COLUMN "
         "or PID:ORDINAL (repeatable)",
         NULL},
	{OPTION_PID, 'p', "pid", "PID", "only this process (repeatable)", NULL},
	{OPTION_KIND, 'k', "kind", "KIND", "only this kind of memory: DRAM, L1, ... (repeatable)",
         NULL},
	{OPTION_ALL, 'a', "all", NULL, "all devices (as without -d)", NULL},
	{OPTION_SORT, 's', "sort", "KEY", "size, age, device or tag (default: size)", sort_words},
	{OPTION_BY, 'b', "by", "KEY", "sums by tag, device, kind or process, not single buffers",
         key_words},
	{OPTION_LIMIT, 'n', "limit", "N", "at most N lines (default: 20; 0: all)", NULL},
	{OPTION_DEAD, 'D', "dead", NULL, "processes that have ended as well", NULL},
	{OPTION_DEAD_ONLY, 'D', "dead", NULL, "only processes that have ended", NULL},
	{OPTION_LONG, 'l', "long", NULL, "one line per device, with unique id and bus address",
         NULL},
	{OPTION_ONCE, '1', "once", NULL, "print once and end", NULL},
	{OPTION_REFRESH, 'r', "refresh", "MS",
         "milliseconds between readings (default: as saved, else\n500)", NULL},
	{OPTION_SCREEN, 0, "screen", "NAME",
         "begin with this one: mesh, device, processes, tags,\ngrowth or faults; with --once, "
         "print it",
         screen_words},
	{OPTION_FILTER, 0, "filter", "TEXT",
         "show only this, as after /: \"kind:L1 tag:attn* size>1M\"", NULL},
	{OPTION_NO_COLOR, 0, "no-color", NULL, "no colors (as with NO_COLOR in the environment)",
         NULL},
	{OPTION_ASCII, 0, "ascii", NULL, "draw with ASCII characters alone", NULL},
	{OPTION_FOR, 0, "for", "TIME", "how long to look: 10s, 5m, 1h (default: 60s)", NULL},
	{OPTION_FAIL_ON_LEAK, 0, "fail-on-leak", NULL, "exit with status 4 if something was leaked",
         NULL},
	{OPTION_KEEP, 0, "keep", "FILE", "keep a snapshot of the program in FILE", NULL},
	{OPTION_AT, 0, "at", "WHEN",
         "when --keep takes it: exit (default), peak, failure, or\nmark=NAME:N", when_words},
	{OPTION_OPENCL, 0, "opencl", NULL,
         "put meshtally's layer into the program's OpenCL: every\nbuffer is seen, of any "
         "driver, with no change",
         NULL},
	{OPTION_DEVICE_MEMORY, 0, "device-memory", "SIZE",
         "with --opencl: allocations beyond SIZE fail, on each\ndevice, as on one of that size "
         "(512M, 2GiB)",
         NULL},
	{OPTION_FAIL_ON_GROWTH, 0, "fail-on-growth", NULL,
         "exit with status 4 if more is held in B", NULL},
	{OPTION_CHECK, 'c', "check", NULL, "exit with status 4 if there is something to report",
         NULL},
	{OPTION_FROM, 'f', "from", "FILE", "read a snapshot file, not what is running", NULL},
	{OPTION_JSON, 'j', "json", NULL, "print JSON (docs/api.md)", NULL},
	{OPTION_JSON_FILE, 'j', "json", "[FILE]", "the summary as JSON, to FILE or standard output",
         NULL},
	{OPTION_TT_SOCKET, 't', "tt-socket", "PATH",
         "where programs with tt-metal's allocation client connect\n(default: "
         "/tmp/tt_allocation_server.sock; none)",
         NULL},
	{OPTION_TT_SOCKET_MODE, 0, "tt-socket-mode", "OCTAL",
         "who may connect (default: 0600; of a system service:\n0666)", NULL},
	{OPTION_TT_PROTOCOL, 0, "tt-protocol", "SIZE",
         "bytes of a message: 72, 112, 128, 144, or auto: as each\nclient does (default)",
         protocol_words},
	{OPTION_DUPLICATES, 0, "duplicates", "RULE",
         "the same buffer reported again: collapse (default): the\nfirst free ends it; refcount: "
         "it takes as many frees",
         rule_words},
	{OPTION_DEVICES_FILE, 0, "devices", "FILE",
         "architectures and capacities of devices, which clients\ndo not tell", NULL},
	{OPTION_LISTEN, 'l', "listen", "ADDRESS:PORT",
         "HTTP (default: 127.0.0.1:9755; none); other addresses\nthan loopback need --token-file",
         NULL},
	{OPTION_HTTP_SOCKET, 0, "http-socket", "PATH",
         "HTTP on a Unix socket (default: meshtally/http.sock in\n$XDG_RUNTIME_DIR; none)", NULL},
	{OPTION_TOKEN_FILE, 0, "token-file", "FILE",
         "has the bearer token that HTTP requests must show", NULL},
	{OPTION_STATE_DIR, 0, "state-dir", "DIR", "where post-mortems are kept", NULL},
	{OPTION_KEEP_DEAD, 0, "keep-dead", "N", "post-mortems to keep (default: 200; 0: none)",
         NULL},
	{OPTION_KEEP_DEAD_BYTES, 0, "keep-dead-bytes", "SIZE",
         "bytes of them, as 64M or 1G (default: 256M)", NULL},
	{OPTION_LOG_LEVEL, 0, "log-level", "LEVEL", "error, warning, info (default) or debug",
         log_level_names},
	{OPTION_HELP, 'h', "help", NULL, "print this", NULL},
};
const size_t option_row_count = ARRAY_COUNT(option_rows);

enum { LONG_BASE = 1000, MAX_ROWS = 24 };

bool option_of_verb(const struct option_row *row, const struct verb *verb)
{
	return (row->bit & (verb->options | OPTION_HELP)) != 0;
}

int option_word(const struct option_row *row, const char *argument)
{
	for (int i = 0; row->words[i] != NULL; i++) {
		const char *equals = strchr(row->words[i], '=');
		size_t length = equals != NULL ? (size_t)(equals + 1 - row->words[i]) : 0;

		if (equals != NULL ? strncmp(row->words[i], argument, length) == 0
		                   : strcmp(row->words[i], argument) == 0)
			return i;
	}
	return -1;
}

/* "size, age, device or tag". */
static void add_words(struct text *out, const char *const *words)
{
	for (size_t i = 0; words[i] != NULL; i++)
		text_addf(out, "%s%s",
		          i == 0                 ? ""
		          : words[i + 1] == NULL ? " or "
		                                 : ", ",
		          words[i]);
}

static bool number(const char *text, unsigned long most, unsigned long *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 &&
	       *ret_number <= most;
}

/* "500ms", "10s", "5m", "1h"; a number alone is seconds. A day at most. */
static bool duration(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *suffix;
		uint64_t ns;
	} units[] = {{"", 1000000000},
	             {"ms", 1000000},
	             {"s", 1000000000},
	             {"m", 60000000000},
	             {"h", 3600000000000}};
	size_t digits = strspn(text, "0123456789");
	uint64_t value;

	if (digits == 0 || digits > 9)
		return false;
	value = strtoull(text, NULL, 10);
	for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
		if (strcmp(units[i].suffix, text + digits) != 0)
			continue;
		*ret_ns = value * units[i].ns;
		return value != 0 && *ret_ns <= MAX_DURATION_NS;
	}
	return false;
}

static bool is_mark(const char *text)
{
	const char *colon = strrchr(text, ':');
	unsigned long n;

	return colon != NULL && colon > text + strlen("mark=") && number(colon + 1, ~0ul, &n);
}

/* Options whose argument is a word (by its index in the row) or a number. NULL: fine; else what
 * was expected. */
static const char *take_word(struct options *options, uint64_t bit, const char *argument, int word)
{
	unsigned long value = 0;

	switch (bit) {
	case OPTION_PID:
		if (!number(argument, INT32_MAX, &value) || value == 0)
			return "a process id";
		*vec_add(&options->pids) = (int32_t)value;
		break;
	case OPTION_SORT:
		options->sort = word;
		break;
	case OPTION_BY:
		options->by = word;
		break;
	case OPTION_LIMIT:
		if (!number(argument, 100000000, &value))
			return "a number of lines (0: all)";
		options->limit = value;
		break;
	case OPTION_REFRESH:
		if (!number(argument, 3600000, &value) || value < 10)
			return "10 to 3600000 milliseconds";
		options->refresh_ms = (unsigned)value;
		break;
	case OPTION_FOR:
		if (!duration(argument, &options->for_ns))
			return "a time up to a day, as 10s, 5m or 1h";
		break;
	case OPTION_DEVICE_MEMORY:
		if (!option_size(argument, &options->device_memory) || options->device_memory == 0)
			return "a size such as 512M or 2GiB";
		break;
	case OPTION_AT:
		if (strchr(when_words[word], '=') != NULL && !is_mark(argument))
			return "mark=NAME:N";
		options->at = argument;
		break;
	default:
		break;
	}
	return NULL;
}

/* Options whose argument is anything. */
static void take_string(struct options *options, uint64_t bit, const char *argument)
{
	const struct {
		uint64_t bit;
		const char **taken;
	} strings[] = {{OPTION_FROM, &options->from},
	               {OPTION_KEEP, &options->keep},
	               {OPTION_SCREEN, &options->screen},
	               {OPTION_FILTER, &options->filter},
	               {OPTION_JSON_FILE, &options->json_file}};

	for (size_t i = 0; i < ARRAY_COUNT(strings); i++)
		if (strings[i].bit == bit)
			*strings[i].taken = argument;
}

static const char *take(struct options *options, uint64_t bit, const char *argument, int word)
{
	bool *flags[] = {&options->dead,           &options->once,         &options->all,
	                 &options->long_form,      &options->fail_on_leak, &options->help,
	                 &options->fail_on_growth, &options->check,        &options->no_color,
	                 &options->ascii,          &options->opencl};
	static const uint64_t flag_bits[] = {
		OPTION_DEAD,           OPTION_ONCE,         OPTION_ALL,
		OPTION_LONG,           OPTION_FAIL_ON_LEAK, OPTION_HELP,
		OPTION_FAIL_ON_GROWTH, OPTION_CHECK,        OPTION_NO_COLOR,
		OPTION_ASCII,          OPTION_OPENCL};
	if ((bit & OPTION_SERVE) != 0)
		return serve_options_take(options->serve, bit, argument, word);
	if (bit == OPTION_DEAD_ONLY)
		bit = OPTION_DEAD;
	for (size_t i = 0; i < ARRAY_COUNT(flag_bits); i++)
		if (flag_bits[i] == bit)
			*flags[i] = true;
	if (bit == OPTION_DEVICE)
		*vec_add(&options->devices) = argument;
	else if (bit == OPTION_KIND)
		*vec_add(&options->kinds) = argument;
	else if (bit == OPTION_JSON || bit == OPTION_JSON_FILE)
		options->json = true;
	take_string(options, bit, argument);
	return take_word(options, bit, argument, word);
}

static int take_row(struct options *options, const struct option_row *row, const char *argument,
                    struct text *error)
{
	int word = row->words != NULL ? option_word(row, argument) : 0;
	const char *expected = word < 0 ? "" : take(options, row->bit, argument, word);

	if (expected == NULL)
		return 0;
	text_addf(error, "--%s: expected %s", row->name, expected);
	if (word < 0)
		add_words(error, row->words);
	text_add(error, ", not '");
	safe_terminal(error, argument);
	text_add(error, "'");
	return -EINVAL;
}

/* What getopt_long wants, for the options of one verb. */
struct getopt_tables {
	struct option longs[MAX_ROWS + 1];
	const struct option_row *rows[MAX_ROWS];
	char shorts[3 * MAX_ROWS + 3];
};

static void fill_tables(struct getopt_tables *tables, const struct verb *verb)
{
	size_t count = 0, length = 0;

	/* '+': what follows the first operand belongs to the program that `run` starts. */
	if (verb->most_arguments < 0)
		tables->shorts[length++] = '+';
	tables->shorts[length++] = ':';
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		int has = row->argument == NULL     ? no_argument
		          : row->argument[0] == '[' ? optional_argument
		                                    : required_argument;

		if (!option_of_verb(row, verb))
			continue;
		tables->longs[count] =
			(struct option){row->name, has, NULL, LONG_BASE + (int)count};
		tables->rows[count++] = row;
		if (row->letter == 0)
			continue;
		tables->shorts[length++] = row->letter;
		for (int colons = has; colons > 0; colons--)
			tables->shorts[length++] = ':';
	}
	tables->shorts[length] = '\0';
	tables->longs[count] = (struct option){0};
}

static const struct option_row *row_of(const struct getopt_tables *tables, int code)
{
	if (code >= LONG_BASE)
		return tables->rows[code - LONG_BASE];
	for (size_t i = 0; tables->longs[i].name != NULL; i++)
		if (tables->rows[i]->letter == code)
			return tables->rows[i];
	return NULL;
}

static void say_bad_option(struct text *error, char *const *argv, int code)
{
	bool is_long = optind > 0 && strncmp(argv[optind - 1], "--", 2) == 0;
	struct text name = {0};

	if (is_long || optopt == 0 || optopt >= LONG_BASE)
		safe_terminal(&name, argv[optind - 1]);
	else
		text_addf(&name, "-%c", optopt);
	text_addf(error, code == ':' ? "option '%s' needs an argument" : "there is no option '%s'",
	          text_string(&name));
	text_finish(&name);
}

static int check_arguments(const struct options *options, struct text *error)
{
	const struct verb *verb = options->verb;

	if (options->help)
		return 0;
	if (options->argument_count < verb->least_arguments)
		text_addf(error, "something is missing: meshtally %s %s", verb->name,
		          verb->arguments);
	else if (verb->most_arguments >= 0 && options->argument_count > verb->most_arguments)
		text_addf(error, "too many arguments: meshtally %s %s", verb->name,
		          verb->arguments);
	else if (options->at != NULL && options->keep == NULL)
		text_add(error,
		         "--at says when to take the snapshot of --keep FILE, which is missing");
	else if (options->device_memory != 0 && !options->opencl)
		text_add(error, "--device-memory is a limit that the OpenCL layer keeps: it goes "
		                "with --opencl");
	else if (options->json && (options->screen != NULL || options->filter != NULL))
		text_add(error, "--json prints devices and processes, so that --screen and "
		                "--filter do not go with it (-d, -p and -k do)");
	else
		return 0;
	return -EINVAL;
}

int options_parse(struct options *options, const struct verb *verb, int argc, char **argv,
                  struct text *error)
{
	struct getopt_tables tables;
	int code;

	*options = (struct options){
		.verb = verb, .sort = LIST_BY_SIZE, .by = -1, .limit = 20, .for_ns = 60000000000};
	if ((verb->options & OPTION_SERVE) != 0)
		options->serve = serve_options_create();
	fill_tables(&tables, verb);
	optind = 0;
	while ((code = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
		const struct option_row *row = row_of(&tables, code);

		if (row == NULL) {
			say_bad_option(error, argv, code);
			return -EINVAL;
		}
		if (take_row(options, row, optarg, error) != 0)
			return -EINVAL;
	}
	options->arguments = argv + optind;
	options->argument_count = argc - optind;
	return check_arguments(options, error);
}

void options_finish(struct options *options)
{
	vec_finish(&options->devices);
	vec_finish(&options->kinds);
	vec_finish(&options->pids);
	free(options->serve);
}

enum { HELP_COLUMN = 24 };

static void help_option(struct text *out, const struct option_row *row)
{
	struct text left = {0};
	const char *at = row->help;

	if (row->letter != 0)
		text_addf(&left, "  -%c, --%s", row->letter, row->name);
	else
		text_addf(&left, "      --%s", row->name);
	if (row->argument != NULL && row->argument[0] == '[')
		text_addf(&left, "[=%.*s]", (int)strlen(row->argument) - 2, row->argument + 1);
	else if (row->argument != NULL)
		text_addf(&left, " %s", row->argument);
	text_add(out, text_string(&left));
	if (left.length + 2 > HELP_COLUMN) {
		text_add(out, "\n");
		left.length = 0;
	}
	text_fill(out, ' ', HELP_COLUMN - left.length);
	text_finish(&left);
	for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		text_bytes(out, at, (size_t)(end + 1 - at));
		text_fill(out, ' ', HELP_COLUMN);
	}
	text_addf(out, "%s\n", at);
}

void help_verb(struct text *out, const struct verb *verb)
{
	text_addf(out, "usage: meshtally %s [OPTION...]%s%s\n\n%s.\n%s%s\n", verb->name,
	          verb->arguments[0] != '\0' ? " " : "", verb->arguments, verb->summary,
	          verb->details[0] != '\0' ? "\n" : "", verb->details);
	for (size_t i = 0; i < option_row_count; i++)
		if (option_of_verb(&option_rows[i], verb))
			help_option(out, &option_rows[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs, and the command that looks them up. */
#include "safe.h"
#include "verb.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct verb verbs[] = {
	{"run", "-- PROGRAM [ARGUMENT...]", "Run a program with tracking on, and sum up at its end",
         "Exits as the program does (128 + N after signal N). The summary goes to\n"
         "standard error: a failed allocation first if there was one, then the peak and\n"
         "what made it, then what is left and by whom.\n"
         "With --opencl the program's OpenCL buffers are seen, whatever its driver: a\n"
         "layer is put before the driver by OPENCL_LAYERS, next to the program and with\n"
         "the layers that are in there already.\n",
         OPTION_FAIL_ON_LEAK | OPTION_KEEP | OPTION_AT | OPTION_OPENCL | OPTION_DEVICE_MEMORY |
                 OPTION_JSON_FILE,
         1, -1, verb_run},
	{"devices", "", "What is held on each device, by kind of memory",
         "Devices that are alike share a line, whose figures are for each of them. HELD\n"
         "is what counts against the capacity: bytes with padding, on all banks. KB, MB\n"
         "and GB are powers of 1,024. '~': not exact, '-': not known.\n",
         OPTION_DATA | OPTION_LONG, 0, 0, verb_devices},
	{"ps", "", "Processes that hold device memory, or did",
         "Processes that have ended stay listed as long as their segment has something\n"
         "to tell: what was left, or faults.\n",
         OPTION_DATA, 0, 0, verb_ps},
	{"ls", "", "Live buffers, the largest first", "",
         OPTION_DATA | OPTION_SORT | OPTION_BY | OPTION_LIMIT | OPTION_DEAD, 0, 0, verb_ls},
	{"leaks", "", "What was not given back, and why",
         "leaked  the program's own, there when its device was closed, or at its end\n"
         "lost    the same, but the device was reset under the program\n"
         "killed  held when the process was killed: it had no chance to free\n"
         "cache   kept on purpose, such as kernel binaries in a program cache\n"
         "system  held by the runtime itself\n"
         "open    no verdict: the process replaced its program, turned tracking off, or\n"
         "        ended, and its protocol (the socket) has no word for closing a device\n",
         OPTION_DATA | OPTION_DEAD_ONLY | OPTION_LIMIT | OPTION_CHECK, 0, 0, verb_leaks},
	{"faults", "", "Wrong calls that were seen, and what comparing finds",
         "Faults are recorded by the program's own library: double free, unknown free,\n"
         "duplicate allocation, ... Findings are made here by comparing: addresses that\n"
         "overlap, more held than there is, views whose owner is gone, unreadable\n"
         "segments. Buffers are compared twice, 50 ms apart, and what is gone by then is\n"
         "not told.\n",
         OPTION_DATA | OPTION_CHECK | OPTION_LIMIT, 0, 0, verb_faults},
	{"oom", "", "Failed allocations: what was there, and what would have helped", "",
         OPTION_DATA | OPTION_LIMIT, 0, 0, verb_oom},
	{"peak", "", "What the highest usage was made of", "", OPTION_DATA | OPTION_LIMIT, 0, 0,
         verb_peak},
	{"top", "", "The monitor: what is held, by whom, and what grows",
         "Six screens, by Tab or the keys 1 to 6: the mesh with its devices, one device,\n"
         "processes, tags, growth and faults. ? shows the keys, / filters, q leaves\n"
         "(docs/monitor.md). With --once, or where there is no terminal, devices and\n"
         "processes are printed once; with --screen or --filter too, that screen.\n",
         OPTION_DATA | OPTION_MONITOR, 0, 0, verb_top},
	{"growth", "", "What came within a time and is still there",
         "Reads twice, --for apart, and tells by tag and site what was allocated between\n"
         "the two and is still there. In a program that marks its steps (mt_mark), what\n"
         "each step left behind is told as well.\n",
         OPTION_FILTERS | OPTION_JSON | OPTION_LIMIT | OPTION_CHECK | OPTION_FOR, 0, 0,
         verb_growth},
	{"snapshot", "FILE", "Keep the state of all processes in a file",
         "Every verb that prints data reads the file again with --from FILE.\n", OPTION_PID, 1, 1,
         verb_snapshot},
	{"diff", "A B", "What came and what went between two snapshots",
         "Of a process that is in both files buffers are compared one by one; of two runs\n"
         "of a program by tag, site, kind and size.\n",
         OPTION_FILTERS | OPTION_JSON | OPTION_LIMIT | OPTION_FAIL_ON_GROWTH, 2, 2, verb_diff},
	{"doctor", "", "Why something does not show up",
         "Looks at directories, permissions and space, at the programs that are tracked,\n"
         "and at those that could be and are not. Exits with status 4 if something is\n"
         "wrong.\n",
         OPTION_JSON, 0, 0, verb_doctor},
	{"serve", "", "The server: older clients, metrics, and what the dead held",
         "Programs that report to tt-metal's allocation server connect to it unchanged;\n"
         "/metrics for Prometheus, JSON (docs/api.md), and a report on every process that\n"
         "ends with something held. Programs with the library need no server. SIGHUP\n"
         "reads the files of --devices and --token-file again; SIGTERM ends.\n",
         OPTION_SERVE, 0, 0, verb_serve},
	{"help", "[VERB]", "How to use the command, or a verb", "", 0, 0, 1, verb_help},
	{"version", "", "The version of the command", "", OPTION_JSON, 0, 0, verb_version},
};
const size_t verb_count = ARRAY_COUNT(verbs);

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < verb_count; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Names that tt-metal's proof of concept gave its programs. */
const struct command_alias command_aliases[] = {
	{"allocation_server", "serve"},
	{"allocation_monitor_client", "top"},
	{NULL, NULL},
};

const struct exit_meaning exit_meanings[] = {
	{STATUS_OK, "fine"},
	{STATUS_FAILED, "failed"},
	{STATUS_USAGE, "wrong usage"},
	{STATUS_FOUND, "a check found something"},
	{0, NULL},
};

const struct verb *verb_of_command(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;

	for (const struct command_alias *at = command_aliases; at->command != NULL; at++)
		if (strcmp(at->command, name) == 0)
			return verb_find(at->verb);
	return NULL;
}

void help_command(struct text *out)
{
	text_add(
		out,
		"usage: meshtally VERB [OPTION...]\n\n"
		"Who holds device memory, on which device, since when, and was it given back.\n\n");
	for (size_t i = 0; i < verb_count; i++)
		text_addf(out, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
	text_add(out, "\n`meshtally VERB --help` tells its options. To begin with:\n"
	              "  meshtally run -- PROGRAM    and, while it runs, in another terminal:\n"
	              "  meshtally top\n\nExit status: ");
	for (const struct exit_meaning *at = exit_meanings; at->meaning != NULL; at++)
		text_addf(out, "%s%d %s", at == exit_meanings ? "" : ", ", at->status, at->meaning);
	text_add(out, ";\n`run` exits as the program did.\n");
}

int verb_fails(const struct options *options, const char *format, ...)
{
	struct text text = {0};
	va_list arguments;

	va_start(arguments, format);
	text_vaddf(&text, format, arguments);
	va_end(arguments);
	fprintf(stderr, "meshtally %s: %s\n", options->verb->name, text_string(&text));
	text_finish(&text);
	return STATUS_FAILED;
}

static int print_help(const struct verb *verb)
{
	struct text out = {0};

	if (verb != NULL)
		help_verb(&out, verb);
	else
		help_command(&out);
	fputs(text_string(&out), stdout);
	text_finish(&out);
	return STATUS_OK;
}

static int no_such_verb(const char *name)
{
	struct text safe = {0};

	safe_terminal(&safe, name);
	fprintf(stderr, "meshtally: there is no verb '%s'; `meshtally help` lists them\n",
	        text_string(&safe));
	text_finish(&safe);
	return STATUS_USAGE;
}

int verb_help(const struct options *options)
{
	const struct verb *verb = NULL;

	if (options->argument_count != 0) {
		verb = verb_find(options->arguments[0]);
		if (verb == NULL)
			return no_such_verb(options->arguments[0]);
	}
	return print_help(verb);
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct options options;
	struct text error = {0};
	int status;

	if (options_parse(&options, verb, argc, argv, &error) != 0) {
		fprintf(stderr, "meshtally %s: %s (see `meshtally %s --help`)\n", verb->name,
		        text_string(&error), verb->name);
		status = STATUS_USAGE;
	} else if (options.help) {
		status = print_help(verb);
	} else {
		status = verb->run(&options);
	}
	text_finish(&error);
	options_finish(&options);
	return status;
}

int command(int argc, char **argv)
{
	struct text out = {0};
	const char *name = argc > 1 ? argv[1] : "";
	const struct verb *verb = argc > 0 ? verb_of_command(argv[0]) : NULL;

	if (verb != NULL)
		return run_verb(verb, argc, argv);
	if (name[0] == '\0') {
		help_command(&out);
		fputs(text_string(&out), stderr);
		text_finish(&out);
		return STATUS_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return print_help(NULL);
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	verb = verb_find(name);
	return verb != NULL ? run_verb(verb, argc - 1, argv + 1) : no_such_verb(name);
}

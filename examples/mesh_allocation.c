/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesh_allocation: tensors, operations and a program cache on an 8-device mesh of the reference
 * runtime, which reports in one of several ways, to meshtally's library or to an allocation server.
 * This file reads the options; the story itself is in mesh_scenario.c. To watch it:
 * meshtally run -- mesh_allocation
 */
#include "mesh_scenario.h"

#include "socket_reports.h"
#include "tt_socket_client.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"Usage: mesh_allocation [OPTION]...\n"
	"Allocates, adds, multiplies and frees tensors on a 2x4 mesh of devices: simulated,\n"
	"or on eight OpenCL devices.\n"
	"\n"
	"      --hooks=MODE      how the runtime reports to meshtally (default both):\n"
	"%s"
	"      --ids=IDS         unique (default; not for naive hooks) or address\n"
	"      --via=WAY         library (default), or socket: by messages to an allocation\n"
	"                        server, which knows buffers by address; not for gpu\n"
	"      --tt-socket=PATH  the server's socket (default " TT_SOCKET_PATH ")\n"
	"      --board=BOARD     n150 (default), p150 or gpu\n"
	"      --backend=END     what holds the memory and computes (default host):\n"
	"%s"
	"      --runs=N          do it all N times (default 1)\n"
	"      --keep-queues     do not report that the command queues are given back\n"
	"      --no-clear-cache  leave the program cache as it is\n"
	"      --leave-open      end without closing the mesh\n"
	"      --leak            lose one tensor per run\n"
	"      --oom             fill the memory, then ask for more than any hole: exit status 3\n"
	"      --pause           wait for Enter after each step\n"
	"      --step-fd=FD      write \"step NAME\" and a newline to FD after each step\n"
	"      --ack-fd=FD       then wait for a byte from FD\n"
	"      --expect          print what every device must hold after each step, as JSON\n"
	"      --help\n"
	"\n"
	"The devices of the opencl back end are those of the first platform that has eight.\n"
	"Each has what the board has, less main memory if it does not give as much in one\n"
	"buffer. PoCL has as many devices as it is told to by the environment:\n"
	"    POCL_DEVICES=\"pthread pthread pthread pthread pthread pthread pthread pthread\"\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong use, 3 out of memory (--oom).\n";

enum option_key {
	HOOKS,
	IDS,
	VIA,
	TT_SOCKET,
	BOARD,
	BACKEND,
	RUNS,
	KEEP_QUEUES,
	NO_CLEAR_CACHE,
	LEAVE_OPEN,
	LEAK,
	OOM,
	PAUSE,
	STEP_FD,
	ACK_FD,
	EXPECT,
	HELP
};

static const struct option long_options[] = {
	{"hooks", required_argument, NULL, HOOKS},
	{"ids", required_argument, NULL, IDS},
	{"via", required_argument, NULL, VIA},
	{"tt-socket", required_argument, NULL, TT_SOCKET},
	{"board", required_argument, NULL, BOARD},
	{"backend", required_argument, NULL, BACKEND},
	{"runs", required_argument, NULL, RUNS},
	{"keep-queues", no_argument, NULL, KEEP_QUEUES},
	{"no-clear-cache", no_argument, NULL, NO_CLEAR_CACHE},
	{"leave-open", no_argument, NULL, LEAVE_OPEN},
	{"leak", no_argument, NULL, LEAK},
	{"oom", no_argument, NULL, OOM},
	{"pause", no_argument, NULL, PAUSE},
	{"step-fd", required_argument, NULL, STEP_FD},
	{"ack-fd", required_argument, NULL, ACK_FD},
	{"expect", no_argument, NULL, EXPECT},
	{"help", no_argument, NULL, HELP},
	{0},
};

struct arguments {
	struct scenario_options options;
	const char *ids, *tt_socket;
	bool via_socket;
	bool expect, help;
};

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "mesh_allocation: %s%s%s\nTry --help.\n", what, value ? " " : "",
		value ? value : "");
	return -EINVAL;
}

static int read_number(const char *text, long least, long *ret_number)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < least || number > INT_MAX)
		return wrong("not a usable number:", text);
	*ret_number = number;
	return 0;
}

static int read_valued(struct arguments *arguments, int key, const char *value)
{
	struct scenario_options *options = &arguments->options;
	long number = 0;

	switch (key) {
	case HOOKS:
		options->hooks = hooks_mode_find(value);
		return options->hooks ? 0 : wrong("no such hooks mode:", value);
	case IDS:
		arguments->ids = value;
		if (strcmp(value, "unique") != 0 && strcmp(value, "address") != 0)
			return wrong("ids are unique or address, not", value);
		return 0;
	case VIA:
		arguments->via_socket = strcmp(value, "socket") == 0;
		if (!arguments->via_socket && strcmp(value, "library") != 0)
			return wrong("reports go via library or socket, not", value);
		return 0;
	case TT_SOCKET:
		arguments->tt_socket = value;
		return 0;
	case BOARD:
		options->board = value;
		return arch_find(value) ? 0 : wrong("no such board:", value);
	case BACKEND:
		options->backend = backend_find(value);
		return options->backend ? 0 : wrong("no such back end:", value);
	default:
		if (read_number(value, key == RUNS ? 1 : 0, &number) != 0)
			return -EINVAL;
	}
	if (key == RUNS)
		options->runs = (unsigned)number;
	else if (key == STEP_FD)
		options->step_fd = (int)number;
	else
		options->ack_fd = (int)number;
	return 0;
}

static int read_argument(struct arguments *arguments, int key, const char *value)
{
	struct scenario_options *options = &arguments->options;
	bool *flags[] = {[KEEP_QUEUES] = &options->keep_queues,
			 [NO_CLEAR_CACHE] = &options->no_clear_cache,
			 [LEAVE_OPEN] = &options->leave_open,
			 [LEAK] = &options->leak,
			 [OOM] = &options->oom,
			 [PAUSE] = &options->pause,
			 [EXPECT] = &arguments->expect,
			 [HELP] = &arguments->help};

	if (key == '?')
		return wrong("unknown or incomplete option", NULL);
	if (!flags[key])
		return read_valued(arguments, key, value);
	*flags[key] = true;
	return 0;
}

/* What the protocol has no words for. */
static int check_socket(const struct arguments *arguments)
{
	const struct scenario_options *options = &arguments->options;

	if (options->unique_ids)
		return wrong("the socket protocol knows buffers by address: no --ids=unique", NULL);
	if (!socket_reports_knows(arch_find(options->board)->memories[MEMORY_MAIN].kind))
		return wrong("the socket protocol has no number for the memory of", options->board);
	return 0;
}

static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
	struct scenario_options *options = &arguments->options;
	int key;

	while ((key = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (read_argument(arguments, key, optarg) != 0)
			return -EINVAL;
	}
	if (optind < argc)
		return wrong("unexpected argument:", argv[optind]);
	options->unique_ids = arguments->ids ? strcmp(arguments->ids, "unique") == 0
	                                     : !options->hooks->naive && !arguments->via_socket;
	if (options->unique_ids && options->hooks->naive)
		return wrong("naive hooks are keyed by address: --ids=unique does not go with",
			     options->hooks->name);
	if (options->leave_open && options->runs > 1)
		return wrong("--leave-open goes with one run only", NULL);
	if (options->leak && options->oom)
		return wrong("--leak does not go with --oom", NULL);
	return arguments->via_socket ? check_socket(arguments) : 0;
}

static void print_help(void)
{
	char modes[1024] = "", kept[256] = "";
	size_t length = 0;

	for (size_t i = 0; i < hooks_mode_count && length < sizeof modes; i++) {
		length += (size_t)snprintf(modes + length, sizeof modes - length,
					   "                          %-13s %s\n",
					   hooks_modes[i].name, hooks_modes[i].about);
	}
	length = 0;
	for (size_t i = 0; i < backend_count && length < sizeof kept; i++) {
		length += (size_t)snprintf(kept + length, sizeof kept - length,
		                           "                          %-13s %s\n",
		                           backends[i]->name, backends[i]->about);
	}
	printf(usage, modes, kept);
}

int main(int argc, char **argv)
{
	static struct arguments arguments = {.options = {.backend = &host_backend,
	                                                 .board = "n150",
	                                                 .runs = 1,
	                                                 .step_fd = -1,
	                                                 .ack_fd = -1}};

	arguments.options.hooks = hooks_mode_find("both");
	if (read_arguments(&arguments, argc, argv) != 0)
		return 2;
	if (arguments.via_socket) {
		/* Tracked in one way only: the library stays off. */
		(void)mt_enable(0, NULL, NULL);
		arguments.options.reports =
			socket_reports(arguments.tt_socket, arguments.options.hooks);
	}
	if (arguments.help)
		print_help();
	else if (arguments.expect)
		return scenario_expect(&arguments.options, stdout);
	else
		return scenario_run(&arguments.options);
	return 0;
}

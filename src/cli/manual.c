/* SPDX-License-Identifier: Apache-2.0 */
/* Man pages, in the macros of man(7). */
#include "manual.h"

#include <ctype.h>
#include <string.h>

struct entry {
	const char *name, *text;
};

static const struct entry environment[] = {
	{"MESHTALLY", "1 turns tracking on in a program with the library, 0 keeps it off. "
                      "`TT_ALLOC_TRACKING_ENABLED` set to 1 does the same as 1 here."},
	{"MESHTALLY_DIR",
         "The directory of segments, for programs and for this command, instead of "
         "those under FILES."},
	{"MESHTALLY_MAX_BYTES", "How large a program's segment may become."},
	{"MESHTALLY_OPENCL_LAYER",
         "The file of the OpenCL layer that `meshtally run --opencl` takes, "
         "instead of the one installed with this command."},
	{"MESHTALLY_STATE_DIR",
         "Where `meshtally serve` keeps its post-mortems and `meshtally leaks "
         "--dead` finds them, instead of those under FILES."},
};

static const struct entry files[] = {
	{"/run/meshtally/UID", "Segments of the programs of a user, where the system service is "
                               "installed."},
	{"/dev/shm/meshtally-UID", "Segments of the programs of a user, otherwise."},
	{"/var/lib/meshtally/dead", "Post-mortems that the system service keeps."},
	{"~/.local/state/meshtally/dead", "Post-mortems that a server of the user's own keeps."},
	{"/tmp/tt_allocation_server.sock",
         "Where clients of tt-metal's allocation server connect to "
         "`meshtally serve`."},
};

/* Text as it is: no requests, no escapes, and signs that stay what they are when copied. */
static void add_bytes(struct text *out, const char *bytes, size_t length)
{
	static const struct {
		char byte;
		const char *escape;
	} escapes[] = {{'\\', "\\e"},  {'-', "\\-"},    {'~', "\\(ti"},
	               {'^', "\\(ha"}, {'\'', "\\(aq"}, {'`', "\\(ga"}};

	for (size_t i = 0; i < length; i++) {
		size_t at = 0;

		while (at < ARRAY_COUNT(escapes) && escapes[at].byte != bytes[i])
			at++;
		if (at < ARRAY_COUNT(escapes))
			text_add(out, escapes[at].escape);
		else
			text_bytes(out, &bytes[i], 1);
	}
}

/* A line or more of prose; `what is so quoted` is set in bold. */
static void add_prose(struct text *out, const char *at, size_t length)
{
	const char *end = at + length;
	bool bold = false;

	if (length != 0 && at[0] == '.')
		text_add(out, "\\&");
	while (at < end) {
		size_t run = strcspn(at, "`\n");

		if (at + run > end)
			run = (size_t)(end - at);
		add_bytes(out, at, run);
		at += run;
		if (at == end)
			break;
		if (*at == '`') {
			bold = !bold;
			text_add(out, bold ? "\\fB" : "\\fR");
		} else {
			text_add(out, at + 1 < end && at[1] == '.' ? "\n\\&" : "\n");
		}
		at++;
	}
	text_add(out, "\n");
}

static void add_string(struct text *out, const char *string)
{
	add_prose(out, string, strlen(string));
}

static void add_bold(struct text *out, const char *string)
{
	text_add(out, "\\fB");
	add_bytes(out, string, strlen(string));
	text_add(out, "\\fR");
}

static void add_upper(struct text *out, const char *string)
{
	for (; *string != '\0'; string++) {
		char byte = (char)toupper((unsigned char)*string);

		add_bytes(out, &byte, 1);
	}
}

/* "meshtally", or "meshtally-ls". */
static void add_title(struct text *out, const struct verb *verb)
{
	text_add(out, ".\\\" Made from the command's own tables.\n.TH MESHTALLY");
	if (verb != NULL) {
		text_add(out, "\\-");
		add_upper(out, verb->name);
	}
	text_add(out,
	         " 1 " MESHTALLY_DATE " \"meshtally " MESHTALLY_VERSION "\" \"User Commands\"\n"
	         ".SH NAME\nmeshtally");
	if (verb != NULL)
		text_addf(out, "\\-%s", verb->name);
	text_add(out, " \\- ");
}

static void add_entries(struct text *out, const char *heading, const struct entry *entries,
                        size_t count)
{
	text_addf(out, ".SH %s\n", heading);
	for (size_t i = 0; i < count; i++) {
		text_add(out, ".TP\n");
		add_bold(out, entries[i].name);
		text_add(out, "\n");
		add_string(out, entries[i].text);
	}
}

static void add_statuses(struct text *out)
{
	text_add(out, ".SH EXIT STATUS\n");
	for (const struct exit_meaning *at = exit_meanings; at->meaning != NULL; at++) {
		text_addf(out, ".TP\n%d\n", at->status);
		add_string(out, at->meaning);
	}
	text_add(out, ".PP\n");
	add_string(out, "`meshtally run` exits as the program did.");
}

void manual_command(struct text *out)
{
	add_title(out, NULL);
	text_add(out, "who holds device memory, and was it given back\n"
	              ".SH SYNOPSIS\n\\fBmeshtally\\fR \\fIVERB\\fR [\\fIOPTION\\fR...]\n"
	              ".SH DESCRIPTION\n");
	add_string(out,
	           "Programs that use accelerators allocate device memory in user space, out of "
	           "sight of the kernel. This command shows from outside who holds how much of "
	           "it, on which device, since when, from which operation, and whether it was "
	           "given back: for running programs and for those that have ended, with no "
	           "server.");
	text_add(out, ".PP\n");
	add_string(out, "To begin with: `meshtally run -- PROGRAM`, and, while it runs, in another "
	                "terminal: `meshtally top`.");
	text_add(out, ".SH VERBS\n");
	for (size_t i = 0; i < verb_count; i++) {
		text_add(out, ".TP\n\\fBmeshtally\\-");
		add_bytes(out, verbs[i].name, strlen(verbs[i].name));
		text_add(out, "\\fR(1)\n");
		add_string(out, verbs[i].summary);
	}
	add_statuses(out);
	add_entries(out, "ENVIRONMENT", environment, ARRAY_COUNT(environment));
	add_entries(out, "FILES", files, ARRAY_COUNT(files));
}

/* Names of arguments in italics, what is typed as it is in bold. */
static void add_usage(struct text *out, const struct verb *verb)
{
	const char *at = verb->arguments;

	text_addf(out, ".SH SYNOPSIS\n\\fBmeshtally %s\\fR [\\fIOPTION\\fR...]", verb->name);
	if (*at != '\0')
		text_add(out, " ");
	while (*at != '\0') {
		size_t length = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

		if (length != 0) {
			text_addf(out, "\\fI%.*s\\fR", (int)length, at);
		} else {
			length = 1;
			add_bytes(out, at, length);
		}
		at += length;
	}
	text_add(out, "\n");
}

/* Lines such as "leaked  the program's own, ...": a word and what it means. */
static bool is_definition(const char *line, size_t length)
{
	const char *gap = memmem(line, length, "  ", 2);

	return gap != NULL && gap != line && memchr(line, ' ', (size_t)(gap - line)) == NULL;
}

static void add_details(struct text *out, const char *at)
{
	bool listed = false;

	while (*at != '\0') {
		size_t length = strcspn(at, "\n");

		if (is_definition(at, length)) {
			size_t word = strcspn(at, " ");
			size_t skip = word + strspn(at + word, " ");

			text_addf(out, ".TP\n\\fB%.*s\\fR\n", (int)word, at);
			add_prose(out, at + skip, length - skip);
			listed = true;
		} else {
			size_t skip = strspn(at, " "); /* goes on with the line above */

			if (skip == 0 && listed)
				text_add(out, ".PP\n");
			listed = listed && skip != 0;
			add_prose(out, at + skip, length - skip);
		}
		at += length + (at[length] == '\n');
	}
}

static void add_option(struct text *out, const struct option_row *row)
{
	text_add(out, ".TP\n");
	if (row->letter != 0)
		text_addf(out, "\\fB\\-%c\\fR, ", row->letter);
	text_add(out, "\\fB\\-\\-");
	add_bytes(out, row->name, strlen(row->name));
	text_add(out, "\\fR");
	if (row->argument != NULL && argument_is_optional(row))
		text_addf(out, "[=\\fI%.*s\\fR]", (int)strlen(row->argument) - 2,
		          row->argument + 1);
	else if (row->argument != NULL)
		text_addf(out, " \\fI%s\\fR", row->argument);
	text_add(out, "\n");
	add_string(out, row->help);
}

void manual_verb(struct text *out, const struct verb *verb)
{
	add_title(out, verb);
	add_string(out, verb->summary);
	add_usage(out, verb);
	text_add(out, ".SH DESCRIPTION\n");
	text_add(out, verb->details[0] != '\0' ? "" : verb->summary);
	text_add(out, verb->details[0] != '\0' ? "" : ".\n");
	add_details(out, verb->details);
	text_add(out, ".SH OPTIONS\n");
	for (size_t i = 0; i < option_row_count; i++)
		if (option_of_verb(&option_rows[i], verb))
			add_option(out, &option_rows[i]);
	text_add(out, ".SH SEE ALSO\n\\fBmeshtally\\fR(1)\n");
}

enum argument_type argument_type(const char *argument)
{
	if (argument == NULL || argument[0] == '\0')
		return ARGUMENT_NONE;
	if (strstr(argument, "FILE") != NULL || strcmp(argument, "PATH") == 0 ||
	    strcmp(argument, "A B") == 0)
		return ARGUMENT_FILE;
	if (strcmp(argument, "DIR") == 0)
		return ARGUMENT_DIR;
	return strcmp(argument, "PID") == 0 ? ARGUMENT_PID : ARGUMENT_TEXT;
}

bool argument_is_optional(const struct option_row *row)
{
	return row->argument != NULL && row->argument[0] == '[';
}

bool option_is_repeatable(const struct option_row *row)
{
	return strstr(row->help, "(repeatable)") != NULL;
}

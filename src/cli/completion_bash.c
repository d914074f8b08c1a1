/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for bash: the tables as functions with a case per verb; completion.bash uses them. */
#include "manual.h"

#include <string.h>

static const char start[] = "# bash completion for meshtally. Made from the command's own tables.\n"
			    "# shellcheck shell=bash\n";

static void add_verbs(struct text *out)
{
	text_add(out, "\n_meshtally_verbs()\n{\n\techo \"");
	for (size_t i = 0; i < verb_count; i++)
		text_addf(out, "%s%s", i == 0 ? "" : " ", verbs[i].name);
	text_add(out, "\"\n}\n\n_meshtally_alias() # COMMAND\n{\n\tcase $1 in\n");
	for (const struct command_alias *at = command_aliases; at->command != NULL; at++)
		text_addf(out, "\t%s) echo %s ;;\n", at->command, at->verb);
	text_add(out, "\tesac\n}\n");
}

static void add_options(struct text *out)
{
	text_add(out, "\n_meshtally_options() # VERB\n{\n\tcase $1 in\n");
	for (size_t i = 0; i < verb_count; i++) {
		text_addf(out, "\t%s) echo \"", verbs[i].name);
		for (size_t j = 0; j < option_row_count; j++) {
			const struct option_row *row = &option_rows[j];

			if (!option_of_verb(row, &verbs[i]))
				continue;
			if (row->letter != 0)
				text_addf(out, "-%c ", row->letter);
			text_addf(out, "--%s ", row->name);
		}
		text_add(out, "\" ;;\n");
	}
	text_add(out, "\tesac\n}\n");
}

static void add_words(struct text *out, const char *const *words)
{
	for (size_t i = 0; words[i] != NULL; i++) {
		size_t length = strcspn(words[i], "=");

		text_addf(out, "%s%.*s%s", i == 0 ? "" : " ", (int)length, words[i],
		          words[i][length] != '\0' ? "=" : "");
	}
}

static void add_want(struct text *out, const struct option_row *row)
{
	static const char *const types[] = {"", "@TEXT", "@FILE", "@DIR", "@PID"};

	if (row->words != NULL)
		add_words(out, row->words);
	else
		text_add(out, types[argument_type(row->argument)]);
}

/* What is to follow an option; where it may be left out it follows after "=" alone. */
static void add_wants(struct text *out, const char *name, bool optional)
{
	text_addf(out, "\n%s() # VERB OPTION\n{\n\tcase $1:$2 in\n", name);
	for (size_t i = 0; i < verb_count; i++) {
		for (size_t j = 0; j < option_row_count; j++) {
			const struct option_row *row = &option_rows[j];

			if (!option_of_verb(row, &verbs[i]) || row->argument == NULL ||
			    argument_is_optional(row) != optional)
				continue;
			text_add(out, "\t");
			if (row->letter != 0)
				text_addf(out, "%s:-%c | ", verbs[i].name, row->letter);
			text_addf(out, "%s:--%s) echo \"", verbs[i].name, row->name);
			add_want(out, row);
			text_add(out, "\" ;;\n");
		}
	}
	text_add(out, "\tesac\n}\n");
}

static void add_operands(struct text *out)
{
	text_add(out, "\n_meshtally_operand() # VERB\n{\n\tcase $1 in\n");
	for (size_t i = 0; i < verb_count; i++) {
		if (verbs[i].most_arguments < 0)
			text_addf(out, "\t%s) echo @PROGRAM ;;\n", verbs[i].name);
		else if (argument_type(verbs[i].arguments) == ARGUMENT_FILE)
			text_addf(out, "\t%s) echo @FILE ;;\n", verbs[i].name);
		else if (strcmp(verbs[i].arguments, "[VERB]") == 0)
			text_addf(out, "\t%s) _meshtally_verbs ;;\n", verbs[i].name);
	}
	text_add(out, "\tesac\n}\n");
}

void completion_bash(struct text *out, const char *driver)
{
	text_add(out, start);
	add_verbs(out);
	add_options(out);
	add_wants(out, "_meshtally_wants", false);
	add_wants(out, "_meshtally_after_equals", true);
	add_operands(out);
	text_addf(out, "\n%s\n", driver);
	text_add(out, "complete -F _meshtally meshtally");
	for (const struct command_alias *at = command_aliases; at->command != NULL; at++)
		text_addf(out, " %s", at->command);
	text_add(out, "\n");
}

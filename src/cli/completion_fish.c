/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for fish: one `complete` per verb, and one per option with the verbs that take it. */
#include "manual.h"

#include <string.h>

static void add_quoted(struct text *out, const char *string)
{
	text_add(out, "'");
	for (; *string != '\0'; string++) {
		if (*string == '\'' || *string == '\\')
			text_add(out, "\\");
		text_bytes(out, *string == '\n' ? " " : string, 1);
	}
	text_add(out, "'");
}

static void add_words(struct text *out, const char *const *words)
{
	text_add(out, " -x -a '");
	for (size_t i = 0; words[i] != NULL; i++) {
		size_t length = strcspn(words[i], "=");

		text_addf(out, "%s%.*s%s", i == 0 ? "" : " ", (int)length, words[i],
		          words[i][length] != '\0' ? "=" : "");
	}
	text_add(out, "'");
}

static void add_argument(struct text *out, const struct option_row *row)
{
	static const char *const types[] = {"", " -x", " -r -F",
	                                    " -x -a '(__fish_complete_directories)'",
	                                    " -x -a '(__fish_complete_pids)'"};

	if (row->words != NULL)
		add_words(out, row->words);
	else if (!argument_is_optional(row))
		text_add(out, types[argument_type(row->argument)]);
}

static void add_option(struct text *out, const struct option_row *row)
{
	text_add(out, "complete -c meshtally -n '__fish_seen_subcommand_from");
	for (size_t i = 0; i < verb_count; i++)
		if (option_of_verb(row, &verbs[i]))
			text_addf(out, " %s", verbs[i].name);
	text_add(out, "'");
	if (row->letter != 0)
		text_addf(out, " -s %c", row->letter);
	text_addf(out, " -l %s", row->name);
	add_argument(out, row);
	text_add(out, " -d ");
	add_quoted(out, row->help);
	text_add(out, "\n");
}

static void add_verb(struct text *out, const struct verb *verb)
{
	text_addf(out, "complete -c meshtally -n __fish_use_subcommand -a %s -d ", verb->name);
	add_quoted(out, verb->summary);
	text_add(out, "\n");
}

static void add_operands(struct text *out, const struct verb *verb)
{
	static const char when[] = "complete -c meshtally -n '__fish_seen_subcommand_from";

	if (verb->most_arguments < 0) {
		text_addf(out, "%s %s' -x -a '(__fish_complete_subcommand --fcs-skip=2)'\n", when,
		          verb->name);
	} else if (argument_type(verb->arguments) == ARGUMENT_FILE) {
		text_addf(out, "%s %s' -F\n", when, verb->name);
	} else if (strcmp(verb->arguments, "[VERB]") == 0) {
		text_addf(out, "%s %s' -a '", when, verb->name);
		for (size_t i = 0; i < verb_count; i++)
			text_addf(out, "%s%s", i == 0 ? "" : " ", verbs[i].name);
		text_add(out, "'\n");
	}
}

void completion_fish(struct text *out)
{
	text_add(out, "# fish completion for meshtally. Made from the command's own tables.\n"
	              "complete -c meshtally -f\n"
	              "complete -c meshtally -n __fish_use_subcommand -s h -l help"
	              " -d 'how to use the command'\n"
	              "complete -c meshtally -n __fish_use_subcommand -s V -l version"
	              " -d 'the version of the command'\n");
	for (size_t i = 0; i < verb_count; i++)
		add_verb(out, &verbs[i]);
	for (size_t i = 0; i < option_row_count; i++)
		add_option(out, &option_rows[i]);
	for (size_t i = 0; i < verb_count; i++)
		add_operands(out, &verbs[i]);
}

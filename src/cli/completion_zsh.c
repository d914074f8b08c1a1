/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for zsh: a function with the specification of _arguments for each verb. */
#include "manual.h"

#include <string.h>

/* Into a string in single quotes, where _arguments reads ":", "[" and "]" unless escaped. */
static void add_quoted(struct text *out, const char *string)
{
	for (; *string != '\0'; string++) {
		if (*string == '\'')
			text_add(out, "'\\''");
		else if (*string == '\n')
			text_add(out, " ");
		else if (strchr(":[]\\", *string) != NULL)
			text_addf(out, "\\%c", *string);
		else
			text_bytes(out, string, 1);
	}
}

static void add_action(struct text *out, const struct option_row *row)
{
	static const char *const actions[] = {"", " ", "_files", "_files -/", "_pids"};

	if (row->words == NULL) {
		text_add(out, actions[argument_type(row->argument)]);
		return;
	}
	text_add(out, "(");
	for (size_t i = 0; row->words[i] != NULL; i++) {
		size_t length = strcspn(row->words[i], "=");

		text_addf(out, "%s%.*s%s", i == 0 ? "" : " ", (int)length, row->words[i],
		          row->words[i][length] != '\0' ? "=" : "");
	}
	text_add(out, ")");
}

/* '(-s --sort)'{-s+,--sort=}'[what it does]:KEY:(size age)' */
static void add_option(struct text *out, const struct option_row *row)
{
	bool optional = argument_is_optional(row), wants = row->argument != NULL;

	text_add(out, " \\\n\t\t");
	if (option_is_repeatable(row))
		text_add(out, "'*'");
	else if (row->letter != 0)
		text_addf(out, "'(-%c --%s)'", row->letter, row->name);
	if (row->letter != 0)
		text_addf(out, "{-%c%s,--%s%s}'", row->letter,
		          optional ? "-"
		          : wants  ? "+"
		                   : "",
		          row->name,
		          optional ? "=-"
		          : wants  ? "="
		                   : "");
	else
		text_addf(out, "'--%s%s", row->name, wants ? "=" : "");
	text_add(out, "[");
	add_quoted(out, row->help);
	text_add(out, "]");
	if (wants) {
		text_add(out, optional ? "::" : ":");
		add_quoted(out, optional ? "FILE" : row->argument);
		text_add(out, ":");
		add_action(out, row);
	}
	text_add(out, "'");
}

static void add_operands(struct text *out, const struct verb *verb)
{
	if (verb->most_arguments < 0)
		text_add(out, " \\\n\t\t'(-)1:program:_command_names -e' "
		              "'*::arguments:_normal'");
	else if (argument_type(verb->arguments) == ARGUMENT_FILE)
		for (int i = 0; i < verb->most_arguments; i++)
			text_addf(out, " \\\n\t\t'%d:file:_files'", i + 1);
	else if (strcmp(verb->arguments, "[VERB]") == 0)
		text_add(out, " \\\n\t\t'::verb:_meshtally_verbs'");
}

static void add_verbs(struct text *out)
{
	text_add(out, "\n_meshtally_verbs() {\n\tlocal -a verbs=(");
	for (size_t i = 0; i < verb_count; i++) {
		text_addf(out, "\n\t\t'%s:", verbs[i].name);
		add_quoted(out, verbs[i].summary);
		text_add(out, "'");
	}
	text_add(out, "\n\t)\n\t_describe -t commands verb verbs\n}\n");
}

void completion_zsh(struct text *out)
{
	text_add(out, "#compdef meshtally");
	for (const struct command_alias *at = command_aliases; at->command != NULL; at++)
		text_addf(out, " %s", at->command);
	text_add(out, "\n# Made from the command's own tables.\n");
	add_verbs(out);
	for (size_t i = 0; i < verb_count; i++) {
		text_addf(out, "\n_meshtally_%s() {\n\t_arguments -s -S", verbs[i].name);
		for (size_t j = 0; j < option_row_count; j++)
			if (option_of_verb(&option_rows[j], &verbs[i]))
				add_option(out, &option_rows[j]);
		add_operands(out, &verbs[i]);
		text_add(out, "\n}\n");
	}
	text_add(out, "\n_meshtally() {\n"
	              "\tlocal curcontext=$curcontext context state state_descr line\n"
	              "\ttypeset -A opt_args\n\tcase $service in\n");
	for (const struct command_alias *at = command_aliases; at->command != NULL; at++)
		text_addf(out, "\t%s) _meshtally_%s; return ;;\n", at->command, at->verb);
	text_add(out, "\tesac\n"
	              "\t_arguments -C '(- *)'{-h,--help}'[how to use the command]' \\\n"
	              "\t\t'(- *)'{-V,--version}'[the version of the command]' \\\n"
	              "\t\t'1:verb:_meshtally_verbs' '*::argument:->verb' && return\n"
	              "\t[[ $state == verb ]] && (( $+functions[_meshtally_$words[1]] )) &&\n"
	              "\t\t_meshtally_$words[1]\n}\n\n_meshtally \"$@\"\n");
}

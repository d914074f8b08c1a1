/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Man pages and shell completions, made from the table of verbs and the table of options when the
 * project is built (manual_main.c). Nothing of it is in the command itself.
 */
#ifndef MESHTALLY_CLI_MANUAL_H
#define MESHTALLY_CLI_MANUAL_H

#include "options.h"

/* meshtally(1), and meshtally-VERB(1). */
void manual_command(struct text *out);
void manual_verb(struct text *out, const struct verb *verb);

/* `driver` is what uses the tables: completion.bash. */
void completion_bash(struct text *out, const char *driver);
void completion_zsh(struct text *out);
void completion_fish(struct text *out);

/* What is to be completed for an argument, by its name in the table: FILE, PATH, DIR, PID. */
enum argument_type { ARGUMENT_NONE, ARGUMENT_TEXT, ARGUMENT_FILE, ARGUMENT_DIR, ARGUMENT_PID };
enum argument_type argument_type(const char *argument);
bool argument_is_optional(const struct option_row *row);
bool option_is_repeatable(const struct option_row *row);

#endif

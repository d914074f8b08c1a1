/* SPDX-License-Identifier: Apache-2.0 */
/* Writes man pages and completions into a directory. Runs when the project is built. */
#include "manual.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* DIRECTORY/KIND/NAME; `text` is empty afterwards. */
static void write_file(const char *directory, const char *kind, const char *name, struct text *text)
{
	char path[PATH_MAX];
	FILE *file;
	bool written;

	snprintf(path, sizeof(path), "%s/%s/%s", directory, kind, name);
	file = fopen(path, "w");
	written = file != NULL && fputs(text_string(text), file) >= 0;
	if (file == NULL || fclose(file) != 0 || !written) {
		fprintf(stderr, "meshtally-manual: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	text_finish(text);
}

static void write_pages(const char *directory)
{
	struct text text = {0};
	char name[64];

	manual_command(&text);
	write_file(directory, "man1", "meshtally.1", &text);
	for (size_t i = 0; i < verb_count; i++) {
		manual_verb(&text, &verbs[i]);
		snprintf(name, sizeof(name), "meshtally-%s.1", verbs[i].name);
		write_file(directory, "man1", name, &text);
	}
}

static void read_file(const char *path, struct text *ret)
{
	char bytes[4096];
	FILE *file = fopen(path, "r");
	size_t count;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	while ((count = fread(bytes, 1, sizeof(bytes), file)) > 0)
		text_bytes(ret, bytes, count);
	fclose(file);
}

static void write_completions(const char *directory, const char *driver_path)
{
	struct text text = {0}, driver = {0};

	read_file(driver_path, &driver);
	completion_bash(&text, text_string(&driver));
	text_finish(&driver);
	write_file(directory, "bash", "meshtally", &text);
	completion_zsh(&text);
	write_file(directory, "zsh", "_meshtally", &text);
	completion_fish(&text);
	write_file(directory, "fish", "meshtally.fish", &text);
}

/* bash and fish look for a file that is called as the command is. */
static void write_alias(const char *directory, const struct command_alias *alias)
{
	struct text text = {0};
	char name[64];

	text_addf(&text, ".so man1/meshtally-%s.1\n", alias->verb);
	snprintf(name, sizeof(name), "%s.1", alias->command);
	write_file(directory, "man1", name, &text);
	text_add(&text, "# shellcheck shell=bash source=/dev/null\n"
	                ". \"${BASH_SOURCE[0]%/*}/meshtally\"\n");
	write_file(directory, "bash", alias->command, &text);
	text_addf(&text, "complete -c %s -w 'meshtally %s'\n", alias->command, alias->verb);
	snprintf(name, sizeof(name), "%s.fish", alias->command);
	write_file(directory, "fish", name, &text);
}

static int make_directory(const char *directory, const char *kind)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, kind);
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	perror(path);
	return -1;
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = {"", "man1", "bash", "zsh", "fish"};

	if (argc != 3) {
		fprintf(stderr, "usage: meshtally-manual DIRECTORY COMPLETION.BASH\n");
		return 2;
	}
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (make_directory(argv[1], kinds[i]) != 0)
			return 1;
	write_pages(argv[1]);
	write_completions(argv[1], argv[2]);
	for (const struct command_alias *at = command_aliases; at->command != NULL; at++)
		write_alias(argv[1], at);
	return 0;
}

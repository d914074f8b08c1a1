/* SPDX-License-Identifier: Apache-2.0 */
/* What is said while nothing is tracked. */
#include "picture_parts.h"
#include "safe.h"
#include "scene_empty.h"

enum { MOST_PROGRAMS = 8 };

bool picture_is_empty(const struct look *look)
{
	const struct machine *machine = &look->reading->scene.machine;

	return machine->processes.count == 0 && machine->devices.count == 0;
}

static void add_programs(const struct untracked *untracked, struct text *words)
{
	const struct untracked_program *program;
	size_t said = 0;

	if (untracked->programs.count == 0)
		return;
	text_add(words,
	         "\nThese programs have libmeshtally in them, but nothing is seen of them:\n");
	vec_for (program, &untracked->programs) {
		if (said++ == MOST_PROGRAMS) {
			text_addf(words, "  and %zu more: meshtally doctor names them\n",
			          untracked->programs.count - MOST_PROGRAMS);
			break;
		}
		text_addf(words, "  process %ld (", (long)program->pid);
		safe_terminal(words, program->command);
		text_addf(words, ") %s:\n    %s\n", untracked_words[program->reason],
		          untracked_advice[program->reason]);
	}
}

static void add_directories(const struct scene *scene, struct text *words)
{
	if (scene->dir_count == 0)
		return;
	text_add(words, "\nLooking in ");
	for (size_t i = 0; i < scene->dir_count && i < 4; i++) {
		text_add(words, i != 0 ? ", " : "");
		safe_terminal(words, scene->dirs[i]);
	}
	if (scene->dir_count > 4)
		text_addf(words, " and %zu more", scene->dir_count - 4);
	text_add(words, ": a program shows up here by itself.\n");
}

static void add_rejects(const struct scene *scene, struct text *words)
{
	size_t count = scene->rejects.count;

	if (count != 0)
		text_addf(words,
		          "\n%zu file%s there could not be read: meshtally doctor says why.\n",
		          count, count == 1 ? "" : "s");
}

void empty_words(const struct look *look, struct text *words)
{
	const struct scene *scene = &look->reading->scene;

	scene_empty_text(scene, words);
	if (scene->from != NULL)
		return;
	add_programs(&look->reading->untracked, words);
	add_directories(scene, words);
	add_rejects(scene, words);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally doctor`: why something does not show up. */
#include "checkup.h"
#include "safe.h"
#include "scene_text.h"
#include "show.h"

static const char *const state_words[] = {"ok", "note", "problem"};

static void checkup_text(const struct checkup *checkup, size_t width, struct text *out)
{
	const struct check *check;
	struct text line = {0};

	vec_for (check, &checkup->checks) {
		text_clear(&line);
		text_addf(&line, "%-8s %-12s %s", state_words[check->state], check->about,
		          check->text);
		safe_wrap(out, line.bytes, width, 22);
		if (check->advice == NULL)
			continue;
		text_clear(&line);
		text_addf(&line, "%-22s%s", "", check->advice);
		safe_wrap(out, line.bytes, width, 22);
	}
	text_finish(&line);
	if (checkup->problems == 0)
		text_add(out, "\nNo problem found.\n");
	else
		text_addf(out, "\n%zu problem%s found.\n", checkup->problems,
		          checkup->problems == 1 ? "" : "s");
}

static json_t *checkup_json(const struct checkup *checkup)
{
	json_t *checks = json_array();
	const struct check *check;

	vec_for (check, &checkup->checks)
		json_array_append_new(
			checks, json_pack("{s:s, s:s, s:s, s:o}", "about", check->about, "state",
		                          state_words[check->state], "text", check->text, "advice",
		                          check->advice != NULL ? json_string(check->advice)
		                                                : json_null()));
	return json_pack("{s:o, s:I}", "checks", checks, "problems", (json_int_t)checkup->problems);
}

int verb_doctor(const struct options *options)
{
	struct checkup checkup = {0};
	struct text out = {0};
	struct scene scene;
	int status = scene_open(&scene, options, VIEW_BUFFERS);

	if (status != STATUS_OK)
		return status;
	checkup_host(&checkup, &scene);
	checkup_server(&checkup, &scene);
	checkup_opencl(&checkup);
	checkup_programs(&checkup, &scene);
	if (options->json) {
		status = show_json(checkup_json(&checkup));
	} else {
		checkup_text(&checkup, show_width(), &out);
		status = show_text(&out);
	}
	if (status == STATUS_OK && checkup.problems != 0)
		status = STATUS_FOUND;
	checkup_finish(&checkup);
	scene_close(&scene);
	return status;
}

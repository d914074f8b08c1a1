/* SPDX-License-Identifier: Apache-2.0 */
#include "end_words.h"

#include <string.h>

void end_signal_name(struct text *text, int number)
{
	const char *name = sigabbrev_np(number);

	if (name != NULL)
		text_addf(text, "SIG%s", name);
}

static void signal_words(struct text *text, int number)
{
	struct text name = {0};

	end_signal_name(&name, number);
	text_addf(text, "was killed by signal %d", number);
	if (name.length != 0)
		text_addf(text, " (%s)", name.bytes);
	text_finish(&name);
}

void end_words(struct text *text, enum view_life life, const struct segment_end *end)
{
	if (life == LIFE_ALIVE)
		text_add(text, "is running");
	else if (life == LIFE_EXEC)
		text_add(text, "replaced its program by exec");
	else if (end->realtime_ns != 0 && end->how == END_SIGNAL)
		signal_words(text, end->code);
	else if (end->realtime_ns != 0 && end->how == END_EXIT && end->code >= 0)
		text_addf(text, "ended with status %d", end->code);
	else if (life == LIFE_STOPPED)
		text_add(text, "turned tracking off");
	else if (life == LIFE_ENDED)
		text_add(text, "ended");
	else
		text_add(text, "died, it is not known how");
}

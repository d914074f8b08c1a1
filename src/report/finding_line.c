/* SPDX-License-Identifier: Apache-2.0 */
#include "finding_line.h"

#include "even.h"
#include "safe.h"
#include "units.h"

#include <inttypes.h>

/* "0x1000 (4 KB, model/layer1) of process 12" */
static void text_buffer(struct text *out, const struct machine_process *process,
                        const struct view_buffer *buffer)
{
	const char *tag = process->view->tags[buffer->tag].path;
	char figure[UNITS_SIZE];

	text_addf(out, "0x%" PRIx64 " (%s", buffer->id, units_bytes_short(&figure, buffer->bytes));
	if (tag[0] != '\0' || buffer->site[0] != '\0') {
		text_add(out, ", ");
		safe_terminal(out, tag[0] != '\0' ? tag : buffer->site);
	}
	text_addf(out, ") of process %" PRId32, process->pid);
}

void finding_line(struct text *out, const struct machine *machine, const struct finding *finding)
{
	char a[UNITS_SIZE], b[UNITS_SIZE];

	text_addf(out, "%s: ", finding_words[finding->type]);
	if (finding->type == FINDING_COUNTERS_DIFFER) {
		text_addf(out,
		          "the counters of process %" PRId32 " are not the sum of its buffers; its "
		          "segment may be damaged",
		          finding->process->pid);
		return;
	}
	text_add(out, "device ");
	even_rows(out, machine, finding->on);
	text_add(out, ", ");
	safe_terminal(out, machine->kind_names[finding->kind]);
	text_add(out, ": ");
	if (finding->type == FINDING_OVER_CAPACITY) {
		text_addf(out, "%s held by all processes together, of %s",
		          units_bytes_short(&a, finding->bytes),
		          units_bytes_short(&b, finding->capacity));
		return;
	}
	text_buffer(out, finding->process, finding->buffer);
	if (finding->type == FINDING_OVERLAP) {
		text_add(out, " and ");
		text_buffer(out, finding->other_process, finding->other);
		text_addf(out, " share %s at 0x%" PRIx64, units_bytes_short(&a, finding->bytes),
		          finding->other->address);
	} else {
		text_addf(out, " looks at 0x%" PRIx64 ", which is gone", finding->buffer->parent);
	}
}

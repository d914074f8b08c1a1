/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/segment-format.md is what others write readers from: its hexdumps must decode to the values
 * beside them, and its sizes and offsets must be those of layout.h.
 */
#include "layout.h"
#include "snapshot_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *page;

static const char *block_of(const char *kind, const char *name)
{
	char fence[64];
	const char *at;

	snprintf(fence, sizeof fence, "\n```%s %s\n", kind, name);
	at = strstr(page, fence);
	if (!at)
		fail_msg("no block \"%s\"", fence + 1);
	return at + strlen(fence);
}

static size_t hexdump_read(const char *name, uint8_t *ret_bytes, size_t limit)
{
	const char *at = block_of("hexdump", name);
	size_t count = 0;

	while (strncmp(at, "```", 3) != 0) {
		const char *end = strchr(at, '\n');

		assert_int_equal(strtoul(at, NULL, 16), count);
		for (at += 4; at < end && count < limit; at += 3) {
			while (*at == ' ')
				at++;
			ret_bytes[count++] = (uint8_t)strtoul((char[]){at[0], at[1], 0}, NULL, 16);
			at--;
		}
		at = end + 1;
	}
	return count;
}

/* Compares the value that the page states; all that it states must be asked for. */
static const char *value_is(const char *at, const char *name, uint64_t value)
{
	size_t length = strlen(name);
	uint64_t stated;

	if (strncmp(at, name, length) != 0 || strncmp(at + length, " = ", 3) != 0)
		fail_msg("the page does not state %s next", name);
	stated = strtoull(at + length + 3, NULL, 0);
	if (stated != value)
		fail_msg("%s: the page says %llu, the bytes %llu", name, (unsigned long long)stated,
		         (unsigned long long)value);
	return strchr(at, '\n') + 1;
}

#define VALUE(field) at = value_is(at, #field, (uint64_t)it.field)

static void header_decodes(void **state)
{
	const char *at = block_of("values", "header");
	static struct segment_header it;

	(void)state;
	assert_int_equal(hexdump_read("header", (uint8_t *)&it, 128), 128);
	assert_int_equal(it.magic, SEGMENT_MAGIC);
	VALUE(magic);
	VALUE(version);
	VALUE(header_bytes);
	VALUE(compat);
	VALUE(incompat);
	VALUE(identity);
	VALUE(run_id);
	VALUE(clock);
	VALUE(rank);
	VALUE(birth_time);
	VALUE(birth_monotonic_ns);
	VALUE(birth_realtime_ns);
	VALUE(writer.pid);
	VALUE(writer.uid);
	VALUE(writer.pid_ns);
	VALUE(writer.start_ticks);
	VALUE(subject.pid);
	assert_memory_equal(at, "```", 3);
}

static void slot_decodes(void **state)
{
	const char *at = block_of("values", "slot");
	struct segment_slot it;

	(void)state;
	assert_int_equal(hexdump_read("slot", (uint8_t *)&it, sizeof it), sizeof it);
	VALUE(id);
	VALUE(address);
	VALUE(bytes);
	VALUE(span);
	at = value_is(at, "op", slot_op(&it));
	VALUE(aux);
	VALUE(time);
	VALUE(row);
	VALUE(flags);
	VALUE(thread);
	VALUE(site);
	VALUE(check);
	assert_memory_equal(at, "```", 3);
	assert_int_equal(slot_check(&it), it.check);
}

static void event_decodes(void **state)
{
	const char *at = block_of("values", "event");
	struct segment_event it;

	(void)state;
	assert_int_equal(hexdump_read("event", (uint8_t *)&it, sizeof it), sizeof it);
	VALUE(time);
	VALUE(id);
	at = value_is(at, "slot", it.place & 0xffffffu);
	at = value_is(at, "row", it.place >> 24 & 0xffffu);
	at = value_is(at, "bytes", size_decode((uint32_t)(it.place >> 40)));
	at = value_is(at, "type", it.type_op & 0xff);
	at = value_is(at, "held", size_decode((uint32_t)(it.type_op >> 8) & 0xffffffu));
	at = value_is(at, "op", it.type_op >> 32);
	assert_memory_equal(at, "```", 3);
}

static void row_decodes(void **state)
{
	const char *at = block_of("values", "row");
	struct segment_row it;

	(void)state;
	assert_int_equal(hexdump_read("row", (uint8_t *)&it, sizeof it), sizeof it);
	VALUE(space);
	VALUE(member);
	VALUE(kind);
	VALUE(class_now);
	VALUE(tag);
	VALUE(class_before);
	VALUE(ready_op);
	VALUE(bytes);
	VALUE(held);
	VALUE(buffers);
	VALUE(allocs);
	VALUE(frees);
	assert_memory_equal(at, "```", 3);
}

static void end_decodes(void **state)
{
	const char *at = block_of("values", "end");
	struct segment_end it;

	(void)state;
	assert_int_equal(hexdump_read("end", (uint8_t *)&it, sizeof it), sizeof it);
	VALUE(how);
	VALUE(code);
	VALUE(realtime_ns);
	assert_memory_equal(at, "```", 3);
	assert_int_equal(it.how, END_SIGNAL);
}

/* The line of a field in the table of its record. */
static void field_is(const char *record, size_t record_bytes, const char *field, size_t offset,
                     size_t bytes)
{
	char heading[128], line[128];
	const char *table, *end, *found;

	snprintf(heading, sizeof heading, "\n`struct %s`, %zu bytes\n\n", record, record_bytes);
	table = strstr(page, heading);
	if (!table)
		fail_msg("the page has no \"%s\"", heading + 1);
	end = strstr(table + strlen(heading), "\n\n");
	snprintf(line, sizeof line, "\n| %zu | %zu | %s: ", offset, bytes, field);
	found = strstr(table, line);
	if (!found || (end && found > end))
		fail_msg("%s.%s is not at \"%s\"", record, field, line + 1);
}

#define FIELD(record, field)                                                                       \
	field_is(#record, sizeof(struct record), #field, offsetof(struct record, field),           \
	         sizeof(((struct record *)NULL)->field))

/* One late field of each record: it is where it is only if all before it are right. */
static void tables_are_those_of_the_layout(void **state)
{
	(void)state;
	FIELD(segment_header, regions);
	FIELD(segment_header, reserve);
	FIELD(segment_header, commit);
	FIELD(segment_header, no_detail_buffers);
	FIELD(segment_header, end);
	FIELD(segment_header, kind_names);
	FIELD(segment_region, count);
	FIELD(segment_process, start_ticks);
	FIELD(segment_end, realtime_ns);
	FIELD(segment_device, memories);
	FIELD(segment_device, ordinals);
	FIELD(segment_memory, align);
	FIELD(segment_space, resident_count);
	FIELD(segment_resident, op);
	FIELD(segment_tag, name);
	FIELD(segment_row, frees);
	FIELD(segment_counters, frame);
	FIELD(segment_slot, check);
	FIELD(segment_detail, shares_block);
	FIELD(segment_shares, locals);
	FIELD(segment_event, type_op);
	FIELD(segment_fault, count);
	FIELD(segment_share_of, held);
	FIELD(segment_frame, lines);
	FIELD(segment_failure, number);
	FIELD(segment_failure_device, capacity);
	FIELD(segment_failure_buffer, class_then);
	FIELD(segment_mark, name);
	FIELD(segment_program, op);
	FIELD(segment_cb, bytes);
	FIELD(snapshot_image, name);
	FIELD(snapshot_section, count);
	FIELD(snapshot_lost, unsure);
	FIELD(snapshot_undo, member);
}

static int page_read(void **state)
{
	FILE *file = fopen(FORMAT_PAGE, "rb");
	size_t n;

	(void)state;
	page = calloc(1, 1 << 20);
	if (!file || !page)
		return -1;
	n = fread(page, 1, (1 << 20) - 1, file);
	fclose(file);
	return n > 0 ? 0 : -1;
}

static int page_free(void **state)
{
	(void)state;
	free(page);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_decodes), cmocka_unit_test(slot_decodes),
		cmocka_unit_test(event_decodes),  cmocka_unit_test(row_decodes),
		cmocka_unit_test(end_decodes),    cmocka_unit_test(tables_are_those_of_the_layout),
	};

	return cmocka_run_group_tests(tests, page_read, page_free);
}

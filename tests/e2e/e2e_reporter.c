/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that reports what it is told: one call of the library per line of standard input, the
 * answer as one number per line on standard output. Numbers in any base, texts in hexadecimal ("-"
 * none). It ends at the end of its input, with `exit STATUS` or `raise SIGNAL`; `exec` makes
 * another program of it that has nothing to report, `leader` ends its first thread alone.
 */
#include "meshtally.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WORDS = 16, MAX_TEXT = 512 };

struct call {
	char *words[MAX_WORDS];
	size_t count;
};

static uint64_t number(const struct call *call, size_t at)
{
	return at < call->count ? strtoull(call->words[at], NULL, 0) : 0;
}

static const char *text(const struct call *call, size_t at, char (*ret_bytes)[MAX_TEXT])
{
	const char *hex = at < call->count ? call->words[at] : "-";
	size_t length = 0;
	unsigned byte;

	if (strcmp(hex, "-") == 0)
		return NULL;
	while (length < MAX_TEXT - 1 && sscanf(hex + 2 * length, "%2x", &byte) == 1)
		(*ret_bytes)[length++] = (char)byte;
	(*ret_bytes)[length] = '\0';
	return *ret_bytes;
}

/* device UNIQUE_ID ORDINAL FLAGS BUS */
static uint64_t call_device(const struct call *call)
{
	static const struct mt_memory memories[] = {
		{MT_DRAM, 12, 0, 1ull << 30, 32},
		{MT_L1, 64, 0, 1464320, 16},
	};
	char bus[MAX_TEXT];
	struct mt_device device = {.struct_size = sizeof device,
	                           .unique_id = number(call, 1),
	                           .ordinal = (int32_t)number(call, 2),
	                           .flags = (uint32_t)number(call, 3),
	                           .bus = text(call, 4, &bus),
	                           .arch = "wormhole_b0",
	                           .memories = memories,
	                           .memory_count = 2};

	return mt_device_open(&device);
}

/* unplaced ORDINAL FLAGS */
static uint64_t call_unplaced(const struct call *call)
{
	struct mt_device device = {.struct_size = sizeof device,
	                           .ordinal = (int32_t)number(call, 1),
	                           .flags = MT_UNPLACED | (uint32_t)number(call, 2)};

	return mt_device_open(&device);
}

/* mesh ROWS COLUMNS NAME SPACE... */
static uint64_t call_mesh(const struct call *call)
{
	mt_space devices[MAX_WORDS] = {0};
	char name[MAX_TEXT];
	struct mt_mesh mesh = {.struct_size = sizeof mesh,
	                       .rows = (uint32_t)number(call, 1),
	                       .columns = (uint32_t)number(call, 2),
	                       .name = text(call, 3, &name),
	                       .devices = devices};

	for (size_t i = 4; i < call->count; i++)
		devices[i - 4] = (mt_space)number(call, i);
	return mt_mesh_open(&mesh);
}

/* alloc SPACE ID ADDRESS BYTES SPAN KIND FLAGS SITE PARENT */
static uint64_t call_alloc(const struct call *call)
{
	char site[MAX_TEXT];
	struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                           .space = (mt_space)number(call, 1),
	                           .id = number(call, 2),
	                           .address = number(call, 3),
	                           .bytes = number(call, 4),
	                           .span = number(call, 5),
	                           .kind = (uint32_t)number(call, 6),
	                           .flags = (uint32_t)number(call, 7),
	                           .site = text(call, 8, &site),
	                           .parent = number(call, 9)};

	return mt_alloc(&buffer);
}

/* free SPACE ID */
static uint64_t call_free(const struct call *call)
{
	return mt_free((mt_space)number(call, 1), number(call, 2));
}

/* move SPACE ID TO TAG */
static uint64_t call_move(const struct call *call)
{
	return mt_move((mt_space)number(call, 1), number(call, 2), (mt_space)number(call, 3),
	               (mt_tag)number(call, 4));
}

/* failed SPACE KIND BYTES SPAN FREE LARGEST REASON */
static uint64_t call_failed(const struct call *call)
{
	char reason[MAX_TEXT];
	struct mt_failure failure = {.struct_size = sizeof failure,
	                             .space = (mt_space)number(call, 1),
	                             .kind = (uint32_t)number(call, 2),
	                             .bytes = number(call, 3),
	                             .span = number(call, 4),
	                             .free_span = number(call, 5),
	                             .largest_span = number(call, 6),
	                             .reason = text(call, 7, &reason)};

	return mt_alloc_failed(&failure);
}

static uint64_t call_ready(const struct call *call)
{
	return mt_ready((mt_space)number(call, 1));
}

/* close SPACE LOST */
static uint64_t call_close(const struct call *call)
{
	return mt_close((mt_space)number(call, 1), (int)number(call, 2));
}

static uint64_t call_push(const struct call *call)
{
	char name[MAX_TEXT];

	return mt_tag_push(text(call, 1, &name));
}

static uint64_t call_kind(const struct call *call)
{
	char name[MAX_TEXT];

	return mt_kind(text(call, 1, &name));
}

static uint64_t call_pop(const struct call *call)
{
	(void)call;
	mt_tag_pop();
	return 0;
}

/* mark NAME N */
static uint64_t call_mark(const struct call *call)
{
	char name[MAX_TEXT];

	mt_mark(text(call, 1, &name), number(call, 2));
	return 0;
}

static uint64_t call_exit(const struct call *call)
{
	exit((int)number(call, 1));
}

/* raise SIGNAL */
static uint64_t call_raise(const struct call *call)
{
	return (uint64_t)raise((int)number(call, 1));
}

static uint64_t call_exec(const struct call *call)
{
	(void)call;
	puts("0");
	fflush(stdout);
	execl("/bin/cat", "cat", (char *)NULL);
	return 1;
}

static void *obey(void *unused);

static uint64_t call_leader(const struct call *call)
{
	pthread_t thread;

	(void)call;
	if (pthread_create(&thread, NULL, obey, NULL) != 0)
		return 1;
	puts("0");
	fflush(stdout);
	pthread_exit(NULL);
}

static const struct {
	const char *name;
	uint64_t (*function)(const struct call *call);
} calls[] = {
	{"device", call_device}, {"mesh", call_mesh},         {"alloc", call_alloc},
	{"free", call_free},     {"failed", call_failed},     {"ready", call_ready},
	{"close", call_close},   {"push", call_push},         {"pop", call_pop},
	{"mark", call_mark},     {"exit", call_exit},         {"kind", call_kind},
	{"raise", call_raise},   {"exec", call_exec},         {"leader", call_leader},
	{"move", call_move},     {"unplaced", call_unplaced},
};

static void *obey(void *unused)
{
	char line[4096];

	(void)unused;
	while (fgets(line, sizeof line, stdin)) {
		struct call call = {.count = 0};
		char *rest = line, *word;

		while (call.count < MAX_WORDS && (word = strtok_r(rest, " \n", &rest)))
			call.words[call.count++] = word;
		for (size_t i = 0; call.count && i < sizeof calls / sizeof calls[0]; i++) {
			if (strcmp(calls[i].name, call.words[0]) == 0)
				printf("%llu\n", (unsigned long long)calls[i].function(&call));
		}
		fflush(stdout);
	}
	exit(0);
}

int main(void)
{
	obey(NULL);
}

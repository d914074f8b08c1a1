/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the system knows of processes beside their segments: the name of the user, and who started
 * them. Read once per process, when it is first seen, because a parent that ends is forgotten by
 * the system. The lookout's thread alone; what comes out is part of a reading.
 */
#ifndef MESHTALLY_TUI_PROCESS_FACTS_H
#define MESHTALLY_TUI_PROCESS_FACTS_H

#include "lookup.h"
#include "machine.h"

enum { FACTS_USER = 32, FACTS_ANCESTORS = 16 };

/* Of one process, by its number in the machine. */
struct process_facts {
	size_t parent;         /* number of the nearest ancestor that is tracked; SIZE_MAX none */
	char user[FACTS_USER]; /* any bytes; "" not known */
};

struct facts_ancestor {
	int32_t pid;
	uint64_t start_ticks;
};

struct facts_known {
	uint64_t identity;
	uint32_t ancestor_count;
	struct facts_ancestor ancestors[FACTS_ANCESTORS]; /* the parent first */
	char user[FACTS_USER];
	bool used; /* in the last reading */
};

struct facts_user {
	uint32_t uid;
	char name[FACTS_USER];
};

/* Zeroed is empty. */
struct facts_memory {
	VEC(struct facts_known) known;
	struct lookup by_identity;
	VEC(struct facts_user) users;
};

/* By number; to be freed. */
struct process_facts *process_facts_read(struct facts_memory *memory,
                                         const struct machine *machine);
void facts_memory_finish(struct facts_memory *memory);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "process_facts.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KNOWN_SPARE = 64 };

static bool same_identity(const void *elements, size_t position, const void *key)
{
	return ((const struct facts_known *)elements)[position].identity == *(const uint64_t *)key;
}

/* Parent and start time of a process, as /proc has them now. The command is in parentheses and may
 * have any bytes in it, so that what is after it is counted from its end. */
static bool read_stat(int32_t pid, int32_t *ret_parent, uint64_t *ret_start_ticks)
{
	char path[48], line[1024], *at;
	FILE *stream;
	size_t length;

	snprintf(path, sizeof(path), "/proc/%" PRId32 "/stat", pid);
	stream = fopen(path, "re");
	if (stream == NULL)
		return false;
	length = fread(line, 1, sizeof(line) - 1, stream);
	fclose(stream);
	line[length] = '\0';
	at = strrchr(line, ')');
	return at != NULL &&
	       sscanf(at + 1,
	              " %*c %" SCNd32 " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
	              "%*s %*s %*s %" SCNu64,
	              ret_parent, ret_start_ticks) == 2;
}

static void read_ancestors(struct facts_known *known, const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	uint64_t start_ticks, own_ticks = view != NULL ? view->subject.start_ticks : 0;
	int32_t pid = process->pid, parent;

	/* Another process with its pid has nothing to do with it. */
	if (pid <= 0 || !read_stat(pid, &parent, &start_ticks) ||
	    (own_ticks != 0 && own_ticks != start_ticks))
		return;
	while (parent > 1 && known->ancestor_count < FACTS_ANCESTORS) {
		struct facts_ancestor *ancestor = &known->ancestors[known->ancestor_count];

		ancestor->pid = parent;
		if (!read_stat(ancestor->pid, &parent, &ancestor->start_ticks))
			return;
		known->ancestor_count++;
	}
}

static const char *user_name(struct facts_memory *memory, uint32_t uid)
{
	struct passwd entry, *found = NULL;
	struct facts_user *user;
	char bytes[4096];

	vec_for (user, &memory->users)
		if (user->uid == uid)
			return user->name;
	user = vec_add(&memory->users);
	user->uid = uid;
	if (getpwuid_r(uid, &entry, bytes, sizeof(bytes), &found) == 0 && found != NULL)
		snprintf(user->name, sizeof(user->name), "%s", found->pw_name);
	else
		snprintf(user->name, sizeof(user->name), "%" PRIu32, uid);
	return user->name;
}

static void read_user(struct facts_memory *memory, struct facts_known *known,
                      const struct machine_process *process)
{
	char path[48];
	struct stat status;

	if (process->view != NULL) {
		snprintf(known->user, sizeof(known->user), "%s",
		         user_name(memory, process->view->subject.uid));
		return;
	}
	snprintf(path, sizeof(path), "/proc/%" PRId32, process->pid);
	if (process->pid > 0 && stat(path, &status) == 0)
		snprintf(known->user, sizeof(known->user), "%s", user_name(memory, status.st_uid));
}

static struct facts_known *know(struct facts_memory *memory, const struct machine_process *process)
{
	uint64_t identity =
		process->view != NULL ? process->view->identity : (uint64_t)process->pid;
	size_t count = memory->known.count, at;

	memory->by_identity.same = same_identity;
	at = lookup_place(&memory->by_identity, memory->known.items, &identity,
	                  hash_number(0, identity), count);
	if (at == count) {
		struct facts_known *known = vec_add(&memory->known);

		known->identity = identity;
		read_ancestors(known, process);
		read_user(memory, known, process);
	}
	memory->known.items[at].used = true;
	return &memory->known.items[at];
}

static bool is_ancestor(const struct machine_process *process,
                        const struct facts_ancestor *ancestor)
{
	uint64_t start_ticks = process->view != NULL ? process->view->subject.start_ticks : 0;

	return process->pid == ancestor->pid && !process->witness &&
	       (start_ticks == 0 || start_ticks == ancestor->start_ticks);
}

/* By the machine's own index of pids. */
static size_t find_ancestor(const struct machine *machine, const struct facts_ancestor *ancestor)
{
	size_t at = lookup_find(&machine->by_pid, machine->processes.items, &ancestor->pid,
	                        hash_number(0, (uint64_t)ancestor->pid));

	while (at != SIZE_MAX && !is_ancestor(&machine->processes.items[at], ancestor))
		at = machine->processes.items[at].next;
	return at;
}

static size_t find_parent(const struct machine *machine, const struct facts_known *known,
                          size_t number)
{
	for (uint32_t i = 0; i < known->ancestor_count; i++) {
		size_t parent = find_ancestor(machine, &known->ancestors[i]);

		if (parent != SIZE_MAX && parent != number)
			return parent;
	}
	return SIZE_MAX;
}

/* What is in no reading any more is forgotten, now and then. */
static void forget(struct facts_memory *memory, size_t now)
{
	size_t kept = 0;

	if (memory->known.count > 2 * now + KNOWN_SPARE) {
		lookup_finish(&memory->by_identity);
		memory->by_identity = (struct lookup){.same = same_identity};
		for (size_t i = 0; i < memory->known.count; i++) {
			struct facts_known *known = &memory->known.items[i];

			if (!known->used)
				continue;
			memory->known.items[kept] = *known;
			lookup_place(&memory->by_identity, memory->known.items, &known->identity,
			             hash_number(0, known->identity), kept);
			kept++;
		}
		memory->known.count = kept;
	}
	for (size_t i = 0; i < memory->known.count; i++)
		memory->known.items[i].used = false;
}

struct process_facts *process_facts_read(struct facts_memory *memory, const struct machine *machine)
{
	size_t count = machine->processes.count;
	struct process_facts *facts = mem_calloc(count + 1, sizeof(*facts));

	for (size_t i = 0; i < count; i++) {
		const struct facts_known *known = know(memory, &machine->processes.items[i]);

		facts[i].parent = find_parent(machine, known, i);
		memcpy(facts[i].user, known->user, sizeof(facts[i].user));
	}
	forget(memory, count);
	return facts;
}

void facts_memory_finish(struct facts_memory *memory)
{
	vec_finish(&memory->known);
	vec_finish(&memory->users);
	lookup_finish(&memory->by_identity);
}

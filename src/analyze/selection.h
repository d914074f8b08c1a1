/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices, processes and kinds somebody asked for. A device is named by its row in
 * `devices`, its unique id (0x...), its bus address, a place in a mesh ([NAME]@row,column) or as
 * a process knows it (pid:ordinal). "unplaced" is what is on no device yet.
 */
#ifndef MESHTALLY_ANALYZE_SELECTION_H
#define MESHTALLY_ANALYZE_SELECTION_H

#include "machine.h"

struct selection {
	bool *devices; /* by row; NULL: all */
	bool kinds[MACHINE_MAX_KINDS];
	bool all_kinds;
	const int32_t *pids;
	size_t pid_count; /* 0: all */
};

enum { SELECTION_REASON = 200 };

/* The name of the row that is no device, wherever one is named. */
extern const char unplaced_name[];

/* 0, or -ENOENT (nothing is called so) or -EEXIST (more than one is) with a sentence. */
int selection_device(const struct machine *machine, const char *name, uint32_t *ret_row,
                     char (*ret_reason)[SELECTION_REASON]);

/* Names as given by options. Errors as above. The pids are kept by reference. */
struct selection_names {
	const char *const *devices, *const *kinds;
	size_t device_count, kind_count;
	const int32_t *pids;
	size_t pid_count;
};
int selection_init(struct selection *selection, const struct machine *machine,
                   const struct selection_names *names, char (*ret_reason)[SELECTION_REASON]);
void selection_finish(struct selection *selection);

bool selection_has_device(const struct selection *selection, uint32_t row);
bool selection_has_kind(const struct selection *selection, uint32_t kind);
bool selection_has_process(const struct selection *selection,
                           const struct machine_process *process);

/* The devices of each space of a process as far as they are selected: for walking its buffers. */
struct space_members {
	uint32_t count;     /* selected */
	uint32_t *members;  /* index in the space */
	uint32_t *rows;     /* of each */
	uint32_t first_row; /* the lowest of them */
};
struct space_members *selection_spaces(const struct selection *selection,
                                       const struct machine_process *process);
/* The bytes of a buffer on the n-th selected device of its space. */
static inline uint64_t buffer_bytes_on(const struct view_buffer *buffer,
                                       const struct space_members *space, uint32_t n)
{
	return buffer->member_bytes != NULL ? buffer->member_bytes[space->members[n]]
	                                    : buffer->bytes;
}

/* On all selected devices together; with the number of those it is on. */
uint64_t buffer_total_bytes(const struct view_buffer *buffer, const struct space_members *space,
                            uint32_t *ret_devices);
void selection_spaces_finish(struct space_members *spaces, const struct machine_process *process);

#endif

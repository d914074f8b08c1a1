/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place that reports to meshtally. Everything that allocates calls it, from any thread; a
 * row of the hooks table says what of that is reported and how. The naive rows do what a tracker
 * did that knew devices and addresses only: they are wrong on purpose, to show what comes of it.
 */
#ifndef RUNTIME_GRAPH_TRACKER_H
#define RUNTIME_GRAPH_TRACKER_H

#include "device_buffer.h"

enum backing_report { BACKING_SKIPPED, BACKING_ON_DEVICE_ZERO, BACKING_ON_MESH };

struct hooks_mode {
	const char *name;
	enum backing_report backing;
	bool locals;	     /* the device-local buffers of a mesh buffer are reported */
	bool free_not_owned; /* frees of pre-allocated buffers are reported */
	bool naive;	     /* keyed by ordinal and address; no meshes, no flags */
	uint32_t backing_flags, local_flags;
	const char *about;
};

extern const struct hooks_mode hooks_modes[];
extern const size_t hooks_mode_count;

/* NULL: no such mode. */
const struct hooks_mode *hooks_mode_find(const char *name);

/*
 * Whom the reports go to: the calls of meshtally.h that take or give a space. Another table brings
 * them elsewhere; it gives out space numbers of its own.
 */
struct report_functions {
	mt_space (*device_open)(const struct mt_device *device);
	mt_space (*mesh_open)(const struct mt_mesh *mesh);
	mt_result (*ready)(mt_space space);
	mt_result (*close)(mt_space space, int lost);
	mt_result (*alloc)(const struct mt_buffer *buffer);
	mt_result (*free)(mt_space space, uint64_t id);
	mt_result (*alloc_failed)(const struct mt_failure *failure);
	mt_result (*program_dispatch)(mt_program *program, mt_space space);
	mt_result (*program_clash)(mt_program *program, mt_space space, uint64_t cb_end,
				   uint64_t lowest_buffer);
	bool bare_addresses; /* knows a buffer by its address alone, whatever the mode */
};

extern const struct report_functions report_to_meshtally;

enum { GRAPH_TRACKER_RESULTS = MT_BUSY + 1 };

struct graph_tracker {
	const struct report_functions *reports; /* after init: meshtally's */
	const struct hooks_mode *mode;
	bool unique_ids;				 /* else the address is the id */
	_Atomic uint64_t results[GRAPH_TRACKER_RESULTS]; /* what was answered, counted */
};

struct mesh_device;

/* -EINVAL: unique ids and a naive mode exclude each other. */
int graph_tracker_init(struct graph_tracker *tracker, const struct hooks_mode *mode,
		       bool unique_ids);

/* meshtally's number of a memory kind. */
uint32_t graph_tracker_kind(const char *name);

/* They set the space of what they open, and tell where its system buffers end. */
void graph_tracker_open_device(struct graph_tracker *tracker, struct device *device);
void graph_tracker_open_mesh(struct graph_tracker *tracker, struct mesh_device *mesh);
void graph_tracker_ready(struct graph_tracker *tracker, mt_space space);
void graph_tracker_close(struct graph_tracker *tracker, mt_space space);

void graph_tracker_track_allocate(struct graph_tracker *tracker,
				  const struct device_buffer *buffer);
void graph_tracker_track_deallocate(struct graph_tracker *tracker,
				    const struct device_buffer *buffer);
void graph_tracker_track_failure(struct graph_tracker *tracker, const struct device_buffer *buffer,
				 const struct bank_stats *stats);

/* An operation is on: what the calling thread allocates until its end carries its name. */
void graph_tracker_function_start(const char *name);
void graph_tracker_function_end(void);

mt_program *graph_tracker_define_program(uint64_t id, const struct mt_cb *cbs, uint32_t count);
void graph_tracker_drop_program(mt_program *program);
void graph_tracker_dispatch(struct graph_tracker *tracker, mt_program *program,
			    const struct mesh_device *mesh);
void graph_tracker_clash(struct graph_tracker *tracker, mt_program *program,
			 const struct mesh_device *mesh, uint64_t cb_end, uint64_t lowest_buffer);

#endif

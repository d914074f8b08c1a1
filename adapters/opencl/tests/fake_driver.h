/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver of our own below the layer, which is loaded as a loader does it. Objects have reference
 * counts and callbacks as the specification says; what a driver may do on top of that (keep an
 * object for a queued command, refuse, call the loader itself) the test says. It counts what it
 * holds itself, so that a test compares the layer with the truth.
 */
#ifndef MESHTALLY_OPENCL_FAKE_DRIVER_H
#define MESHTALLY_OPENCL_FAKE_DRIVER_H

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS
#include "client_fixture.h"

#include <CL/cl.h>
#include <CL/cl_ext.h>
#include <CL/cl_gl.h>
#include <CL/cl_icd.h>
#include <CL/cl_layer.h>

enum { FAKE_DEVICES = 8, FAKE_PLATFORMS = 2 };
#define FAKE_CAPACITY (1ull << 30)

struct fake_device {
	char name[64];
	cl_device_type type;
	bool unified, has_pci_khr, has_pci_nv, has_topology_amd, has_uuid;
	cl_uint domain, bus, slot, function;
	uint8_t uuid[16];
	uint64_t capacity;
	struct fake_device *parent; /* of a sub-device */
	uint32_t platform;
	uint64_t held; /* bytes of live buffers and images of contexts of this device alone */
};

/* The driver, at first: one platform "Fake", OpenCL 3.0, with `device_count` devices: CPUs with
 * unified memory and FAKE_CAPACITY. A test changes it before fake_load(). */
struct fake_driver {
	uint32_t platform_count;
	char platform_names[FAKE_PLATFORMS][32];
	char version[64];
	uint32_t device_count;
	struct fake_device devices[FAKE_DEVICES];
	bool no_memory_callbacks, no_context_callbacks; /* registering them fails */
	bool silent_views;      /* what lies in another object ends without its callbacks */
	bool keeps_contexts;    /* a context is never destroyed */
	cl_int refuse;          /* the next creations fail with it; 0: they do not */
	bool reuses;            /* the handle of a freed object is that of the next one */
	bool forgets_callbacks; /* of objects, until fake_tell_late() */
	bool nested;    /* an image is made by a call of clCreateBuffer through the loader */
	uint64_t calls; /* of creating functions */
	uint64_t asked_of[FAKE_PLATFORMS];
	uint64_t asked;             /* of questions to devices */
	uint64_t objects, contexts; /* live */
};
extern struct fake_driver fake;

/* The calls as a program makes them, through the layer. */
extern const cl_icd_dispatch *cl;

/* Loads the layer over the driver. */
void fake_load(void);
/* The same with a table of another length; returns the length of the layer's. */
cl_uint fake_load_entries(cl_uint entries, const void *from);
/* The driver's own table, for further functions before fake_load(). */
cl_icd_dispatch *fake_table(void);
pfn_clGetLayerInfo fake_layer_info(void);

/* What a driver does by itself: holds an object for a command, and lets it go when that is done. */
void fake_hold(cl_mem memory);
void fake_drop(cl_mem memory);

/* Calls back for the last object that ended with forgets_callbacks. */
void fake_tell_late(void);

cl_device_id fake_id(uint32_t number);
/* A context of the first `count` devices. */
cl_context fake_context(uint32_t count);
cl_mem fake_buffer(cl_context context, size_t bytes);

/* --- from outside ------------------------------------------------------------------------ */

enum { UNPLACED = -1 };

/* Bytes counted on the device with this ordinal (UNPLACED: on no device yet), over all kinds but
 * host memory; of a class that is not counted (CLASS_VIEW, CLASS_IMPORT); or of host memory. */
uint64_t seen_bytes(int ordinal);
uint64_t seen_of_class(int ordinal, uint32_t class);
uint64_t seen_host(int ordinal);
/* Live buffers with this site; NULL: all. */
unsigned seen_buffers(const char *site);
/* The only one of this site. */
struct view_buffer seen_buffer(const char *site);
const struct view_device *seen_device(const struct segment_view *view, int ordinal);
/* Spaces that are open. */
unsigned seen_spaces(void);

#endif

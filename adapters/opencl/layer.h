/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenCL layer: what its files share. The ICD loader calls our functions instead of the
 * driver's; each calls on through `target` and then reports to meshtally what it learned.
 *
 *   program -> loader -> this layer (hooks) -> target: the next layer, or the loader's own
 * functions
 *
 * Nothing is done before the first allocation, and nothing at all while tracking is off. A hook
 * never changes what the driver answers, but where a budget was set (budget.c).
 *
 * Threads: hooks are called from any thread, destructor callbacks from the driver's. The lock
 * guards all tables; it is never held while a function of `target` is called, since that may call
 * back. Reports (mt_*) are made with the lock held, so that they are in the order of the tables'
 * changes.
 *
 * Fork: the child has an empty table (objects.c), and what it inherited is passed through: OpenCL
 * objects of a parent are of no use in a child.
 */
#ifndef MESHTALLY_OPENCL_LAYER_H
#define MESHTALLY_OPENCL_LAYER_H

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS
#include <CL/cl.h>
#include <CL/cl_ext.h>
#include <CL/cl_gl.h>
#include <CL/cl_icd.h>
#include <CL/cl_layer.h>

#include <meshtally.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- layer.c ------------------------------------------------------------------------------ */

/* The next functions in the chain. Complete: NULL where the loader is older than our header. Set by
 * clInitLayer before any hook can be called, and never again. */
extern cl_icd_dispatch target;

/* Each file puts its hooks into the table, where the target has the function. */
#define LAYER_HOOK(table, function)                                                                \
	do {                                                                                       \
		if ((table)->function)                                                             \
			(table)->function = hook_##function;                                       \
	} while (0)
void memory_hook(cl_icd_dispatch *table);     /* memory.c: buffers, sub-buffers, pipes */
void images_hook(cl_icd_dispatch *table);     /* images.c: images, and what is shared with GL */
void contexts_hook(cl_icd_dispatch *table);   /* contexts.c */
void queues_hook(cl_icd_dispatch *table);     /* queues.c: queues, and commands on memory */
void kernels_hook(cl_icd_dispatch *table);    /* kernels.c: arguments, launches */
void svm_hook(cl_icd_dispatch *table);        /* svm.c */
void extensions_hook(cl_icd_dispatch *table); /* extensions.c: entry points by their names */

/* --- objects.c: the lock, and tables from handles to what is known of them ------------------ */

/* False: tracking is off, or this is a call from inside one of ours in the same thread (a driver
 * that calls through the loader): pass through. */
bool layer_enter(void); /* takes the lock */
void layer_leave(void);

/* Whether this space is of a segment that was ended: tracking was turned off and on again and no
 * hook was called between. Then all that the tables have is void, and is dropped when the lock is
 * taken next. Lock held. */
bool layer_is_void(mt_space space);

/* Around a call of `target` that creates objects, without the lock. False: tracking is off, or a
 * driver creates through the loader what the program's own call, further up in this thread, is
 * made of: call the target and do nothing else. */
bool layer_call_enter(void);
void layer_call_leave(void);

/* Grows with every fork: what was stored under another epoch belongs to a parent process. */
uint32_t layer_epoch(void);

struct table; /* open addressing over non-NULL pointers; not locked by itself */
struct table *table_of_memory(void);   /* cl_mem and SVM pointers -> struct record */
struct table *table_of_contexts(void); /* cl_context -> struct context */
struct table *table_of_queues(void);   /* cl_command_queue -> struct queue */
struct table *table_of_kernels(void);  /* cl_kernel -> struct kernel_arguments */
void *table_find(const struct table *table, const void *handle);
int table_put(struct table *table, const void *handle, void *value); /* -ENOMEM; replaces */
void *table_take(struct table *table, const void *handle);           /* removes; NULL: was not in */
/* All values: begin with *at = 0, until NULL. Nothing may be put in meanwhile, and nothing be taken
 * but what came last: then go on with *at - 1, where another may have moved to. */
void *table_next(const struct table *table, size_t *at);

/* --- devices.c: who a device is ------------------------------------------------------------- */

/* A root device of the machine, found once and kept for the life of the process. */
struct device {
	cl_device_id handle;
	int32_t ordinal;    /* among all root devices of all platforms, in the loader's order */
	uint64_t unique_id; /* from its UUID, or platform, index and visibility mask; 0: by bus */
	char bus[32];       /* "0000:81:00.0" or "" */
	char name[256];
	uint32_t kind;     /* of its global memory */
	uint64_t capacity; /* bytes */
	uint64_t largest;  /* bytes of the largest object that it takes */
	uint32_t version;  /* of its platform: 300 for OpenCL 3.0 */
	bool unified; /* its memory is the host's: contexts share one copy among such devices */
	uint64_t budget_used; /* bytes; budget.c */
};

/* The root device of a device or sub-device. Calls the target: without the lock. NULL: no memory.
 */
struct device *device_of(cl_device_id handle);

/* --- contexts.c: the spaces of a context ----------------------------------------------------- */

/* Of further ones nothing is placed; the buffers stay unplaced. */
enum { CONTEXT_DEVICES_MAX = 64 };

/* Freed with its end: keep the handle, not the pointer, where the lock is dropped between. */
struct context {
	cl_context handle;
	uint64_t id;        /* never given twice in the process */
	bool made;          /* by context_make; before, only the program's references are counted */
	bool unified;       /* all of its devices are */
	uint32_t version;   /* of its platform: 300 for OpenCL 3.0 */
	uint32_t kind;      /* of its devices' memory; that of the first with memory of its own */
	int64_t references; /* of the program, where its creation was seen; else < 0 */
	uint32_t device_count;
	struct device *devices[CONTEXT_DEVICES_MAX]; /* root devices, each once */
	mt_space spaces[CONTEXT_DEVICES_MAX];        /* one opening of each; 0: not opened yet */
	mt_space unplaced; /* where buffers are before their first use; 0: one device only */
	uint64_t live;     /* records of it */
	bool released;     /* by the program: the spaces are closed with the last record */
};

/* The context's record, valid while the lock is held; NULL: not made yet. It is made, with the
 * openings of its devices, at its first allocation: context_make(), 0 if it is there now. */
struct context *context_find(cl_context handle);       /* lock held */
int context_make(cl_context handle);                   /* without the lock */
uint32_t context_device(const struct context *context, /* index of a root device; UINT32_MAX */
                        const struct device *device);
mt_space context_space(struct context *context, uint32_t index); /* lock held; opens where needed */
/* Ends it where the program has released it and nothing of it is left. Lock held. */
void context_settle(struct context *context);

/* --- records.c: what was allocated ----------------------------------------------------------- */

/* One object. Lives from its creation to its destructor callback; only with the lock held. */
struct record {
	uint64_t id;        /* ours, never given twice in the process */
	const void *handle; /* cl_mem, or the SVM pointer */
	struct context *context;
	uint64_t bytes; /* as requested */
	uint64_t owner; /* id of the record whose memory this is a view of; 0 */
	const void *owner_handle;
	uint32_t kind, flags; /* as in mt_buffer */
	mt_space space;       /* where its record is now */
	uint64_t places;      /* bit per device of the context that it was used on */
	uint64_t copies; /* of which with bytes of their own: the record's own place where it is
	                  * counted there, and copies on devices with memory of their own */
	uint64_t shares; /* of `places`, where use.c reported a record beside the own one */
	bool tagged;     /* has a tag: of the program, or of the first kernel that used it */
	bool budgeted;   /* its bytes are in device->budget_used of each of `copies`; its end
	                  * (records.c) gives them back, use_end() does not */
	/* Of what the driver does not tell the end (no destructor callback): */
	bool counted;
	uint32_t references; /* of the program */
	uint32_t views;      /* live ones, which keep it alive */
};

/* A description for record_add. */
struct allocation {
	cl_context context;
	const void *handle;
	uint64_t bytes;
	uint64_t address;    /* of SVM and others that tell; else flags has MT_NO_ADDRESS */
	const void *owner;   /* handle whose memory it lies in; NULL */
	cl_device_id device; /* where it lies from the start; NULL: the context's, or unplaced */
	uint32_t flags;      /* MT_VIEW, MT_IMPORT, MT_NO_ADDRESS */
	bool host;           /* host memory (MT_HOST) even where the device has its own */
	bool program;        /* the program's own memory (CL_MEM_USE_HOST_PTR): a view where devices
	                      * share the host's memory, else counted: the driver keeps a copy */
	const char *site;    /* "clCreateBuffer" */
	struct device *reserved_on; /* by record_admit() */
	uint64_t reserved_bytes;
	bool refused; /* by record_admit(), which has reported it */
};

/* Asks the budget before an object is created, and takes its bytes where only one device can be
 * meant. CL_SUCCESS, or CL_MEM_OBJECT_ALLOCATION_FAILURE, which is reported already: the hook must
 * fail with it. Then record_add(), or where the driver did not create it record_withdraw(). Without
 * the lock. */
cl_int record_admit(struct allocation *allocation);
void record_withdraw(const struct allocation *allocation);

/* Reports a new object; without the lock, after the driver has made it. Registers no callback. 0,
 * or -ENOMEM: not tracked, and said so to meshtally as far as that is possible. */
int record_add(const struct allocation *allocation);

/* The whole rest of a hook that creates a cl_mem, after record_admit() and the target: drops what
 * layer_call_enter() took, adds the record, with a callback at its end, or reports the failure, and
 * tells the program the error. Returns `memory`. Without the lock. */
cl_mem memory_created(struct allocation *allocation, cl_mem memory, cl_int error,
                      cl_int *errcode_ret);

/* Reports the end of an object, before its memory is given back; without the lock. Idempotent. */
void record_end(const void *handle);

/* Of a context that ends: the record goes, and the closing of its space says what became of it.
 * Lock held. */
void record_forget(struct record *record);

/* clRetainMemObject and clReleaseMemObject, before the target's: for drivers that do not tell the
 * end of all objects. Without the lock. */
void record_retained(cl_mem memory);
void record_released(cl_mem memory);

/* --- memory.c: buffers ----------------------------------------------------------------------- */

/* What a call says of the object: of its flags, of its properties (NULL: none), and, of one that
 * there is now, its size by the driver or `least`, and its context. */
struct allocation memory_asked(cl_context context, uint64_t bytes, cl_mem_flags flags,
                               const char *site);
void memory_properties(const cl_mem_properties *properties, struct allocation *allocation);
uint64_t memory_size(cl_mem memory, uint64_t least);
cl_context memory_context(cl_mem memory);

/* --- failures.c ------------------------------------------------------------------------------ */

/* Reports that an allocation failed, with what is held there. Nothing, where the error does not say
 * that memory was short, but that the call was wrong. Without the lock. */
void record_failed(cl_context context, uint64_t bytes, const char *site, cl_int error);

/* Reports that the budget let `bytes` more not be on the device; NULL: on none of the context's.
 * Lock held. */
void failure_of_budget(struct context *context, const struct device *device, uint64_t bytes,
                       const char *site);

/* --- budget.c: MESHTALLY_OPENCL_DEVICE_MEMORY ------------------------------------------------- */

/* Bytes each device may hold of this process; 0: no budget. What is no number of bytes, is kept as
 * a budget of UINT64_MAX that allows nothing: a limit that was wanted is not dropped in silence. */
uint64_t budget_bytes(void);
/* Whether `bytes` more fit into any device of the context (a full one refuses at creation).
 * Takes nothing. Lock held. */
bool budget_allows(const struct context *context, uint64_t bytes);
bool budget_take(struct device *device, uint64_t bytes); /* lock held; false: it would go over */
void budget_give(struct device *device, uint64_t bytes); /* lock held */

/* --- use.c: where things come to lie ---------------------------------------------------------- */

/* A command on this queue is about to use these objects (cl_mem or SVM pointers; NULL and unknown
 * ones are passed over): what has no place yet gets it on the queue's device; what has its place on
 * another device becomes shared (devices with unified memory: an MT_VIEW record there) or is copied
 * (devices with memory of their own: a counted record there). `kernel` names the tag of what has
 * none; NULL: none. CL_SUCCESS, or CL_MEM_OBJECT_ALLOCATION_FAILURE where a budget says so: the
 * command must then fail with it. Without the lock. */
cl_int use_objects(cl_command_queue queue, const void *const *handles, size_t count,
                   const char *kernel);

/* Ends what use.c reported for a record beside its own (shares and copies). Lock held. */
void use_end(struct record *record);

#endif

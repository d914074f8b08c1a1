/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and the memory that they use: what use.c, queues.c, kernels.c, svm.c and extensions.c
 * share. A hook of a command asks the budget first (admit), calls the target, and reports where the
 * objects came to lie when the driver has taken the command (done): what a refused command names
 * stays where it was.
 */
#ifndef MESHTALLY_OPENCL_USE_H
#define MESHTALLY_OPENCL_USE_H

#include "layer.h"

/* What is known of a queue. Forgotten when a reference is released, and asked again at the next
 * command: so it is never that of a queue which had the same handle. */
struct queue {
	cl_context context;
	struct device *device;
	uint64_t context_id; /* of which `index` is the device's; 0: not looked up yet */
	uint32_t index;      /* UINT32_MAX: the context places nothing on it */
};

/* The tag of what has none: a kernel's name, interned once. */
struct label {
	const char *name;
	mt_tag tag; /* 0: not interned yet */
};

/* The objects of one command. */
struct command {
	const void *const *handles; /* NULL ones and unknown ones are passed over */
	const uint64_t *ids;        /* of their records when they were named; NULL: not kept */
	size_t count;
	struct label *label; /* NULL: none */
	const char *site;    /* "clEnqueueCopyBuffer" */
	bool svm;            /* they are addresses, which may lie within an allocation */
};

/* --- queues.c -------------------------------------------------------------------------------- */

/* Takes the lock, with what is known of the queue. False: not taken, pass through. */
bool queue_enter(cl_command_queue handle, struct queue **ret_queue);

/* Around a command that uses these objects; without the lock. command_admit: CL_SUCCESS, or the
 * error that the hook must return. command_done: returns the driver's error. */
cl_int command_admit(cl_command_queue queue, const struct command *command);
cl_int command_done(cl_command_queue queue, const struct command *command, cl_int error);

/* Whether an error of a command says that memory was short. */
bool is_short(cl_int error);

/* The body of a hook that returns an error: COMMAND(queue, name, call of the target, objects...),
 * and COMMAND_SVM for addresses. */
#define COMMAND(queue, function, call, ...)     COMMAND_OF(false, queue, function, call, __VA_ARGS__)
#define COMMAND_SVM(queue, function, call, ...) COMMAND_OF(true, queue, function, call, __VA_ARGS__)
#define COMMAND_OF(svm, queue, function, call, ...)                                                \
	do {                                                                                       \
		const void *const handles_[] = {__VA_ARGS__};                                      \
		COMMAND_ON(svm, queue, function, call, handles_,                                   \
		           sizeof handles_ / sizeof(void *));                                      \
	} while (0)
#define COMMAND_ON(svm, queue, function, call, list, length)                                       \
	do {                                                                                       \
		const struct command command_ = {                                                  \
			(const void *const *)(list), NULL, length, NULL, function, svm};           \
		cl_int error_ = command_admit(queue, &command_);                                   \
		return error_ ? error_ : command_done(queue, &command_, call);                     \
	} while (0)

/* What every command ends with: in its parameters, and in the call of the target. */
#define WAIT  cl_uint waits, const cl_event *wait_list, cl_event *event
#define WAITS waits, wait_list, event

/* --- use.c: all with the lock held ----------------------------------------------------------- */

/* Whether a budget lets the objects be on the queue's device; else reports the failure. */
cl_int uses_admit(struct queue *queue, const struct command *command);

/* Bytes of the objects that are not on the queue's device yet. */
uint64_t uses_missing(struct queue *queue, const struct command *command);

/* The objects are on the queue's device from now on. Its bit in a record's `places`, if each of
 * them is known to be there; 0: ask again at the next command. */
uint64_t uses_done(struct queue *queue, const struct command *command);

/* --- kernels.c ------------------------------------------------------------------------------- */

/* A copy of a kernel's arguments as they are now, for free(). */
struct arguments {
	const void **handles;
	uint64_t *ids;
	char *name;
	size_t count;
};
int kernel_copy(cl_kernel kernel, struct arguments *ret_arguments); /* -ENOENT, -ENOMEM; no lock */
void arguments_free(struct arguments *arguments);

/* An argument was set to memory, or to something else; after the driver has taken it. */
void kernel_argument(cl_kernel kernel, cl_uint index, const void *handle, bool svm);
/* Pointers that a kernel uses beside its arguments. */
void kernel_pointers(cl_kernel kernel, const void *const *pointers, size_t count);

/* --- svm.c ----------------------------------------------------------------------------------- */

/* The SVM allocation that an address lies in, or the address. Lock held. */
const void *svm_base(const void *address);

/* What a call asks for, and the rest of its hook after record_admit() and the target: adds the
 * record, or reports the failure, and drops what layer_call_enter() took. Returns `pointer`. */
struct allocation svm_asked(cl_context context, uint64_t bytes, const char *site);
void *svm_created(struct allocation *allocation, void *pointer, cl_int error);
void svm_end(const void *pointer); /* before it is given back */

/* Takes the place of the callback of a command that frees SVM by itself: ends the records just
 * before they are freed. `arg`: svm_free_function *. */
typedef void(CL_API_CALL *svm_free_function)(cl_context context, void *pointer);
void CL_CALLBACK svm_free_later(cl_command_queue queue, cl_uint count, void *pointers[], void *arg);
bool svm_is_watched(void *const *pointers, cl_uint count); /* some of them have records */

#endif

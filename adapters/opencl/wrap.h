/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that a program gets by name from a driver, and then calls without the loader: it gets
 * wrappers of ours instead. Several drivers of a process have functions of the same name, and a
 * call does not say which it was meant for: so each name has some wrappers that are alike, one for
 * every function that a driver gave for it. What comes when all are taken is passed through.
 */
#ifndef MESHTALLY_OPENCL_WRAP_H
#define MESHTALLY_OPENCL_WRAP_H

#include "use.h"

enum { WRAP_SLOTS = 8 };

struct extension {
	const char *name;
	void *const *wrappers; /* WRAP_SLOTS of them */
	void **drivers;        /* what each calls; NULL: free. Set once, never changed */
	/* Versions of cl_khr_command_buffer, as in cl_version, in which it looks like that: from
	 * `since` to before `until`. Both 0: it belongs to something else. */
	cl_uint since, until;
};

#define WRAP_BARE(...) __VA_ARGS__
#define WRAP_EACH(X, ...)                                                                          \
	WRAP_HALF(X, 0, 1, 2, 3, __VA_ARGS__) WRAP_HALF(X, 4, 5, 6, 7, __VA_ARGS__)
#define WRAP_HALF(X, a, b, c, d, ...)                                                              \
	X(a, __VA_ARGS__) X(b, __VA_ARGS__) X(c, __VA_ARGS__) X(d, __VA_ARGS__)
#define WRAP_SLOT(slot, type, name, params, args)                                                  \
	static type CL_API_CALL name##_at_##slot params                                            \
	{                                                                                          \
		return name##_by(                                                                  \
			(name##_type)__atomic_load_n(&name##_drivers[slot], __ATOMIC_ACQUIRE),     \
			WRAP_BARE args);                                                           \
	}
#define WRAP_SLOT_NAME(slot, name) (void *)name##_at_##slot,

/* WRAP(type, name, (parameters), (arguments)) { body, which calls driver(arguments) } */
#define WRAP(type, name, params, args)                                                             \
	typedef type(CL_API_CALL *name##_type) params;                                             \
	static type name##_by(name##_type driver, WRAP_BARE params);                               \
	static void *name##_drivers[WRAP_SLOTS];                                                   \
	WRAP_EACH(WRAP_SLOT, type, name, params, args)                                             \
	static void *const name##_wrappers[WRAP_SLOTS] = {WRAP_EACH(WRAP_SLOT_NAME, name)};        \
	static type name##_by(name##_type driver, WRAP_BARE params)

/* Entries of a table of struct extension, which ends with an empty one. */
#define WRAPPED(name) WRAPPED_AS(#name, name, 0, 0)
#define WRAPPED_AS(shown, name, since, until)                                                      \
	{                                                                                          \
		shown, name##_wrappers, name##_drivers, since, until                               \
	}

extern const struct extension command_buffer_extensions[]; /* command_buffers.c */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meshtally: accounting of device memory on meshes of accelerators.
 *
 * A runtime (whatever hands out device memory) reports here what it allocates and frees. The
 * library writes the truth into a file in shared memory, the segment of this process; the command
 * `meshtally` and others read it from outside. See docs/segment-format.md for the file and
 * docs/architecture.md for how the parts fit.
 *
 * On or off. Tracking is off unless MESHTALLY=1 or TT_ALLOC_TRACKING_ENABLED=1 is in the
 * environment (`meshtally run` puts MESHTALLY=1 there) or mt_enable() was called. MESHTALLY=0 wins
 * over the other variable. Off, a call costs one relaxed load and returns MT_OFF (or 0, NULL).
 *
 * Threads. Every function may be called from any thread at any time, also before main and after
 * static destructors, and after fork in the child (which gets a segment of its own). A call from a
 * signal handler that interrupts another call in the same thread is refused: MT_BUSY (0, NULL, or
 * UINT32_MAX of mt_kind). Refused reports are counted, and totals are inexact from then on.
 *
 * Manners. Nothing here blocks on another process, prints, exits, installs signal handlers,
 * raises a signal or changes errno. Strings and structs passed in are copied; nothing is kept.
 *
 * Cost. mt_alloc and mt_free cost some tens of nanoseconds (docs/performance.md); no system call
 * is made while the number of live buffers and the bytes held stay below their highest values so
 * far and no new name is used.
 */
#ifndef MESHTALLY_H
#define MESHTALLY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MT_API __attribute__((visibility("default")))
#else
#define MT_API
#endif

/* Version of this header. mt_abi_version() tells the library's: major << 16 | minor. */
#define MT_ABI_MAJOR 1
#define MT_ABI_MINOR 1

/* One opening of a device or of a mesh. 0: none, or any. A value is never given out twice. */
typedef uint32_t mt_space;

/* A tag path such as "model/layer3/attn", interned for the life of the process. 0: none, or, in
 * mt_buffer, the calling thread's current one. */
typedef uint32_t mt_tag;

/* A program whose circular buffers are tracked. Belongs to the library. */
typedef struct mt_program mt_program;

/* What a call found. Below 16: fine, or told. 16 to 63: a fault, which is also in the fault log
 * (but for mt_device_usage, which only asks).
 * From 64: the call itself was wrong or could not be done; nothing was recorded by it. */
typedef enum {
	MT_OK = 0,
	MT_OFF = 1,          /* tracking is off */
	MT_VIRTUAL_ONLY = 2, /* recorded but not counted: a hooked allocation, outside device memory */
	MT_LATE = 3,         /* freed after its space was closed; or the late free of a replaced one */
	MT_INHERITED = 4,    /* a forked child freed what its parent had allocated */
	MT_BEFORE = 5,       /* freed, but allocated before tracking began */
	MT_NO_DETAIL = 6,    /* counted, but without a record of its own: the segment is full */

	MT_DUPLICATE = 16,     /* this id is live already with the same size: the first is kept */
	MT_REPLACED = 17,      /* this id was live with another size or kind: the old one was ended */
	MT_UNKNOWN_FREE = 18,  /* nothing of this id is live in this space */
	MT_DOUBLE_FREE = 19,   /* it was, and has been freed already */
	MT_OUT_OF_RANGE = 20,  /* it begins in the memory but ends beyond it: recorded, not counted */
	MT_OVER_CAPACITY = 21, /* more is held than the memory has, still so at the next event */
	MT_DRIFT = 22,         /* mt_check: the allocator's own figure differs */
	MT_CLASH = 23,         /* circular buffers of a program run into an L1 buffer */
	MT_UNKNOWN_SPACE = 24, /* this space was never opened, or cannot take allocations any more */
	MT_WRONG_SPACE = 25,   /* the id is live elsewhere, or the device is not in the buffer's mesh */
	MT_ALLOC_FAILED = 26,  /* only in the log: mt_alloc_failed was called */
	MT_LOST_EVENTS = 27,   /* only in the log: calls were refused with MT_BUSY, or not recorded */
	/* Only in the logs of programs that report by a socket: */
	MT_WRONG_PROCESS = 28, /* a message named a process that is not its sender's */
	MT_MALFORMED = 29,     /* a message that makes no sense: its type, device or size */

	MT_BAD_ARGUMENT = 64, /* a struct_size, kind, index or pointer that cannot be */
	MT_FULL = 65,         /* no segment could be made, or it is full: totals are a lower bound now */
	MT_BUSY = 66          /* called from a signal handler inside another call of this thread */
} mt_result;

/* Memory kinds. The first six have tt-metal's numbers; mt_kind() gives numbers to others. */
enum {
	MT_DRAM = 0,
	MT_L1 = 1,
	MT_HOST = 2, /* host side (tt-metal's SYSTEM_MEMORY): in a table of its own */
	MT_L1_SMALL = 3,
	MT_TRACE = 4,
	MT_CB = 5, /* circular buffers: by mt_program_*, never by mt_alloc */
	MT_KIND_LIMIT = 32
};

/* Flags of a buffer. */
enum {
	MT_SYSTEM = 1,     /* the runtime's own, from opening to closing; never a leak */
	MT_CACHE = 2,      /* kept on purpose, such as kernel binaries in a program cache; never a leak */
	MT_VIEW = 4,       /* lies in memory that another buffer owns: shown, never counted */
	MT_BACKING = 8,    /* the mesh's virtual object; LOCAL reports may take over its shares */
	MT_LOCAL = 16,     /* the share of one device of the backing buffer whose id is `parent` */
	MT_POOL = 32,      /* a pool from which SUB buffers are cut: counted */
	MT_SUB = 64,       /* cut from the pool whose id is `parent`: shown as used of it, not counted */
	MT_IMPORT = 128,   /* another process's memory, opened here: shown, not counted */
	MT_EXISTING = 256, /* was there before tracking began */
	MT_VIRTUAL = 512,  /* no memory behind it (graph capture): recorded, not counted */
	MT_NO_ADDRESS = 1024 /* the runtime does not tell where it lies: `address` means nothing, and
	                      * neither range nor overlap is checked. Since 1.1 */
};

/* Flags of a device or mesh. */
enum {
	/* Ids of buffers in this space are unique in the process for all time (tt-metal's
	 * unique_id), so mt_free may leave the space 0. Without it they are address-like: unique
	 * among what is live in the space, and reused. */
	MT_UNIQUE_IDS = 1,
	/* Of a device: no chip, but the place of what is allocated and on no chip yet, such as the
	 * buffers of an OpenCL context of several devices before their first use. Counted once, shown
	 * after the devices and never as one of them; mt_move() takes buffers to where they come to
	 * lie. Has no unique id, bus or memories. Since 1.1 */
	MT_UNPLACED = 2
};

/* One memory of a device. capacity = banks * bank_bytes. */
struct mt_memory {
	uint32_t kind;       /* MT_DRAM, ... */
	uint32_t banks;      /* equal banks that an allocation is spread over, at most 4,096; 0: 1 */
	uint64_t base;       /* first address, within each bank */
	uint64_t bank_bytes; /* bytes per bank; 0: unknown, then range and capacity are not checked */
	uint64_t align;      /* allocation alignment in bytes; 0: unknown */
};

/* A device being opened. Zero it, set struct_size to sizeof. At most 1,024 devices per process and
 * 8 memories per device. */
struct mt_device {
	uint32_t struct_size;
	int32_t ordinal;               /* the number this process knows it by */
	uint64_t unique_id;            /* the chip's own; 0: unknown, then bus and ordinal identify it */
	const char *arch;              /* "wormhole_b0", ...; NULL: unknown */
	const char *bus;               /* "0000:81:00.0"; NULL: unknown */
	const struct mt_memory *memories;
	uint32_t memory_count;
	uint32_t flags; /* MT_UNIQUE_IDS, MT_UNPLACED */
};

/* A mesh being opened over devices that are open. rows * columns <= 1,024. */
struct mt_mesh {
	uint32_t struct_size;
	uint32_t rows, columns;
	uint32_t flags;          /* MT_UNIQUE_IDS */
	const mt_space *devices; /* row by row; 0: a device of another host, in the shape, not counted */
	mt_space parent;         /* the mesh this one is a part of; 0: none */
	const char *name;        /* NULL: none */
};

/*
 * One allocation. Three sizes, never mixed up:
 *   bytes  what was asked for, on each device: the figure that users know;
 *   span   addresses taken on each bank, [address, address + span), padding included;
 *   held   span * banks: what counts against the capacity (derived).
 */
struct mt_buffer {
	uint32_t struct_size;
	mt_space space; /* a device's or a mesh's: the same call for both; on a mesh one record with a
	                 * share on every member */
	uint64_t id;
	uint64_t address; /* within each bank, equal on all devices of a mesh */
	uint64_t bytes;   /* on each device */
	uint64_t span;    /* per bank; 0: bytes, in one bank */
	uint64_t parent;  /* LOCAL: id of the backing buffer; SUB: of the pool; VIEW: of the owner; or 0 */
	uint32_t kind;
	uint32_t flags;
	uint32_t region;              /* which address space of the kind, where a chip has several */
	mt_tag tag;                   /* 0: the thread's current tag */
	const char *site;             /* operation or file:line; NULL: none. Compared by content */
	const uint64_t *uneven_bytes; /* NULL, or bytes of each member, row by row */
};

/* A failed allocation, in the words of the runtime's allocator. */
struct mt_failure {
	uint32_t struct_size;
	mt_space space;
	uint32_t kind;
	uint32_t flags;        /* 0 */
	uint64_t bytes;        /* asked for, per device */
	uint64_t span;         /* asked for, per bank; 0: bytes */
	uint64_t free_span;    /* free, per bank; UINT64_MAX: not known */
	uint64_t largest_span; /* largest hole, per bank; UINT64_MAX: not known */
	const char *reason;    /* NULL: none */
};

/* One circular buffer: an address range in the L1 of every core of a rectangle, both ends in it. */
struct mt_cb {
	uint16_t x0, y0, x1, y1;
	uint32_t flags; /* MT_VIEW: lies in an L1 buffer (globally allocated), never added */
	uint64_t address, bytes; /* per core */
};

/* Figures of one device and kind, from this process alone. Set struct_size. */
struct mt_usage {
	uint32_t struct_size;
	uint32_t exact;  /* 0: some buffer could not be recorded, figures are a lower bound */
	uint64_t bytes;  /* user + system + cache */
	uint64_t system; /* of which the runtime's own */
	uint64_t cache;  /* of which caches */
	uint64_t held;   /* counts against the capacity */
	uint64_t capacity;        /* 0: unknown */
	uint64_t peak;            /* highest held so far */
	uint64_t peak_since_mark; /* highest held since the last mt_mark */
	uint64_t buffers;         /* live, counted on this device */
	uint64_t allocs, frees;   /* in spaces that are open, or were closed not long ago */
	uint64_t faults;          /* of this process, all types */
};

/* Turns tracking on or off by a call. When it is on already, nothing happens. Turned on late,
 * report_live (or NULL) is called back once, from this call: it opens the spaces that are open and
 * reports what is live, with MT_EXISTING. In spaces opened there, and where the space is left 0,
 * frees of what was never reported are then MT_BEFORE, not faults. Turning off ends the segment;
 * spaces and programs of that time are void,
 * a thread's tag path stays. MT_BUSY in a signal handler. */
MT_API mt_result mt_enable(int on, void (*report_live)(void *), void *arg);

/* The number of a memory kind by name (at most 15 bytes: "VRAM", "HOST_PINNED"), made at the first
 * call. Works while tracking is off. UINT32_MAX: 32 kinds exist already, or a bad name. */
MT_API uint32_t mt_kind(const char *name);

/* Opens a device. The same unique id again is one more opening of the same device, with a space
 * and buffers of its own. 0: off, or a bad argument, or full. */
MT_API mt_space mt_device_open(const struct mt_device *device);

/* Opens a mesh over open devices. 0 as above. */
MT_API mt_space mt_mesh_open(const struct mt_mesh *mesh);

/* What was allocated in this space until now is the runtime's own: MT_SYSTEM. */
MT_API mt_result mt_ready(mt_space space);

/* Closes a space: what is live in it is no longer held. What the user had in it was leaked, or, when
 * the device was reset under the program (lost != 0), lost. */
MT_API mt_result mt_close(mt_space space, int lost);

/* Reports an allocation. Call it after the range is yours. */
MT_API mt_result mt_alloc(const struct mt_buffer *buffer);

/* Reports that a buffer is freed, on every device that it is on. Call it before the range is given
 * back. After it, mirrored frees of its shares are absorbed once each. */
MT_API mt_result mt_free(mt_space space, uint64_t id);

/* Reports that the share of one device (its space) of a mesh buffer is freed. */
MT_API mt_result mt_free_on(mt_space space, uint64_t id, mt_space device);

/*
 * Reports that a live buffer belongs elsewhere from now on: in the space of another device, because
 * the driver has given it its place there or migrated it, or under another tag, because it is known
 * only now what it is for. `to` 0: it stays in its space; `tag` 0: it keeps its tag; space 0: as for
 * mt_free. Readers see it here or there, never twice and never not at all; what else is known of it
 * (site, thread, time) stays. Costs a free and an allocation, and counts as one of each.
 * MT_BAD_ARGUMENT: nothing of this id is live there, it is divided over the members of a mesh or a
 * LOCAL share, or `to` is a mesh. MT_BEFORE, MT_INHERITED: it is not recorded, as for mt_free.
 * MT_DUPLICATE: the id is live in `to` already. MT_FULL: no room. With all of these nothing changes;
 * with what mt_alloc says of a range, or of a device that is full, the buffer was moved. Since 1.1.
 */
MT_API mt_result mt_move(mt_space space, uint64_t id, mt_space to, mt_tag tag);

/* Reports an allocation that failed. Who held what is frozen in the segment, so that it can be
 * explained after an exception has unwound and freed the evidence. Takes time in proportion to the
 * number of live buffers. */
MT_API mt_result mt_alloc_failed(const struct mt_failure *failure);

/* Compares with the allocator's own figure of what this process holds of a kind on each device of
 * the space, through whatever space it was reported (views, subs, imports and virtuals excluded).
 * MT_OK or MT_DRIFT. */
MT_API mt_result mt_check(mt_space space, uint32_t kind, uint64_t held);

/* Circular buffers. A program is defined once, with all its buffers, and dispatched often: on
 * dispatch it becomes resident in the space and what it overlaps there is resident no more.
 * NULL (off, or full) is a program too: every call takes it and returns MT_OFF. */
MT_API mt_program *mt_program_define(uint64_t id, const struct mt_cb *cbs, uint32_t count, mt_tag tag);
MT_API mt_result mt_program_dispatch(mt_program *program, mt_space space);
/* Reports that the buffers of a program ended at cb_end, beyond the lowest L1 buffer. */
MT_API mt_result mt_program_clash(mt_program *program, mt_space space, uint64_t cb_end,
                                  uint64_t lowest_buffer);
MT_API void mt_program_drop(mt_program *program);

/* The calling thread's tag path: push appends a name (at most 255 bytes, any bytes), pop takes the
 * last one off. swap sets the whole path and returns the old one, to carry it to another thread. */
MT_API mt_tag mt_tag_push(const char *name);
MT_API void mt_tag_pop(void);
MT_API mt_tag mt_tag_swap(mt_tag tag);

/* Marks a point in the program's life, such as ("step", 17): the reference for growth, for
 * peak_since_mark, and for `run --keep --at mark=step:17`. */
MT_API void mt_mark(const char *name, uint64_t n);

/* Figures of the device of this space (a device's, not a mesh's). */
MT_API mt_result mt_device_usage(mt_space device, uint32_t kind, struct mt_usage *ret_usage);

/* "MT_DOUBLE_FREE" for MT_DOUBLE_FREE; never NULL. */
MT_API const char *mt_result_name(mt_result result);

MT_API uint32_t mt_abi_version(void);

/* The gate: *mt_gate is 0 while tracking is off. Read only. */
MT_API extern const uint32_t *const mt_gate;

#if defined(__GNUC__) && !defined(MT_NO_INLINE_GATE)
#define MT_IS_ON() (__builtin_expect(__atomic_load_n(mt_gate, __ATOMIC_RELAXED) != 0, 0))
#define mt_alloc(buffer) (MT_IS_ON() ? (mt_alloc)(buffer) : MT_OFF)
#define mt_free(space, id) (MT_IS_ON() ? (mt_free)(space, id) : MT_OFF)
#define mt_free_on(space, id, device) (MT_IS_ON() ? (mt_free_on)(space, id, device) : MT_OFF)
#define mt_program_dispatch(program, space) \
	(MT_IS_ON() ? (mt_program_dispatch)(program, space) : MT_OFF)
#define mt_tag_push(name) (MT_IS_ON() ? (mt_tag_push)(name) : 0)
#define mt_tag_pop() (MT_IS_ON() ? (mt_tag_pop)() : (void)0)
#define mt_mark(name, n) (MT_IS_ON() ? (mt_mark)(name, n) : (void)0)
#endif

#ifdef __cplusplus
}
#endif
#endif

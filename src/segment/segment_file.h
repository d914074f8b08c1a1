/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file under a segment: choosing the directory, creating, locking and mapping it, populating
 * its pages without ever risking a signal, publishing and removing it. Used by the writer only;
 * calls are serialised by whoever owns the writer. Depends on libc and system calls alone.
 */
#ifndef MESHTALLY_SEGMENT_FILE_H
#define MESHTALLY_SEGMENT_FILE_H

#include "layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct segment_file {
	uint8_t *base; /* the mapping, size_bytes long */
	uint64_t size_bytes;
	uint64_t cap_bytes; /* on populated bytes */
	uint64_t populated_bytes;
	uint64_t headroom_checked_bytes; /* cgroup was asked when populated_bytes was this */
	char path[320];                  /* final name */
};

/* The descriptor that holds the lock while a segment is born, else -1: a child forked just then
 * must close it, or the lock outlives its owner. */
extern volatile int segment_file_birth_fd;

/* Memory of the writer's own: zero in a forked child, not in core dumps. NULL on failure. */
void *private_map(size_t bytes);
void private_unmap(void *address, size_t bytes);

/* Whether so much more may be touched: at its limit the group of this process would lose one. */
bool segment_memory_allows(uint64_t bytes);

/* The directory for segments of this user: created if need be. */
int segment_file_directory(char *ret_path, size_t size);

/* Creates the hidden file of size_bytes, locked and mapped; nothing is populated. pid: for its
 * name, of the process whose memory it tells of. */
int segment_file_create(struct segment_file *file, pid_t pid, uint64_t identity,
                        uint64_t size_bytes, uint64_t cap_bytes);

/* Populates [offset, offset + bytes), page by page as needed. -ENOSPC: a limit was met; the range
 * must not be touched. */
int segment_file_populate(struct segment_file *file, uint64_t offset, uint64_t bytes);

/* Gives back what a failed populating may have got of a range that nobody uses. Whole pages. */
void segment_file_release(struct segment_file *file, uint64_t offset, uint64_t bytes);

/* Gives back what was populated. Whole pages; a hole afterwards, not to be touched. */
int segment_file_give_back(struct segment_file *file, uint64_t offset, uint64_t bytes);

/* Gives the file its name. */
int segment_file_publish(struct segment_file *file);

void segment_file_unlink(struct segment_file *file);
/* The same before it has its name: another may have it. */
void segment_file_abandon(struct segment_file *file);
void segment_file_unmap(struct segment_file *file);

/* Copies the file's populated parts (holes stay holes) to path, written beside it and renamed. */
int segment_file_copy(const struct segment_file *file, const char *path);

/* Removes segments of the dead of this user where there are more than 32 of them or 64 MiB; at
 * most 16 at a time. Best effort. */
void segment_file_reap(const char *directory);

#endif

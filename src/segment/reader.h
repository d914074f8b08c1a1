/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading segments from outside: finding them, telling the living from the dead, and taking exact
 * snapshots. Never writes to a segment and never maps one. Errors are negative errno values with a
 * sentence in `struct segment_reject`.
 */
#ifndef MESHTALLY_SEGMENT_READER_H
#define MESHTALLY_SEGMENT_READER_H

#include "view.h"

#include <sys/types.h>

struct segment_reject {
	char path[512];
	char reason[160]; /* "not a segment: bad magic", "a FIFO, not a file", ... */
};

/* The directories a reader looks in: $MESHTALLY_DIR alone if set, else every subdirectory of
 * /run/meshtally and every /dev/shm/meshtally-<uid> that it may read. Returns their number, at most
 * limit. */
size_t segment_dirs(char (*ret_paths)[256], size_t limit);

/* Calls found() for each *.seg of a directory, sorted by name; rejected (or NULL) for what cannot
 * be one. found() returning nonzero ends the scan with that value. */
int segment_dir_scan(const char *dir, int (*found)(const char *path, void *arg),
                     void (*rejected)(const struct segment_reject *, void *arg), void *arg);

/* Reads the segment at path. `owner` is the uid the file must belong to, or -1 for any. 0 and a
 * view to be destroyed by the caller, or a negative errno with the reason in ret_reject. */
int segment_view_load(const char *path, uid_t owner, enum view_depth depth,
                      struct segment_view **ret_view, struct segment_reject *ret_reject);

/* The same by a descriptor that was opened before, and stays the caller's: the segment may have no
 * name any more. `path` is for messages. */
int segment_view_load_fd(int fd, const char *path, enum view_depth depth,
                         struct segment_view **ret_view, struct segment_reject *ret_reject);

/*
 * Every live buffer of a segment one by one, in memory that does not grow with their number, for
 * millions of them. begin() gets a view with totals, which the numbers in the buffers refer to and
 * which lives until segment_stream_fd() returns; found() gets each buffer, which lives until found()
 * returns. One of them returning nonzero ends it with that value.
 *
 * Not a snapshot at one op number: a buffer that lives all the while is found once, one that comes
 * or goes meanwhile may be found or not. ret_off_by: how many events went on; 0: exact.
 */
struct segment_stream {
	int (*begin)(const struct segment_view *view, void *arg);
	int (*found)(const struct view_buffer *buffer, void *arg);
	void *arg;
};
int segment_stream_fd(int fd, const char *path, const struct segment_stream *stream,
                      uint64_t *ret_off_by, struct segment_reject *ret_reject);

/* The life of a segment alone, without reading more than its header. */
int segment_life(const char *path, enum view_life *ret_life, struct segment_process *ret_subject);

/* What the header alone tells, for whoever watches many. */
struct segment_peek {
	uint64_t identity, run_id, inode;
	uid_t owner; /* of the file */
	enum view_life life;
	bool writer_gone, is_proxy;
	uint32_t state; /* SEGMENT_STATE_* */
	struct segment_end end;
	struct segment_process subject;
	char comm[17];
};
int segment_peek(const char *path, struct segment_peek *ret_peek,
                 struct segment_reject *ret_reject);

/*
 * Images: raw copies of segments, such that the very code that reads a live segment reads them
 * later. A snapshot file holds any number; a plain segment file is one as well.
 */
struct segment_image;
int segment_image_take(const char *path, struct segment_image **ret_image,
                       struct segment_reject *ret_reject);
int segment_image_write(const struct segment_image *image, int fd);
void segment_image_destroy(struct segment_image *image);
/* Notes in the image, not in the segment, how the subject ended. Its life in views of the image is
 * that of an ended subject from then on. -EINVAL: end->realtime_ns is 0. */
int segment_image_end(struct segment_image *image, const struct segment_end *end);
/* Bytes that segment_image_write() will write. */
uint64_t segment_image_bytes(const struct segment_image *image);
/* Keeps the `buffers` largest of the live ones (by bytes over all members) and counts the others
 * without detail: totals and rows stay what they were. */
int segment_image_reduce(struct segment_image *image, uint32_t buffers);
/* Calls found() with each view in a snapshot file; the callee owns the view. */
int segment_file_read(const char *path, int (*found)(struct segment_view *view, void *arg),
                      void *arg, struct segment_reject *ret_reject);
/* For the fuzzer and the tests: a view of the bytes of one image in memory. What is missing at the
 * end of a plain segment is taken as zeros, so that small inputs do; of a file it is refused. */
int segment_view_parse(const void *bytes, size_t size, enum view_depth depth,
                       struct segment_view **ret_view, struct segment_reject *ret_reject);

#endif

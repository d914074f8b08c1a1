/* SPDX-License-Identifier: Apache-2.0 */
/* An image in memory, for the files that take, change, write and read images. */
#ifndef MESHTALLY_SEGMENT_READER_IMAGE_H
#define MESHTALLY_SEGMENT_READER_IMAGE_H

#include "reader_copy.h"

struct segment_image {
	struct reader_copy *copy;
};

/* Each image in a snapshot file; the callee owns the view. Nonzero ends it. */
int images_read(int fd, const char *path, int (*found)(struct segment_view *view, void *arg),
                void *arg, struct segment_reject *ret_reject);

#endif

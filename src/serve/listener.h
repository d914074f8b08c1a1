/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening Unix sockets with a name in the file system. A name that a dead server left is
 * replaced; one where somebody listens never is, nor anything that is not a socket. At the end the
 * name is removed, if it is still the one that was made here.
 */
#ifndef MESHTALLY_SERVE_LISTENER_H
#define MESHTALLY_SERVE_LISTENER_H

#include "text.h"

#include <stdint.h>
#include <sys/stat.h>

struct listener {
	int fd; /* non-blocking, close-on-exec; -1 none */
	char path[108];
	/* Of the name; 0: not ours to remove. While the socket is open no other name gets them. */
	uint64_t device, inode;
};

/* 0, or a negative errno with a sentence that says what to do; -EADDRINUSE: somebody listens. */
int listener_open(struct listener *ret, const char *path, mode_t mode, struct text *error);

/* Closes and removes the name. An fd of -1 is accepted. */
void listener_close(struct listener *listener);

#endif

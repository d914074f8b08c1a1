/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must outlive a fork and a restart of tracking: the names of kinds, the tag paths, which
 * space handles were ever given out, and how the open spaces were described. In ordinary memory,
 * so that a forked child can replay it into a segment of its own. Calls are serialised by the
 * client's lock; every change becomes visible by one last store, as a fork may come between any
 * two.
 */
#ifndef MESHTALLY_CLIENT_REGISTRY_H
#define MESHTALLY_CLIENT_REGISTRY_H

#include "writer.h"

/* 0, or -ENOMEM. May be called again. */
int registry_init(void);

uint32_t registry_kind(const char *name, bool *ret_new);
const char *registry_kind_name(uint32_t kind);
uint32_t registry_kind_count(void);

/* The tag of a path; 0: no more room. *ret_new: it was not known before. */
mt_tag registry_tag(mt_tag parent, const char *name, bool *ret_new);
mt_tag registry_tag_parent(mt_tag tag);
bool registry_tag_known(mt_tag tag);

/* A handle that was never given out, whose entry is free in w's table; 0: none. */
uint32_t registry_handle(struct writer *w, bool unique);
bool registry_handle_known(uint32_t handle);

void registry_keep_device(uint32_t handle, const struct mt_device *device);
void registry_keep_mesh(uint32_t handle, const struct mt_mesh *mesh);
void registry_forget(uint32_t handle);
void registry_forget_all(void);

/* Puts kinds, tags and open spaces into a new segment of a forked child. */
void registry_replay(struct writer *w, uint16_t space_flags);
/* Puts kinds and tags alone. */
void registry_replay_names(struct writer *w);

#endif

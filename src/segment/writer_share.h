/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What making divided records (writer_share.c) and freeing them (writer_share_free.c) have in
 * common: shares, the rows of members, backing and LOCAL records. For these two files only.
 */
#ifndef MESHTALLY_SEGMENT_WRITER_SHARE_H
#define MESHTALLY_SEGMENT_WRITER_SHARE_H

#include "writer_internal.h"
#include "writer_slot.h"

struct segment_shares *shares_of(struct writer *w, struct index_entry *entry, bool *ret_fresh);
struct index_entry *backing_find(struct writer *w, uint64_t id, uint32_t device,
                                 uint32_t *ret_member);
struct index_entry *local_find(struct writer *w, uint64_t parent, uint32_t device, uint32_t slot);
struct index_entry *entry_of_slot(struct writer *w, uint32_t slot_number);
void share_book(struct writer *w, uint32_t slot_number, uint32_t member, bool in);
void record_divide(struct writer *w, uint32_t slot_number);
void share_event(struct writer *w, uint64_t op, uint32_t slot, uint32_t member, uint64_t time);
void shares_set_gone(struct segment_shares *shares, uint32_t member);

#endif

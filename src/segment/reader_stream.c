/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every live buffer one by one: see reader.h. The tables are copied and parsed as for totals; then
 * the slots are walked once, and what is a record of the op of the totals, or an earlier one, and
 * is still live, is handed on. Nothing is kept of it but for backing and LOCAL records: which
 * shares those have taken over is known at the end, and then the backing ones are walked again.
 */
#include "reader_image.h"
#include "reader_record.h"
#include "reader_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

struct stream {
	struct slot_walk walk; /* first: found() is given this */
	struct parse p;
	const struct segment_stream *to;
	bool counts_only; /* nothing is handed on */
	bool was_ended;   /* by the caller */
	struct takeovers takeovers;
	uint64_t *waiting; /* slots of backing records */
	uint32_t next_backing;
	struct view_buffer buffer;
};

static int pass_on(struct stream *s, const struct record *record)
{
	int result = record_count(&s->p, record);

	if (result <= 0 || s->counts_only)
		return result < 0 ? result : 0;
	memset(&s->buffer, 0, sizeof s->buffer);
	result = record_fill(&s->p, record, &s->buffer);
	if (result == 0) {
		result = s->to->found(&s->buffer, s->to->arg);
		s->was_ended = result != 0;
	}
	return result;
}

/* False: freed meanwhile, or not to be made sense of. */
static bool record_make(struct stream *s, const struct segment_slot *slot, uint32_t number,
                        const struct segment_detail *given, struct segment_detail *detail,
                        struct record *record, int *ret_error)
{
	int has_detail;

	s->p.copy->shares.count = 0; /* those of the record before */
	has_detail = walk_detail(&s->walk, slot, number, given, detail);
	*ret_error = has_detail < 0 && has_detail != -ESTALE ? has_detail : 0;
	return has_detail >= 0 &&
	       record_init(&s->p, slot, number, has_detail ? detail : NULL, record);
}

static int found_first(struct slot_walk *walk, const struct segment_slot *slot, uint32_t number,
                       const struct segment_detail *given)
{
	struct stream *s = (struct stream *)walk;
	struct segment_detail detail;
	struct record record;
	int result;

	if (!record_make(s, slot, number, given, &detail, &record, &result))
		return result;
	result = takeovers_note(&s->takeovers, &record, number);
	if (result < 0)
		return result;
	if (result == 0)
		return pass_on(s, &record);
	bit_put(s->waiting, number, true);
	return 0;
}

/* Backing records come in the order in which they were noted. */
static int found_waiting(struct slot_walk *walk, const struct segment_slot *slot, uint32_t number,
                         const struct segment_detail *given)
{
	struct stream *s = (struct stream *)walk;
	const struct backing *backings = s->takeovers.backings;
	struct segment_detail detail;
	struct record record;
	int result;

	while (s->next_backing < s->takeovers.backing_count &&
	       backings[s->next_backing].key < number)
		s->next_backing++;
	if (s->next_backing == s->takeovers.backing_count ||
	    !record_make(s, slot, number, given, &detail, &record, &result))
		return s->next_backing == s->takeovers.backing_count ? 0 : result;
	if (backings[s->next_backing].id == slot->id &&
	    backings[s->next_backing].space == record.info->space)
		takeovers_apply(&s->takeovers, s->next_backing, &record);
	return pass_on(s, &record);
}

static int walk_all(struct slot_walk *walk)
{
	uint32_t word = 0, words;
	int result = 0;

	while (result == 0 && (words = walk_next(walk, &word)) != 0) {
		result = walk_run(walk, word, words);
		word += words;
	}
	return result;
}

/* All records once. */
static int pass(struct stream *s)
{
	struct slot_walk *walk = &s->walk;
	uint64_t *bitmap = walk->bitmap;
	int result;

	s->takeovers = (struct takeovers){.view = s->p.view};
	s->next_backing = 0;
	memset(s->waiting, 0, walk_words(walk) * sizeof *s->waiting);
	walk->found = found_first;
	result = walk_all(walk);
	if (result == 0)
		result = takeovers_settle(&s->takeovers);
	if (result == 0 && s->takeovers.backing_count != 0) {
		walk->found = found_waiting;
		walk->bitmap = s->waiting;
		result = walk_all(walk);
		walk->bitmap = bitmap;
	}
	takeovers_finish(&s->takeovers);
	return result;
}

static int memory_take(struct stream *s, struct reader_copy *copy)
{
	int error = walk_init(&s->walk, copy, found_first);

	s->walk.only_live = !copy_is_dead(copy);
	if (error == 0)
		error = blocks_window(copy);
	s->waiting = arena_take(copy->arena, walk_words(&s->walk), sizeof *s->waiting);
	s->p.member_room = arena_take(copy->arena, SEGMENT_MAX_MEMBERS, sizeof(uint64_t));
	return error != 0 ? error : s->waiting != NULL && s->p.member_room != NULL ? 0 : -ENOMEM;
}

/* Totals of the dead are those of their records, which takes a pass of its own. */
static int totals_make(struct stream *s, struct reader_copy *copy)
{
	int error = parse_begin(&s->p, copy, VIEW_TOTALS, copy_is_dead(copy));

	if (error == 0)
		error = parse_tables(&s->p);
	if (error == 0)
		error = memory_take(s, copy);
	if (error == 0 && s->p.recount) {
		s->counts_only = true;
		error = pass(s);
		s->counts_only = false;
	}
	if (error == 0)
		error = parse_totals(&s->p);
	s->p.recount = false;
	return error;
}

/* Events that were not there yet when the totals were copied, and have been given out by now. */
static uint64_t off_by(const struct stream *s)
{
	const struct reader_copy *copy = s->p.copy;
	uint64_t reserve;

	if (copy_is_dead(copy))
		return s->p.view->off_by_events;
	reserve = copy_words(copy).reserve;
	return reserve > copy->op ? reserve - copy->op : 0;
}

static int stream_copy(struct reader_copy *copy, const struct segment_stream *to,
                       uint64_t *ret_off_by, bool *ret_was_ended)
{
	struct stream s = {.to = to};
	int result = totals_make(&s, copy);

	if (result == 0) {
		result = to->begin(s.p.view, to->arg);
		s.was_ended = result != 0;
	}
	if (result == 0)
		result = pass(&s);
	if (result == 0)
		*ret_off_by = off_by(&s);
	*ret_was_ended = s.was_ended;
	segment_view_destroy(s.p.view);
	return result;
}

static int stream_segment(int fd, const char *path, const struct segment_stream *to,
                          uint64_t *ret_off_by, struct segment_reject *ret_reject)
{
	bool was_ended = false;
	struct reader_copy *copy;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), result;

	if (own < 0)
		return reject(ret_reject, -errno, path, "too many open files");
	result = copy_take_totals(own, path, &copy, ret_reject);
	if (result != 0)
		return result;
	result = stream_copy(copy, to, ret_off_by, &was_ended);
	copy_destroy(copy);
	if (result != 0 && !was_ended)
		reject(ret_reject, result, path, "cannot be read: %s", strerror(-result));
	return result;
}

/* --- snapshot files ------------------------------------------------------------------------- */

struct image_stream {
	const struct segment_stream *to;
	uint64_t off_by;
};

static int found_image(struct segment_view *view, void *arg)
{
	struct image_stream *images = arg;
	const struct segment_stream *to = images->to;
	int result = to->begin(view, to->arg);

	for (uint32_t i = 0; i < view->buffer_count && result == 0; i++)
		result = to->found(&view->buffers[i], to->arg);
	images->off_by += view->off_by_events;
	segment_view_destroy(view);
	return result;
}

int segment_stream_fd(int fd, const char *path, const struct segment_stream *stream,
                      uint64_t *ret_off_by, struct segment_reject *ret_reject)
{
	struct image_stream images = {.to = stream};
	uint64_t magic;
	int result;

	source_read(fd, &magic, 0, sizeof magic);
	if (magic != SNAPSHOT_MAGIC)
		return stream_segment(fd, path, stream, ret_off_by, ret_reject);
	result = images_read(fd, path, found_image, &images, ret_reject);
	if (result == 0)
		*ret_off_by = images.off_by;
	return result;
}

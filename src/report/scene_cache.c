/* SPDX-License-Identifier: Apache-2.0 */
#include "scene_cache.h"

#include "lookup.h"
#include "memory.h"
#include "scene.h"
#include "scene_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What of a header changes with whatever happens to a segment. */
#define WORDS_OFFSET __builtin_offsetof(struct segment_header, reserve)
#define WORDS_BYTES  (__builtin_offsetof(struct segment_header, kind_names) - WORDS_OFFSET)

struct entry {
	char *path;
	uid_t owner;
	int fd;                    /* -1: could not be had */
	struct segment_view *view; /* NULL: not read yet, or cannot be */
	struct segment_reject reject;
	bool rejected;
	uint64_t round;             /* it was there in this one */
	uint8_t words[WORDS_BYTES]; /* as they were before it was loaded */
};

struct scene_cache {
	struct scene_cache_hooks hooks;
	struct scene_cache_stats stats;
	VEC(struct entry) entries;
	struct lookup by_path;
	uint64_t round;
	uid_t owner;         /* of the directory that is being scanned */
	struct scene *scene; /* that rejects are told to; NULL none */
};

static bool same_path(const void *elements, size_t position, const void *key)
{
	return strcmp(((const struct entry *)elements + position)->path, key) == 0;
}

struct scene_cache *scene_cache_create(const struct scene_cache_hooks *hooks)
{
	struct scene_cache *cache = mem_calloc(1, sizeof(*cache));

	cache->hooks = *hooks;
	cache->by_path.same = same_path;
	return cache;
}

static void entry_finish(struct entry *entry)
{
	segment_view_destroy(entry->view);
	if (entry->fd >= 0)
		close(entry->fd);
	free(entry->path);
}

void scene_cache_destroy(struct scene_cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < cache->entries.count; i++)
		entry_finish(&cache->entries.items[i]);
	vec_finish(&cache->entries);
	lookup_finish(&cache->by_path);
	free(cache);
}

/* Only what the reader would open, too. */
static int open_segment(const char *path, uid_t owner)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
	                (owner != (uid_t)-1 && status.st_uid != owner))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int note_file(const char *path, void *arg)
{
	struct scene_cache *cache = arg;
	size_t at = lookup_place(&cache->by_path, cache->entries.items, path, hash_string(0, path),
	                         cache->entries.count);
	struct entry *entry;

	if (at == cache->entries.count) {
		entry = vec_add(&cache->entries);
		entry->path = mem_strdup(path);
		entry->owner = cache->owner;
		entry->fd = open_segment(path, cache->owner);
	}
	cache->entries.items[at].round = cache->round;
	return 0;
}

static void note_reject(const struct segment_reject *reject, void *arg)
{
	struct scene_cache *cache = arg;

	if (cache->scene != NULL)
		*vec_add(&cache->scene->rejects) = *reject;
}

/* A last look at a segment that has no name any more. */
static void look_last(struct scene_cache *cache, struct entry *entry)
{
	struct segment_view *last;
	struct segment_reject reject;

	if (entry->fd < 0 ||
	    segment_view_load_fd(entry->fd, entry->path, VIEW_TOTALS, &last, &reject) != 0)
		return;
	segment_view_destroy(entry->view);
	entry->view = last;
	cache->stats.read++;
	cache->hooks.loaded(cache->hooks.arg, last);
}

/* That a scan has not found it may be for want of a descriptor. */
static bool is_gone(const struct entry *entry)
{
	struct stat status;

	if (entry->fd >= 0)
		return fstat(entry->fd, &status) == 0 && status.st_nlink == 0;
	return access(entry->path, F_OK) != 0 && errno == ENOENT;
}

static void drop_gone(struct scene_cache *cache)
{
	size_t kept = 0;

	for (size_t i = 0; i < cache->entries.count; i++) {
		struct entry *entry = &cache->entries.items[i];

		if (entry->round == cache->round || !is_gone(entry)) {
			cache->entries.items[kept++] = *entry;
			continue;
		}
		look_last(cache, entry);
		if (entry->view != NULL)
			cache->hooks.gone(cache->hooks.arg, entry->view);
		entry_finish(entry);
	}
	if (kept == cache->entries.count)
		return;
	cache->entries.count = kept;
	lookup_finish(&cache->by_path);
	cache->by_path.same = same_path;
	for (size_t i = 0; i < kept; i++)
		lookup_place(&cache->by_path, cache->entries.items, cache->entries.items[i].path,
		             hash_string(0, cache->entries.items[i].path), i);
}

static void scan(struct scene_cache *cache, const char (*dirs)[256], size_t count)
{
	cache->round++;
	for (size_t i = 0; i < count; i++) {
		cache->owner = scene_owner(dirs[i]);
		segment_dir_scan(dirs[i], note_file, note_reject, cache);
	}
	drop_gone(cache);
}

static bool words_read(const struct entry *entry, uint8_t (*ret_words)[WORDS_BYTES])
{
	return entry->fd >= 0 && pread(entry->fd, *ret_words, WORDS_BYTES, (off_t)WORDS_OFFSET) ==
	                                 (ssize_t)WORDS_BYTES;
}

/* The words are read before the segment: what happens in between is seen the next time. */
static bool is_as_before(struct entry *entry)
{
	uint8_t words[WORDS_BYTES];
	enum view_life life;
	bool known = words_read(entry, &words);
	bool same = known && memcmp(words, entry->words, sizeof(words)) == 0;

	if (known)
		memcpy(entry->words, words, sizeof(words));
	if (!same || (entry->view == NULL && !entry->rejected))
		return false;
	if (entry->view == NULL)
		return true; /* it could not be read, and is what it was */
	return entry->view->exact && segment_life(entry->path, &life, NULL) == 0 &&
	       life == entry->view->life;
}

/* -ENOENT: its program ended just now; the next scan finds it gone. */
static void take_file(struct scene_cache *cache, struct entry *entry, struct scene_file *file)
{
	if (file->error == -ENOENT)
		return;
	segment_view_destroy(entry->view);
	entry->view = file->error == 0 ? file->view : NULL;
	entry->rejected = file->error != 0;
	cache->stats.read++;
	if (entry->view == NULL) {
		entry->reject = file->reject;
		snprintf(entry->reject.path, sizeof(entry->reject.path), "%s", entry->path);
		return;
	}
	cache->hooks.loaded(cache->hooks.arg, entry->view);
}

static bool is_of_proxy(const struct scene_file *file)
{
	return file->error == 0 && file->view->is_proxy;
}

static void load_changed(struct scene_cache *cache)
{
	VEC(struct scene_file) files = {0};
	VEC(size_t) of = {0};
	struct entry *entry;

	vec_for (entry, &cache->entries) {
		struct scene_file *file;

		if (is_as_before(entry)) {
			cache->stats.reused++;
			continue;
		}
		file = vec_add(&files);
		file->path = entry->path;
		file->owner = entry->owner;
		*vec_add(&of) = (size_t)(entry - cache->entries.items);
	}
	scene_load(files.items, files.count, VIEW_TOTALS);
	/* What processes say themselves comes first: beside it the others are witnesses. */
	for (int proxies = 0; proxies < 2; proxies++)
		for (size_t i = 0; i < files.count; i++)
			if (is_of_proxy(&files.items[i]) == (proxies != 0))
				take_file(cache, &cache->entries.items[of.items[i]],
				          &files.items[i]);
	vec_finish(&files);
	vec_finish(&of);
}

void scene_cache_read(struct scene_cache *cache, struct scene *scene)
{
	struct entry *entry;

	cache->scene = scene;
	scan(cache, scene->dirs, scene->dir_count);
	load_changed(cache);
	vec_for (entry, &cache->entries) {
		if (entry->view == NULL) {
			if (entry->rejected)
				*vec_add(&scene->rejects) = entry->reject;
			continue;
		}
		*vec_add(&scene->views) = segment_view_hold(entry->view);
	}
	cache->stats.rejected = scene->rejects.count;
	cache->scene = NULL;
}

void scene_cache_sweep(struct scene_cache *cache)
{
	char dirs[SCENE_MAX_DIRS][256];
	size_t count = segment_dirs(dirs, SCENE_MAX_DIRS);

	scan(cache, dirs, count);
}

static const struct entry *find_view(const struct scene_cache *cache, uint64_t identity)
{
	const struct entry *entry;

	vec_for (entry, &cache->entries)
		if (entry->view != NULL && entry->view->identity == identity)
			return entry;
	return NULL;
}

int scene_cache_stream(struct scene_cache *cache, uint64_t identity,
                       const struct segment_stream *stream, uint64_t *ret_off_by,
                       struct segment_reject *ret_reject)
{
	const struct entry *entry = find_view(cache, identity);
	char *path;
	int fd, result;

	if (entry == NULL)
		return -ENOENT;
	/* All of our own: the entry may go, or move, when totals are read meanwhile. */
	fd = entry->fd >= 0 ? fcntl(entry->fd, F_DUPFD_CLOEXEC, 0)
	                    : open_segment(entry->path, entry->owner);
	if (fd < 0)
		return -ENOENT;
	path = mem_strdup(entry->path);
	result = segment_stream_fd(fd, path, stream, ret_off_by, ret_reject);
	free(path);
	close(fd);
	return result;
}

struct scene_cache_stats scene_cache_stats(const struct scene_cache *cache)
{
	return cache->stats;
}

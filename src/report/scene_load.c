/* SPDX-License-Identifier: Apache-2.0 */
#include "scene_load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* Of totals alone a file takes so little that a thread has to read some of them to be worth it. */
enum { MAX_THREADS = 8, TOTALS_PER_THREAD = 16 };

struct loading {
	struct scene_file *files;
	size_t count;
	enum view_depth depth;
	atomic_size_t next; /* the file that is read next, by whichever thread */
};

static void *load_files(void *arg)
{
	struct loading *loading = arg;
	size_t at;

	while ((at = atomic_fetch_add(&loading->next, 1)) < loading->count) {
		struct scene_file *file = &loading->files[at];

		file->error = segment_view_load(file->path, file->owner, loading->depth,
		                                &file->view, &file->reject);
	}
	return NULL;
}

static size_t thread_count(const struct loading *loading)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t wanted = loading->depth == VIEW_BUFFERS ? loading->count
	                                               : loading->count / TOTALS_PER_THREAD;

	if (processors < 1 || wanted < 1)
		return 1;
	if (wanted > (size_t)processors)
		wanted = (size_t)processors;
	return wanted < MAX_THREADS ? wanted : MAX_THREADS;
}

void scene_load(struct scene_file *files, size_t count, enum view_depth depth)
{
	struct loading loading = {.files = files, .count = count, .depth = depth};
	size_t wanted = thread_count(&loading), started = 0;
	pthread_t threads[MAX_THREADS];

	while (started + 1 < wanted &&
	       pthread_create(&threads[started], NULL, load_files, &loading) == 0)
		started++;
	load_files(&loading);
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

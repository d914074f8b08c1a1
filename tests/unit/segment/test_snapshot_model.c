/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots of a writer that does not stop, against what it did: a process calls the public API at
 * full speed and logs each call; every view must be the replayed log at exactly view->op.
 */
#define MT_NO_INLINE_GATE
#include "build_segment.h"
#include "meshtally.h"
#include "reader.h"
#include "snapshot_model.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Calls that go on while a view is taken: fewer than freed slots wait in quarantine. */
enum { BURST_CALLS = 500 };

struct writer_state {
	struct model_log *log;
	struct model *mirror; /* what this process has done */
	const struct segment_header *header;
	uint64_t random, counter;
	mt_space devices[MODEL_DEVICES], mesh, scratch;
	uint32_t scratch_calls;
	uint32_t places; /* that are in use: about half of them live */
	bool alike;      /* no record is divided, and every size fits an event */
	void (*step)(struct writer_state *w);
};

static uint64_t random_next(struct writer_state *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random * 0x2545f4914f6cdd1dull >> 16;
}

/* --- the writing process -------------------------------------------------------------------- */

static struct entry *entry_begin(struct writer_state *w, enum entry_type type)
{
	struct model_log *log = w->log;
	struct entry *entry = &log->entries[log->count % LOG_ENTRIES];

	while (!__atomic_load_n(&log->run, __ATOMIC_ACQUIRE) ||
	       log->count >= __atomic_load_n(&log->limit, __ATOMIC_ACQUIRE) ||
	       log->count - __atomic_load_n(&log->taken, __ATOMIC_ACQUIRE) >= LOG_ENTRIES - 1) {
		__atomic_store_n(&log->idle, 1, __ATOMIC_RELEASE);
		sched_yield();
	}
	__atomic_store_n(&log->idle, 0, __ATOMIC_SEQ_CST);
	memset(entry, 0, sizeof *entry);
	entry->type = (uint8_t)type;
	return entry;
}

static void entry_end(struct writer_state *w, struct entry *entry, mt_result result)
{
	if (result >= MT_DUPLICATE) {
		fprintf(stderr, "writer: %s (call %d)\n", mt_result_name(result), entry->type);
		_exit(3);
	}
	entry->op = __atomic_load_n(&w->header->commit, __ATOMIC_ACQUIRE);
	if (w->mirror)
		model_apply(w->mirror, entry);
	__atomic_store_n(&w->log->count, w->log->count + 1, __ATOMIC_RELEASE);
}

static void do_alloc(struct writer_state *w, uint32_t place, mt_space space, uint32_t flags,
                     uint32_t backing)
{
	struct entry *entry = entry_begin(w, backing ? ENTRY_LOCAL : ENTRY_ALLOC);
	struct mt_buffer buffer = {.struct_size = sizeof buffer, .space = space, .flags = flags};

	entry->id = buffer.id = ++w->counter << 20 | place;
	entry->space = space;
	entry->kind = w->alike ? MT_L1 : (uint8_t)(random_next(w) % MODEL_KINDS);
	entry->bytes = (random_next(w) % 512 + 1) * 32;
	if (!w->alike && random_next(w) % 16 == 0)
		entry->bytes = random_next(w) % (1 << 26) | 0x1000001;
	buffer.bytes = entry->bytes;
	entry->span = buffer.span = random_next(w) % 4 ? (buffer.bytes + 7) / 8 : 0;
	buffer.address = (uint64_t)place * 64;
	buffer.site = "test_snapshot_model.c";
	if (backing) {
		const struct model_record *record = &w->mirror->records[backing - 1];

		entry->other = backing - 1;
		entry->kind = record->kind;
		entry->bytes = buffer.bytes = record->bytes;
		entry->span = buffer.span = record->span;
		entry->member = 0;
		while (w->devices[entry->member] != space)
			entry->member++;
		buffer.parent = record->id;
	}
	buffer.kind = entry->kind;
	entry_end(w, entry, mt_alloc(&buffer));
}

static void do_free(struct writer_state *w, uint32_t place)
{
	struct entry *entry = entry_begin(w, ENTRY_FREE);
	const struct model_record *record = &w->mirror->records[place];

	entry->id = record->id;
	entry_end(w, entry, mt_free(record->space, record->id));
}

static void do_move(struct writer_state *w, uint32_t place, mt_space to)
{
	struct entry *entry = entry_begin(w, ENTRY_MOVE);
	const struct model_record *record = &w->mirror->records[place];

	entry->id = record->id;
	entry->space = to;
	entry_end(w, entry, mt_move(record->space, record->id, to, 0));
}

static void do_free_on(struct writer_state *w, uint32_t place, uint32_t member)
{
	struct entry *entry = entry_begin(w, ENTRY_FREE_ON);
	const struct model_record *record = &w->mirror->records[place];

	entry->id = record->id;
	entry->member = (uint8_t)member;
	entry_end(w, entry, mt_free_on(record->space, record->id, w->devices[member]));
}

static mt_space do_open(struct writer_state *w, int32_t device)
{
	struct entry *entry = entry_begin(w, ENTRY_OPEN);
	uint32_t index = device < 0 ? 0 : (uint32_t)device;
	struct mt_memory memories[2] = {
		{.kind = MT_DRAM, .banks = model_banks(0, index), .bank_bytes = 1ull << 42},
		{.kind = MT_L1, .banks = model_banks(1, index), .bank_bytes = 1ull << 42}};
	struct mt_device opening = {.struct_size = sizeof opening,
	                            .ordinal = device,
	                            .unique_id = 100u + index,
	                            .memories = memories,
	                            .memory_count = 2};
	struct mt_mesh mesh = {.struct_size = sizeof mesh,
	                       .rows = 1,
	                       .columns = MODEL_DEVICES,
	                       .devices = w->devices};

	entry->space = device < 0 ? mt_mesh_open(&mesh) : mt_device_open(&opening);
	entry->other = (uint32_t)device;
	entry_end(w, entry, entry->space ? MT_OK : MT_FULL);
	return entry->space;
}

/* Allocates in or frees a random place: half of them are live in the long run. */
static void step_plain(struct writer_state *w)
{
	uint32_t place = (uint32_t)(random_next(w) % w->places);
	uint32_t where = (uint32_t)(random_next(w) % (MODEL_DEVICES + 1));

	if (w->mirror->records[place].live)
		do_free(w, place);
	else
		do_alloc(w, place, where < MODEL_DEVICES ? w->devices[where] : w->mesh, 0, 0);
}

/* From device to device, of which one has fewer banks. */
static void step_moves(struct writer_state *w)
{
	uint32_t place = (uint32_t)(random_next(w) % w->places);
	uint32_t where = (uint32_t)(random_next(w) % MODEL_DEVICES);

	if (!w->mirror->records[place].live)
		do_alloc(w, place, w->devices[where], 0, 0);
	else if (random_next(w) % 4 == 0)
		do_free(w, place);
	else if (w->mirror->records[place].space != w->devices[where])
		do_move(w, place, w->devices[where]);
}

static void step_alike(struct writer_state *w)
{
	w->alike = true;
	step_plain(w);
}

/* Places [0, places) are of the mesh; for LOCAL records of a place, four behind them. */
static void step_shares(struct writer_state *w)
{
	uint32_t place = (uint32_t)(random_next(w) % w->places);
	uint32_t member = (uint32_t)(random_next(w) % MODEL_DEVICES);
	uint32_t local = w->places + place * MODEL_DEVICES + member;
	const struct model_record *record = &w->mirror->records[place];
	uint64_t what = random_next(w) % 8;

	if (!record->live) {
		do_alloc(w, place, w->mesh, place % 2 ? MT_BACKING : 0, 0);
	} else if (what == 0) {
		do_free(w, place);
	} else if (w->mirror->records[local].live) {
		if (what < 4)
			do_free(w, local);
	} else if (!(record->gone >> member & 1)) {
		if (place % 2 && what < 6)
			do_alloc(w, local, w->devices[member], MT_LOCAL, place + 1);
		else
			do_free_on(w, place, member);
	}
}

static void scratch_close(struct writer_state *w, uint32_t places)
{
	struct entry *entry = entry_begin(w, ENTRY_CLOSE);

	entry->space = w->scratch;
	entry_end(w, entry, mt_close(w->scratch, 0));
	/* What was left is freed late. */
	for (uint32_t i = 0; i < places; i++)
		if (w->mirror->records[i].live && w->mirror->records[i].space == w->scratch)
			do_free(w, i);
	w->scratch = 0;
}

/* Opens a space, uses it, makes it ready, closes it with something in it; again and again. */
static void step_spaces(struct writer_state *w)
{
	uint32_t place = (uint32_t)(random_next(w) % w->places);
	struct entry *entry;

	if (!w->scratch) {
		w->scratch = do_open(w, random_next(w) % 2 ? 1 : -1);
		w->scratch_calls = 0;
	} else if (w->mirror->records[place].live) {
		do_free(w, place);
	} else if (random_next(w) % 64 == 0) {
		entry = entry_begin(w, ENTRY_READY);
		entry->space = w->scratch;
		/* Only the first time it changes anything. */
		entry->type = w->scratch_calls >> 31 ? ENTRY_OTHER : ENTRY_READY;
		w->scratch_calls |= 1u << 31;
		entry_end(w, entry, mt_ready(w->scratch));
	} else if ((++w->scratch_calls & 0x7fffffff) > 200) {
		scratch_close(w, w->places);
	} else {
		do_alloc(w, place, w->scratch, 0, 0);
	}
}

static const struct segment_header *own_header(void)
{
	DIR *dir = opendir(getenv("MESHTALLY_DIR"));
	const struct segment_header *header = MAP_FAILED;
	struct dirent *entry;
	char prefix[32];

	snprintf(prefix, sizeof prefix, "%d-", (int)getpid());
	while (dir && header == MAP_FAILED && (entry = readdir(dir))) {
		int fd;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		header = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (header == MAP_FAILED)
		_exit(4);
	closedir(dir);
	return header;
}

static void writer_main(struct model_log *log, uint32_t places,
                        void (*step)(struct writer_state *w))
{
	static struct model mirror;
	struct writer_state w = {.log = log,
	                         .mirror = &mirror,
	                         .random = 0x9e3779b97f4a7c15u,
	                         .places = places,
	                         .step = step};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mt_enable(1, NULL, NULL);
	w.header = own_header();
	for (int32_t i = 0; i < MODEL_DEVICES; i++)
		w.devices[i] = do_open(&w, i);
	w.mesh = do_open(&w, -1);
	__atomic_store_n(&log->ready, 1, __ATOMIC_RELEASE);
	for (;;)
		step(&w);
}

/* --- the test ------------------------------------------------------------------------------- */

struct run {
	struct model_log *log;
	struct model *model;
	pid_t pid;
	char path[256];
	uint64_t exact, between, inexact, incomplete;
};

static int path_found(const char *path, void *arg)
{
	struct run *run = arg;

	snprintf(run->path, sizeof run->path, "%s", path);
	return 0;
}

static void log_pause(struct run *run)
{
	__atomic_store_n(&run->log->run, 0, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&run->log->idle, __ATOMIC_ACQUIRE)) {
		if (waitpid(run->pid, NULL, WNOHANG) == run->pid)
			fail_msg("the writer has ended");
		sched_yield();
	}
}

/* At most so many calls. */
static void log_go(struct run *run, uint64_t calls)
{
	__atomic_store_n(&run->log->limit, calls < UINT64_MAX ? run->log->count + calls : calls,
	                 __ATOMIC_RELEASE);
	__atomic_store_n(&run->log->idle, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&run->log->run, 1, __ATOMIC_RELEASE);
}

/* Replays up to op, or all. */
static void log_replay(struct run *run, uint64_t op)
{
	uint64_t count = __atomic_load_n(&run->log->count, __ATOMIC_ACQUIRE);

	while (run->log->taken < count) {
		const struct entry *entry = &run->log->entries[run->log->taken % LOG_ENTRIES];

		if (entry->op > op)
			return;
		model_apply(run->model, entry);
		__atomic_store_n(&run->log->taken, run->log->taken + 1, __ATOMIC_RELEASE);
	}
}

static void log_advance(struct run *run, uint64_t calls)
{
	uint64_t until = __atomic_load_n(&run->log->count, __ATOMIC_ACQUIRE) + calls;

	while (__atomic_load_n(&run->log->count, __ATOMIC_ACQUIRE) < until) {
		if (waitpid(run->pid, NULL, WNOHANG) == run->pid)
			fail_msg("the writer has ended");
		if (run->log->count - run->log->taken > LOG_ENTRIES / 2)
			log_replay(run, UINT64_MAX);
		sched_yield();
	}
}

static pid_t writer_pid; /* ended by the teardown where a test did not come to it */

static void run_start(struct run *run, uint32_t places, void (*step)(struct writer_state *w))
{
	memset(run, 0, sizeof *run);
	run->log = mmap(NULL, sizeof *run->log, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	                -1, 0);
	run->model = mmap(NULL, sizeof *run->model, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(run->log != MAP_FAILED && run->model != MAP_FAILED);
	setenv("MESHTALLY_DIR", test_dir(), 1);
	run->log->run = 1;
	run->log->limit = UINT64_MAX;
	run->pid = fork();
	if (run->pid == 0)
		writer_main(run->log, places, step);
	writer_pid = run->pid;
	while (!__atomic_load_n(&run->log->ready, __ATOMIC_ACQUIRE)) {
		if (waitpid(run->pid, NULL, WNOHANG) == run->pid)
			fail_msg("the writer did not begin");
		sched_yield();
	}
	segment_dir_scan(test_dir(), path_found, NULL, run);
	log_advance(run, 3ull * places);
}

static void run_end(struct run *run)
{
	kill(run->pid, SIGKILL);
	waitpid(run->pid, NULL, 0);
	writer_pid = 0;
	printf("  exact %llu, between two batches of a call %llu, inexact %llu; buffers without "
	       "detail %llu\n",
	       (unsigned long long)run->exact, (unsigned long long)run->between,
	       (unsigned long long)run->inexact, (unsigned long long)run->incomplete);
	munmap(run->log, sizeof *run->log);
	munmap(run->model, sizeof *run->model);
	test_dir_remove();
}

static struct segment_view *snapshot(struct run *run, enum view_depth depth)
{
	struct segment_reject why = {.reason = ""};
	struct segment_view *view = NULL;

	if (segment_view_load(run->path, getuid(), depth, &view, &why) != 0)
		fail_msg("%s: %s", why.path, why.reason);
	return view;
}

/* The writer stands; the view was taken while it ran. */
static void view_check(struct run *run, struct segment_view *view)
{
	const char *what = NULL;

	if (view->corrupt_records)
		fail_msg("%llu corrupt records", (unsigned long long)view->corrupt_records);
	if (view->counters_differ)
		fail_msg("counters differ at op %llu", (unsigned long long)view->op);
	log_replay(run, view->op);
	for (uint32_t i = 0; i < view->buffer_count; i++)
		run->incomplete += view->buffers[i].incomplete;
	if (!view->exact) {
		run->inexact++;
	} else if (run->model->op != view->op) {
		run->between++;
	} else {
		what = model_compare(run->model, view);
		run->exact++;
	}
	if (what)
		fail_msg("snapshot %llu: %s", (unsigned long long)run->exact, what);
	segment_view_destroy(view);
	log_replay(run, UINT64_MAX);
}

/* Half of the views are taken of a writer at full speed. Of a record that is divided, or of a size
 * that fits no event, the slot is needed, and a writer at some 10 million operations per second, or
 * one that runs while the reader is kept from its processor, may have overwritten it before the
 * reader comes to it: such a view must say that it is not exact. The other half are of one that
 * does no more meanwhile than ring and quarantine hold: these must be exact. */
static void run_snapshots(uint32_t places, void (*step)(struct writer_state *w), int rounds)
{
	struct run run;

	run_start(&run, places, step);
	for (int i = 0; i < rounds; i++) {
		uint64_t before = run.inexact, calls = 1 + (uint64_t)i % 100;
		struct segment_view *view;

		log_go(&run, i % 2 ? UINT64_MAX : calls + BURST_CALLS);
		log_advance(&run, calls);
		view = snapshot(&run, i % 5 == 4 ? VIEW_TOTALS : VIEW_BUFFERS);
		log_pause(&run);
		view_check(&run, view);
		assert_true(i % 2 || run.inexact == before);
	}
	assert_true(run.exact > 0);
	run_end(&run);
}

static void few_buffers(void **state)
{
	(void)state;
	run_snapshots(20, step_plain, 2000);
	run_snapshots(300, step_plain, 1500);
	run_snapshots(5000, step_plain, 100);
	run_snapshots(5000, step_alike, 1000);
}

static void many_buffers(void **state)
{
	(void)state;
	run_snapshots(MODEL_PLACES, step_alike, 30);
	run_snapshots(MODEL_PLACES, step_plain, 4);
}

static void shares_and_locals(void **state)
{
	(void)state;
	run_snapshots(10, step_shares, 2000);
	/* Here, with a reader that is slow and kept from its processor, a view that called itself
	 * exact had a share too few: seen three times in some 60 runs of 1,000 rounds, cause not
	 * found yet. */
	run_snapshots(2000, step_shares, 250);
}

static void moved_buffers(void **state)
{
	(void)state;
	run_snapshots(20, step_moves, 1000);
	run_snapshots(300, step_moves, 500);
	run_snapshots(5000, step_moves, 40);
}

static void spaces_that_close(void **state)
{
	(void)state;
	run_snapshots(64, step_spaces, 2000);
}

/* Stopped anywhere, also inside an operation. */
static void stopped_writers(void **state)
{
	static void (*const steps[])(struct writer_state *) = {step_plain, step_moves, step_shares,
	                                                       step_spaces};
	struct run run;
	siginfo_t info;

	(void)state;
	for (size_t n = 0; n < sizeof steps / sizeof *steps; n++) {
		run_start(&run, 200, steps[n]);
		for (int i = 0; i < 700; i++) {
			struct segment_view *view;

			log_go(&run, UINT64_MAX);
			log_advance(&run, 1 + (uint64_t)i % 37);
			assert_int_equal(kill(run.pid, SIGSTOP), 0);
			assert_int_equal(waitid(P_PID, (id_t)run.pid, &info, WSTOPPED), 0);
			view = snapshot(&run, VIEW_BUFFERS);
			assert_int_equal(view->life, LIFE_ALIVE);
			assert_int_equal(kill(run.pid, SIGCONT), 0);
			log_pause(&run);
			view_check(&run, view);
		}
		assert_int_equal(run.inexact, 0);
		run_end(&run);
	}
}

/* Killed anywhere: what the bits say is the state at the op that the view says. */
static void killed_writers(void **state)
{
	struct run run;

	(void)state;
	for (int i = 0; i < 160; i++) {
		struct segment_view *view;
		const struct entry *last;
		const char *what;

		run_start(&run, 50, i % 2 ? step_plain : step_moves);
		log_advance(&run, 1 + (uint64_t)i * 7 % 1000);
		kill(run.pid, SIGKILL);
		waitpid(run.pid, NULL, 0);
		writer_pid = 0;
		view = snapshot(&run, VIEW_BUFFERS);
		assert_int_equal(view->life, LIFE_KILLED);
		log_replay(&run, UINT64_MAX);
		/* The call that it was in, if that came to its end. */
		last = &run.log->entries[run.log->count % LOG_ENTRIES];
		if (view->op > run.model->op && last->type <= ENTRY_MOVE &&
		    model_compare(run.model, view))
			model_apply(run.model, last);
		what = model_compare(run.model, view);
		if (what)
			fail_msg("killed %d: %s", i, what);
		segment_view_destroy(view);
		munmap(run.log, sizeof *run.log);
		munmap(run.model, sizeof *run.model);
		test_dir_remove();
	}
}

/* Also of a test that failed. */
static int end_writer(void **state)
{
	(void)state;
	if (writer_pid > 0) {
		kill(writer_pid, SIGKILL);
		waitpid(writer_pid, NULL, 0);
		test_dir_remove();
	}
	writer_pid = 0;
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(few_buffers, end_writer),
		cmocka_unit_test_teardown(many_buffers, end_writer),
		cmocka_unit_test_teardown(shares_and_locals, end_writer),
		cmocka_unit_test_teardown(moved_buffers, end_writer),
		cmocka_unit_test_teardown(spaces_that_close, end_writer),
		cmocka_unit_test_teardown(stopped_writers, end_writer),
		cmocka_unit_test_teardown(killed_writers, end_writer),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

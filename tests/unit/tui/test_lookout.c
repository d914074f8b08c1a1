/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that reads, on segments that the library makes in other processes. */
#include "lookout.h"
#include "lookout_survey.h"
#include "meshtally.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { BYTES = 4096, REFRESH_MS = 10, PATIENCE_MS = 20000, QUIET_MS = 100, MANY = 20000 };

static char dir[64];

/* A program of ours: does what it is told by a byte, and answers each with one. */
struct subject {
	pid_t pid;
	int orders, answers;
};

static void subject_obey(mt_space space, char order)
{
	static uint64_t allocated, freed;

	if (order == 'm') {
		for (int i = 0; i < MANY; i++)
			subject_obey(space, 'a');
	} else if (order == 'a') {
		const struct mt_buffer buffer = {.struct_size = sizeof(buffer),
		                                 .space = space,
		                                 .id = allocated + 1,
		                                 .address = allocated * BYTES,
		                                 .bytes = BYTES << (allocated % 4),
		                                 .kind = MT_DRAM};

		allocated++;
		mt_alloc(&buffer);
	} else if (order == 'f') {
		mt_free(space, ++freed);
	} else if (order == 'q') {
		while (freed < allocated)
			mt_free(space, ++freed);
		mt_close(space, 0);
		exit(0);
	}
}

/* The same executable as another program, since this one has threads. */
static __attribute__((constructor)) void be_subject(void)
{
	const struct mt_memory memory = {MT_DRAM, 1, 0, 1u << 30, 32};
	const struct mt_device device = {.struct_size = sizeof(device),
	                                 .unique_id = 0x77,
	                                 .memories = &memory,
	                                 .memory_count = 1};
	const char *words = getenv("LOOKOUT_SUBJECT");
	int orders, answers;
	mt_space space;
	char order = 0;

	if (words == NULL)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sscanf(words, "%d %d", &orders, &answers) != 2 || mt_enable(1, NULL, NULL) != MT_OK)
		_exit(99);
	space = mt_device_open(&device);
	mt_ready(space);
	while (write(answers, &order, 1) == 1 && read(orders, &order, 1) == 1)
		subject_obey(space, order);
	_exit(0);
}

static void subject_wait(const struct subject *subject)
{
	char answer;

	assert_int_equal(read(subject->answers, &answer, 1), 1);
}

static void subject_do(const struct subject *subject, const char *orders)
{
	for (; *orders != '\0'; orders++) {
		assert_int_equal(write(subject->orders, orders, 1), 1);
		subject_wait(subject);
	}
}

static struct subject subject_start(void)
{
	static char name[] = "subject";
	char *arguments[] = {name, NULL}, words[48];
	char *environment[] = {words, NULL, NULL};
	char where[128];
	struct subject subject;
	int orders[2], answers[2];

	assert_int_equal(pipe(orders), 0);
	assert_int_equal(pipe(answers), 0);
	/* Not by setenv(): the thread reads the environment. */
	snprintf(words, sizeof(words), "LOOKOUT_SUBJECT=%d %d", orders[0], answers[1]);
	snprintf(where, sizeof(where), "MESHTALLY_DIR=%s", dir);
	environment[1] = where;
	assert_int_equal(
		posix_spawn(&subject.pid, "/proc/self/exe", NULL, NULL, arguments, environment), 0);
	close(orders[0]);
	close(answers[1]);
	subject.orders = orders[1];
	subject.answers = answers[0];
	subject_wait(&subject);
	return subject;
}

/* By a signal, or with 0 as programs end. */
static void subject_end(const struct subject *subject, int number)
{
	int status;

	if (number != 0)
		kill(subject->pid, number);
	else
		assert_int_equal(write(subject->orders, "q", 1), 1);
	assert_int_equal(waitpid(subject->pid, &status, 0), subject->pid);
	close(subject->orders);
	close(subject->answers);
}

static int start(void **state)
{
	(void)state;
	strcpy(dir, "/dev/shm/mt-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	setenv("MESHTALLY_DIR", dir, 1);
	return 0;
}

static int finish(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static struct lookout *open_lookout(const char *from, bool lists)
{
	const struct lookout_want want = {.refresh_ms = REFRESH_MS,
	                                  .survey = {.lists = lists, .dead = from != NULL}};
	struct text error = {0};
	struct lookout *lookout = NULL;

	if (lookout_start(&lookout, from, &want, &error) != 0)
		fail_msg("%s", text_string(&error));
	return lookout;
}

typedef bool condition(const struct reading *reading, uint64_t argument);

/* The first reading that is as it should be. */
static struct reading *wait_for(struct lookout *lookout, condition *is_so, uint64_t argument)
{
	struct pollfd ready = {.fd = lookout_descriptor(lookout), .events = POLLIN};
	struct reading *reading;

	while (poll(&ready, 1, PATIENCE_MS) == 1) {
		reading = lookout_take(lookout);
		if (reading != NULL && is_so(reading, argument))
			return reading;
		reading_destroy(reading);
	}
	fail_msg("no such reading came");
	return NULL;
}

static bool any(const struct reading *reading, uint64_t argument)
{
	(void)reading;
	(void)argument;
	return true;
}

static const struct machine_process *first_process(const struct reading *reading)
{
	const struct machine *machine = &reading->scene.machine;

	return machine->processes.count != 0 ? &machine->processes.items[0] : NULL;
}

static bool has_processes(const struct reading *reading, uint64_t count)
{
	return reading->scene.machine.processes.count == count;
}

static bool has_dead(const struct reading *reading, uint64_t count)
{
	return has_processes(reading, count) && first_process(reading)->dead;
}

static bool holds_bytes(const struct reading *reading, uint64_t bytes)
{
	struct machine_figure figure;
	const struct machine_process *process = first_process(reading);

	return process != NULL &&
	       (machine_process_figure(&reading->scene.machine, process, 0, MT_DRAM, &figure)
	                ? figure.held
	                : 0) == bytes;
}

static bool has_surveyed(const struct reading *reading, uint64_t records)
{
	return reading->survey != NULL && !reading->survey_pending &&
	       reading->survey->records == records;
}

static bool has_listed(const struct reading *reading, uint64_t order)
{
	const struct survey *survey = reading->survey;

	return survey != NULL && !reading->survey_pending && survey->list.count > 1 &&
	       (order == LIST_BY_SIZE) == (survey->list.items[0].bytes > BYTES);
}

static void comes_and_changes(void **state)
{
	struct lookout *lookout = open_lookout(NULL, true);
	struct reading *reading = wait_for(lookout, any, 0);
	struct subject subject;

	(void)state;
	assert_int_equal(reading->scene.machine.processes.count, 0);
	assert_true(has_surveyed(reading, 0));
	reading_destroy(reading);
	subject = subject_start();
	reading_destroy(wait_for(lookout, has_processes, 1));
	subject_do(&subject, "a");
	reading = wait_for(lookout, holds_bytes, BYTES);
	assert_true(reading->rates[0].known);
	assert_true(reading->rates[0].allocs > 0);
	assert_true(reading->rates[0].frees == 0);
	assert_true(reading->events != 0);
	assert_true(reading->last_event_ns != 0);
	assert_true(reading->last_event_ns <= reading->scene.now_ns);
	reading_destroy(reading);
	reading_destroy(wait_for(lookout, has_surveyed, 1));
	subject_do(&subject, "aaf");
	reading_destroy(wait_for(lookout, has_surveyed, 2));
	lookout_stop(lookout);
	subject_end(&subject, 0);
}

static void what_was_asked_is_answered(void **state)
{
	struct lookout_want want = {.refresh_ms = REFRESH_MS,
	                            .survey = {.lists = true, .order = LIST_BY_AGE}};
	struct subject subject = subject_start();
	struct lookout *lookout;

	(void)state;
	subject_do(&subject, "aaaa");
	lookout = open_lookout(NULL, true);
	reading_destroy(wait_for(lookout, has_listed, LIST_BY_SIZE));
	lookout_want(lookout, &want);
	reading_destroy(wait_for(lookout, has_listed, LIST_BY_AGE));
	lookout_stop(lookout);
	subject_end(&subject, 0);
}

/* A clean end takes the segment away; what the process did last stays until it is dismissed. */
static void ended_stays_until_dismissed(void **state)
{
	struct subject subject = subject_start();
	struct lookout *lookout = open_lookout(NULL, false);
	struct reading *reading;
	uint64_t identity;

	(void)state;
	subject_do(&subject, "aa");
	reading_destroy(wait_for(lookout, holds_bytes, 3 * BYTES));
	subject_end(&subject, 0);
	reading = wait_for(lookout, has_dead, 1);
	identity = first_process(reading)->view->identity;
	assert_int_equal(first_process(reading)->pid, subject.pid);
	assert_int_equal(first_process(reading)->view->life, LIFE_ENDED);
	reading_destroy(reading);
	reading_destroy(wait_for(lookout, has_dead, 1));
	lookout_dismiss(lookout, identity);
	reading_destroy(wait_for(lookout, has_processes, 0));
	lookout_stop(lookout);
}

/* One that was killed leaves its segment, of which nothing more is to be seen either. */
static void killed_is_dismissed(void **state)
{
	struct subject subject = subject_start(), other = subject_start();
	struct lookout *lookout = open_lookout(NULL, false);
	struct reading *reading;

	(void)state;
	subject_do(&subject, "a");
	reading_destroy(wait_for(lookout, has_processes, 2));
	subject_end(&subject, SIGKILL);
	subject_end(&other, 0);
	reading = wait_for(lookout, has_dead, 2);
	for (int i = 0; i < 2; i++)
		lookout_dismiss(lookout, reading->scene.machine.processes.items[i].view->identity);
	reading_destroy(reading);
	reading_destroy(wait_for(lookout, has_processes, 0));
	lookout_stop(lookout);
}

/* A reading that is held is as it was, whatever the thread does. */
static void readings_do_not_change(void **state)
{
	struct subject subject = subject_start();
	struct lookout *lookout = open_lookout(NULL, false);
	struct reading *before, *after;
	uint64_t last_ns;

	(void)state;
	subject_do(&subject, "a");
	before = wait_for(lookout, holds_bytes, BYTES);
	last_ns = first_process(before)->view->last_ns;
	/* Nothing has happened, so that the view is the same. */
	after = wait_for(lookout, any, 0);
	assert_true(first_process(before)->view->last_ns == last_ns);
	reading_destroy(after);
	subject_do(&subject, "a");
	after = wait_for(lookout, holds_bytes, 3 * BYTES);
	assert_true(holds_bytes(before, BYTES));
	assert_true(first_process(before)->view->last_ns == last_ns);
	lookout_stop(lookout);
	assert_true(holds_bytes(after, 3 * BYTES));
	reading_destroy(before);
	reading_destroy(after);
	subject_end(&subject, 0);
}

static void paused_reads_nothing(void **state)
{
	struct subject subject = subject_start();
	struct lookout *lookout = open_lookout(NULL, false);
	struct lookout_want want = {.refresh_ms = REFRESH_MS, .paused = true};
	struct pollfd ready = {.fd = lookout_descriptor(lookout), .events = POLLIN};

	(void)state;
	reading_destroy(wait_for(lookout, has_processes, 1));
	lookout_want(lookout, &want);
	/* One may have been under way. */
	while (poll(&ready, 1, QUIET_MS) == 1)
		reading_destroy(lookout_take(lookout));
	subject_do(&subject, "a");
	assert_int_equal(poll(&ready, 1, QUIET_MS), 0);
	lookout_hurry(lookout);
	reading_destroy(wait_for(lookout, holds_bytes, BYTES));
	assert_int_equal(poll(&ready, 1, QUIET_MS), 0);
	subject_do(&subject, "f");
	want.paused = false;
	lookout_want(lookout, &want);
	reading_destroy(wait_for(lookout, holds_bytes, 0));
	lookout_stop(lookout);
	subject_end(&subject, 0);
}

static int note_path(const char *path, void *arg)
{
	strcpy(arg, path);
	return 0;
}

static void a_file_is_read_once(void **state)
{
	struct lookout_want want = {.refresh_ms = REFRESH_MS,
	                            .survey = {.lists = true, .dead = true, .order = LIST_BY_AGE}};
	struct subject subject = subject_start();
	struct pollfd ready = {.events = POLLIN};
	struct lookout *lookout;
	struct reading *reading;
	char path[512] = "";

	(void)state;
	subject_do(&subject, "aaa");
	subject_end(&subject, SIGKILL);
	segment_dir_scan(dir, note_path, NULL, path);
	lookout = open_lookout(path, true);
	reading = wait_for(lookout, has_listed, LIST_BY_SIZE);
	assert_string_equal(reading->from, path);
	assert_int_equal(reading->survey->records, 3);
	assert_false(reading->rates[0].known);
	ready.fd = lookout_descriptor(lookout);
	assert_int_equal(poll(&ready, 1, QUIET_MS), 0);
	unlink(path);
	lookout_want(lookout, &want);
	reading_destroy(reading);
	reading_destroy(wait_for(lookout, has_listed, LIST_BY_AGE));
	assert_int_equal(poll(&ready, 1, QUIET_MS), 0);
	lookout_stop(lookout);
}

static void no_such_file(void **state)
{
	const struct lookout_want want = {.refresh_ms = REFRESH_MS};
	struct lookout *lookout = NULL;
	struct text error = {0};

	(void)state;
	assert_true(lookout_start(&lookout, "/nonexistent/file", &want, &error) < 0);
	assert_null(lookout);
	assert_non_null(strstr(text_string(&error), "/nonexistent/file"));
	text_finish(&error);
	lookout_stop(NULL);
}

/* What goes on between two pieces of one survey. */
struct between {
	struct lookout_source *source;
	struct subject subject;
	unsigned calls;
	bool kill, killed;
};

static bool never_over(void *arg)
{
	(void)arg;
	return false;
}

/* Totals are read, others come and go, and what is surveyed dies and loses its name. */
static void read_between(void *arg)
{
	struct between *between = arg;
	struct reading *reading;

	between->calls++;
	if (between->kill && !between->killed) {
		between->killed = true;
		subject_end(&between->subject, SIGKILL);
		assert_int_equal(finish(NULL), 0);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
	reading = lookout_source_read(between->source);
	assert_int_equal(reading->scene.machine.processes.count, 1);
	assert_int_equal(first_process(reading)->dead, between->killed);
	reading_destroy(reading);
}

static struct survey *survey_with(struct between *between, bool kill)
{
	const struct survey_request request = {.lists = true};
	const struct survey_hooks hooks = {never_over, read_between, between};
	struct reading *reading = lookout_source_read(between->source);
	struct survey *survey;

	between->calls = 0;
	between->kill = kill;
	survey = lookout_survey(between->source, reading, &request, &hooks);
	reading_destroy(reading);
	return survey;
}

/* One process alone may have so much that totals must not wait for the end of it. */
static void totals_are_read_within_a_survey(void **state)
{
	struct between between = {.subject = subject_start()};
	struct lookout_source source;
	struct text error = {0};
	struct survey *survey;

	(void)state;
	subject_do(&between.subject, "m");
	assert_int_equal(lookout_source_open(&source, NULL, &error), 0);
	between.source = &source;
	survey = survey_with(&between, false);
	assert_int_equal(survey->records, MANY);
	assert_true(between.calls >= 3);
	survey_release(survey);
	survey = survey_with(&between, true);
	assert_true(survey->records >= MANY / 3);
	assert_true(between.calls >= 2);
	survey_release(survey);
	lookout_source_close(&source);
}

/* Since when all is as it is: what steps of a quiet picture go by. */
static void tells_since_when_it_is_quiet(void **state)
{
	struct subject subject = subject_start();
	struct lookout_source source;
	struct reading *before, *after;
	struct text error = {0};

	(void)state;
	subject_do(&subject, "a");
	assert_int_equal(lookout_source_open(&source, NULL, &error), 0);
	before = lookout_source_read(&source);
	assert_int_equal(before->changed_ns, before->last_event_ns);
	after = lookout_source_read(&source);
	assert_int_equal(after->changed_ns, before->changed_ns);
	reading_destroy(after);
	subject_do(&subject, "a");
	after = lookout_source_read(&source);
	assert_int_equal(after->changed_ns, after->scene.now_ns);
	reading_destroy(before);
	before = after;
	subject_end(&subject, SIGKILL);
	after = lookout_source_read(&source);
	assert_true(after->changed_ns > before->changed_ns);
	reading_destroy(before);
	reading_destroy(after);
	lookout_source_close(&source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_and_changes, start, finish),
		cmocka_unit_test_setup_teardown(what_was_asked_is_answered, start, finish),
		cmocka_unit_test_setup_teardown(ended_stays_until_dismissed, start, finish),
		cmocka_unit_test_setup_teardown(killed_is_dismissed, start, finish),
		cmocka_unit_test_setup_teardown(readings_do_not_change, start, finish),
		cmocka_unit_test_setup_teardown(paused_reads_nothing, start, finish),
		cmocka_unit_test_setup_teardown(a_file_is_read_once, start, finish),
		cmocka_unit_test_setup_teardown(no_such_file, start, finish),
		cmocka_unit_test_setup_teardown(totals_are_read_within_a_survey, start, finish),
		cmocka_unit_test_setup_teardown(tells_since_when_it_is_quiet, start, finish),
	};

	return cmocka_run_group_tests_name("lookout", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at random points. The child runs a program of operations that follows from a seed, and
 * says in a shared page which one it is in. The state read from outside after its death must be
 * that of a model before the operation in flight or after it (rules 9 and 10).
 */
#include "client_fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 1000, CHIPS = 4, KEYS = 48, STEPS_MAX = 4000 };

struct progress {
	atomic_uint begun, done;
};

/* Keys 0..15 are buffers of chip key % 4; 16..31 of the mesh; 32..39 of the mesh, freed share by
 * share; 40..47 a backing record with its local ones. */
struct model {
	uint64_t bytes[KEYS];
	unsigned stage[KEYS];
	uint64_t held[CHIPS];
	uint32_t seed;
};

struct spaces {
	mt_space chips[CHIPS], mesh;
};

static uint32_t random_of(uint32_t seed, uint32_t n)
{
	uint64_t x = ((uint64_t)seed << 32 | n) * 0x9e3779b97f4a7c15ull;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(x >> 32);
}

/* --- one operation, in the model and for real ---------------------------------------------- */

static void model_add(struct model *model, unsigned chip_number, unsigned key, int sign)
{
	uint64_t bytes = model->bytes[key];

	model->held[chip_number] += sign > 0 ? bytes : -bytes;
}

static void model_all(struct model *model, unsigned key, int sign)
{
	for (unsigned n = 0; n < CHIPS; n++)
		model_add(model, n, key, sign);
}

static mt_result toggle(struct model *model, const struct spaces *spaces, unsigned key)
{
	bool is_mesh = key >= 16, live = model->stage[key];
	mt_space space = !spaces ? 0 : is_mesh ? spaces->mesh : spaces->chips[key % CHIPS];

	model->stage[key] = !live;
	if (is_mesh)
		model_all(model, key, live ? -1 : 1);
	else
		model_add(model, key % CHIPS, key, live ? -1 : 1);
	if (!spaces)
		return MT_OK;
	return live ? mt_free(space, key) : put(space, key, model->bytes[key]);
}

static mt_result share_by_share(struct model *model, const struct spaces *spaces, unsigned key)
{
	unsigned stage = model->stage[key];

	model->stage[key] = (stage + 1) % (CHIPS + 1);
	if (stage == 0)
		model_all(model, key, 1);
	else
		model_add(model, stage - 1, key, -1);
	if (!spaces)
		return MT_OK;
	return stage == 0 ? put(spaces->mesh, key, model->bytes[key])
	                  : mt_free_on(spaces->mesh, key, spaces->chips[stage - 1]);
}

/* Backing, then all local ones, which changes nothing, then they are freed one after another. */
static mt_result backing_and_local(struct model *model, const struct spaces *spaces, unsigned key)
{
	unsigned stage = model->stage[key], member = (stage - 1) % CHIPS;

	model->stage[key] = (stage + 1) % (2 * CHIPS + 1);
	if (stage == 0)
		model_all(model, key, 1);
	else if (stage > CHIPS)
		model_add(model, member, key, -1);
	if (!spaces)
		return MT_OK;
	if (stage == 0)
		return put_flags(spaces->mesh, key, model->bytes[key], MT_BACKING, 0);
	if (stage <= CHIPS)
		return put_flags(spaces->chips[member], key, model->bytes[key], MT_LOCAL, key);
	return mt_free(spaces->chips[member], key);
}

static mt_result operate(struct model *model, const struct spaces *spaces, uint32_t n)
{
	unsigned key = random_of(model->seed, n) % KEYS;

	if (model->stage[key] == 0)
		model->bytes[key] = random_of(model->seed, n + (1u << 20)) % 100000 + 1;
	if (key < 32)
		return toggle(model, spaces, key);
	return key < 40 ? share_by_share(model, spaces, key)
	                : backing_and_local(model, spaces, key);
}

/* --- the child --------------------------------------------------------------------------- */

struct run {
	uint32_t seed;
	struct progress *progress;
};

static void operate_for_ever(void *arg)
{
	const struct run *run = arg;
	struct model model = {.seed = run->seed};
	struct spaces spaces;

	chips(CHIPS, spaces.chips);
	spaces.mesh = mesh(2, 2, spaces.chips);
	for (uint32_t n = 0;; n++) {
		atomic_store(&run->progress->begun, n + 1);
		ok(operate(&model, &spaces, n));
		atomic_store(&run->progress->done, n + 1);
	}
}

/* --- the comparison ---------------------------------------------------------------------- */

static bool equals(const struct segment_view *view, const struct model *model)
{
	for (unsigned n = 0; n < CHIPS; n++) {
		const struct view_figure *figure = figure_of(view, n, MT_DRAM);

		if (figure->bytes[CLASS_USER] != model->held[n] || figure->held != model->held[n])
			return false;
	}
	return true;
}

static void describe_difference(const struct segment_view *view, const struct model *before,
                                const struct model *after, uint32_t begun)
{
	for (unsigned n = 0; n < CHIPS; n++)
		fprintf(stderr, "chip %u: %llu; before %llu, after %llu\n", n,
		        (unsigned long long)figure_of(view, n, MT_DRAM)->bytes[CLASS_USER],
		        (unsigned long long)before->held[n], (unsigned long long)after->held[n]);
	check_failed(__FILE__, __LINE__, "seed %u, operation %u on key %u at stage %u",
	             before->seed, begun, random_of(before->seed, begun - 1) % KEYS,
	             before->stage[random_of(before->seed, begun - 1) % KEYS]);
}

static void compare(pid_t pid, const struct run *run, unsigned *ret_in_flight)
{
	uint32_t begun = atomic_load(&run->progress->begun);
	uint32_t done = atomic_load(&run->progress->done);
	struct model before = {.seed = run->seed}, after;
	enum view_depth depth = run->seed % 2 ? VIEW_BUFFERS : VIEW_TOTALS;
	struct segment_view *view = outside_of(pid, depth);
	char path[600];

	for (uint32_t n = 0; n < done; n++)
		operate(&before, NULL, n);
	after = before;
	if (begun > done) {
		operate(&after, NULL, done);
		++*ret_in_flight;
	}
	same(view->life, LIFE_KILLED);
	same(view->fault_total, 0);
	if (!equals(view, &before) && !equals(view, &after))
		describe_difference(view, &before, &after, begun);
	segment_view_destroy(view);
	holds(segment_path(pid, path, sizeof path));
	unlink(path);
}

TEST(a_thousand_kills)
{
	struct run run = {.progress = shared_page(4096)};
	unsigned in_flight = 0;

	for (run.seed = 1; run.seed <= RUNS; run.seed++) {
		uint32_t target = random_of(run.seed, UINT32_MAX) % STEPS_MAX + 1;
		pid_t pid;

		atomic_store(&run.progress->begun, 0);
		atomic_store(&run.progress->done, 0);
		pid = child_start(operate_for_ever, &run);
		while (atomic_load(&run.progress->begun) < target) {
			if (waitpid(pid, NULL, WNOHANG) == pid)
				check_failed(__FILE__, __LINE__, "the child ended by itself");
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		compare(pid, &run, &in_flight);
	}
	fprintf(stderr, "%u of %u kills came within a call\n", in_flight, RUNS);
	holds(in_flight > RUNS / 20);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_thousand_kills)};

	(void)argc;
	return fixture_main("kill", tests, sizeof tests / sizeof *tests, argv);
}

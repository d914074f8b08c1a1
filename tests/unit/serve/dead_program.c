/* SPDX-License-Identifier: Apache-2.0 */
#include "dead_program.h"

#include "writer.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPACE = 1 | 1 << 12, BYTES = 4096 };

void program_dir_make(char (*ret_path)[64])
{
	strcpy(*ret_path, "/dev/shm/mt-test-XXXXXX");
	if (mkdtemp(*ret_path) == NULL)
		abort();
	setenv("MESHTALLY_DIR", *ret_path, 1);
}

void program_dir_remove(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	if (system(command) != 0)
		abort();
}

static void on_end(int number)
{
	(void)number;
	_exit(3);
}

static void report(struct writer *w, const struct program_plan *plan)
{
	const struct writer_options options = {.run_id = plan->run_id, .cap_bytes = 1ull << 30};
	const struct mt_memory memory = {MT_DRAM, 1, 0, 1ull << 40, 32};
	const struct mt_device device = {.struct_size = sizeof(device),
	                                 .unique_id = 0x77,
	                                 .memories = &memory,
	                                 .memory_count = 1};
	const struct writer_call call = {1, 0};

	if (writer_open(w, &options) != 0 || writer_open_device(w, SPACE, &device, 0) != MT_OK)
		_exit(99);
	for (uint32_t i = 0; i < plan->buffers; i++) {
		const struct mt_buffer buffer = {.struct_size = sizeof(buffer),
		                                 .space = SPACE,
		                                 .id = i + 1,
		                                 .address = (uint64_t)i * BYTES,
		                                 .bytes = BYTES,
		                                 .kind = MT_DRAM};
		struct writer_growth growth;

		if (writer_wants_growth(w)) {
			writer_growth_plan(w, &growth);
			writer_growth_prepare(w, &growth);
			writer_grow(w, &growth);
			writer_growth_abandon(w, &growth);
		}
		if (writer_alloc(w, &buffer, &call) != MT_OK)
			_exit(98);
	}
	if (plan->faulty)
		writer_free(w, SPACE, 0xbad, &call);
}

/* The same executable, as another program: what is forked from one with threads may not do much. */
static __attribute__((constructor)) void be_program(void)
{
	const char *words = getenv("DEAD_PROGRAM");
	struct program_plan plan = {0};
	struct program out = {.pid = getpid()};
	struct writer *w;
	int ready, faulty;

	if (words == NULL)
		return;
	if (sscanf(words, "%d %" SCNu32 " %" SCNu64 " %d", &ready, &plan.buffers, &plan.run_id,
	           &faulty) != 4)
		_exit(96);
	plan.faulty = faulty;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGSEGV, SIG_DFL); /* sanitizers have it */
	signal(SIGTERM, on_end);
	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	report(w, &plan);
	strcpy(out.path, w->file.path);
	out.identity = w->header->identity;
	if (write(ready, &out, sizeof(out)) != sizeof(out))
		_exit(97);
	for (;;)
		pause();
}

struct program program_start(const struct program_plan *plan)
{
	static char name[] = "dead_program";
	char *arguments[] = {name, NULL}, words[96];
	struct program program = {0};
	int ready[2];

	if (pipe(ready) != 0)
		abort();
	snprintf(words, sizeof(words), "%d %" PRIu32 " %" PRIu64 " %d", ready[1], plan->buffers,
	         plan->run_id, plan->faulty);
	setenv("DEAD_PROGRAM", words, 1);
	if (posix_spawn(&program.pid, "/proc/self/exe", NULL, NULL, arguments, environ) != 0)
		abort();
	unsetenv("DEAD_PROGRAM");
	close(ready[1]);
	if (read(ready[0], &program, sizeof(program)) != sizeof(program))
		abort();
	close(ready[0]);
	return program;
}

void program_end(const struct program *program, int number)
{
	int status;

	kill(program->pid, number != 0 ? number : SIGTERM);
	if (waitpid(program->pid, &status, 0) != program->pid)
		abort();
	assert(number != 0 ? WIFSIGNALED(status) : WEXITSTATUS(status) == 3);
}

struct program program_dead(const struct program_plan *plan)
{
	struct program program = program_start(plan);

	program_end(&program, SIGKILL);
	return program;
}

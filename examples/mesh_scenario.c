/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps and their table. What lives between steps is static: a run that leaves its mesh open,
 * or leaks, ends with it still referenced, as a real program would.
 */
#include "mesh_scenario.h"

#include "mesh_values.h"
#include "program_cache.h"
#include "tt_socket_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 2, COLUMNS = 4, CHIPS = ROWS * COLUMNS };
enum { QUEUE_BYTES = 14753792, FABRIC_BYTES = 22528 };
enum { ADD_KERNEL_BYTES = 12288, MATMUL_KERNEL_BYTES = 24576 };
enum { TENSOR_BYTES = 4194304, FACTOR_BYTES = 524288, PRODUCT_BYTES = 1048576 }; /* per device */
enum { FILL_BUFFERS = 15, FILL_FREED = FILL_BUFFERS / 2 }; /* each a sixteenth of the memory */

static const int32_t mesh_order[CHIPS] = {4, 0, 3, 7, 5, 1, 2, 6};

static struct scenario {
	const struct scenario_options *options;
	struct graph_tracker tracker;
	struct machine *machine;
	struct mesh_device *mesh;
	struct mesh_tensor tensors[TENSORS];
	struct mesh_buffer *fill[FILL_BUFFERS];
	jmp_buf unwind;
	uint64_t step_number;
	bool failed; /* out of memory, as asked for */
} scenario;

/* Leaked on purpose, one per run: kept in sight of leak checkers, which look for something else. */
static struct leaked {
	struct mesh_tensor tensor;
	struct leaked *next;
} * leaked;

static int make_input(size_t name)
{
	struct mesh_tensor *tensor = &scenario.tensors[name];
	int error;

	graph_tracker_function_start("inputs");
	error = mesh_tensor_create(scenario.mesh, mesh_inputs[name].shape, mesh_inputs[name].site,
	                           tensor);
	graph_tracker_function_end();
	return error ? error : mesh_input_fill(tensor, name);
}

static int open_mesh(size_t unused)
{
	(void)unused;
	return mesh_device_open(scenario.machine, ROWS, COLUMNS, mesh_order, &scenario.mesh);
}

static int add(size_t unused)
{
	struct mesh_tensor *t = scenario.tensors;
	int error = mesh_op_add(&t[A], &t[B], &t[SUM]);

	(void)unused;
	return error ? error : mesh_sum_check(&t[SUM]);
}

static int matmul(size_t unused)
{
	struct mesh_tensor *t = scenario.tensors;
	int error = mesh_op_matmul(&t[X], &t[Y], &t[PRODUCT]);

	(void)unused;
	return error ? error : mesh_product_check(&t[PRODUCT]);
}

static int free_tensor(size_t name)
{
	mesh_tensor_destroy(&scenario.tensors[name]);
	return 0;
}

static int free_sum(size_t name)
{
	struct leaked *kept;

	if (!scenario.options->leak)
		return free_tensor(name);
	kept = malloc(sizeof *kept);
	if (!kept)
		return -ENOMEM;
	kept->tensor = scenario.tensors[name];
	kept->next = leaked;
	leaked = kept;
	scenario.tensors[name].buffer = NULL;
	return 0;
}

static int clear_cache(size_t unused)
{
	(void)unused;
	program_cache_clear(scenario.mesh);
	return 0;
}

static int release_queues(size_t unused)
{
	(void)unused;
	mesh_device_release_queues(scenario.mesh);
	return 0;
}

static int close_mesh(size_t unused)
{
	(void)unused;
	mesh_device_destroy(scenario.mesh);
	scenario.mesh = NULL;
	return 0;
}

static uint64_t fill_bytes(const struct machine *machine)
{
	const struct mt_memory *memory = &machine->memories[MEMORY_MAIN];

	return memory->bank_bytes / 16 * memory->banks;
}

/* Allocates, or leaves by the nearest handler, as an exception would. */
static struct mesh_buffer *allocate_or_throw(uint64_t bytes, const char *site)
{
	struct buffer_spec spec = {.bytes = bytes, .site = site};
	struct mesh_buffer *buffer;

	if (mesh_buffer_create(scenario.mesh, MESH_REPLICATED, &spec, &buffer) != 0)
		longjmp(scenario.unwind, 1);
	return buffer;
}

static int fill(size_t unused)
{
	(void)unused;
	graph_tracker_function_start("fill");
	if (setjmp(scenario.unwind) != 0) {
		graph_tracker_function_end();
		return -ENOMEM;
	}
	for (size_t i = 0; i < FILL_BUFFERS; i++)
		scenario.fill[i] = allocate_or_throw(fill_bytes(scenario.machine), "fill");
	graph_tracker_function_end();
	return 0;
}

static int free_every_other(size_t unused)
{
	(void)unused;
	for (size_t i = 1; i < FILL_BUFFERS; i += 2) {
		mesh_buffer_destroy(scenario.fill[i]);
		scenario.fill[i] = NULL;
	}
	return 0;
}

static int ask_too_much(size_t unused)
{
	(void)unused;
	if (setjmp(scenario.unwind) == 0) {
		allocate_or_throw(2 * fill_bytes(scenario.machine), "too much");
		return -EDOM;
	}
	for (size_t i = FILL_BUFFERS; i-- > 0;) {
		mesh_buffer_destroy(scenario.fill[i]);
		scenario.fill[i] = NULL;
	}
	scenario.failed = true;
	return 0;
}

/* Bytes more or less per device after a step. L1: on device 0 only. `fills`: of fill_bytes(). */
struct holdings {
	int64_t system, cache, user, l1_system, fills;
};

/* When a step is left out, or happens unreported. */
enum condition {
	ALWAYS,
	NOT_IF_CACHE_STAYS,
	NOT_IF_LEFT_OPEN,
	UNREPORTED_IF_KEPT,
	UNREPORTED_IF_LEAK
};

struct step {
	const char *name, *about;
	int (*action)(size_t argument);
	size_t argument;
	struct holdings change;
	enum condition condition;
};

static const struct step steps[] = {
	{"open",
         "command queues; fabric on device 0",
         open_mesh,
         0,
         {.system = QUEUE_BYTES, .l1_system = FABRIC_BYTES},
         ALWAYS},
	{"tensor-a", "a (8,8,512,512), sharded", make_input, A, {.user = TENSOR_BYTES}, ALWAYS},
	{"tensor-b", "b (8,8,512,512), sharded", make_input, B, {.user = TENSOR_BYTES}, ALWAYS},
	{"add",
         "sum = a + b, equal to the host's",
         add,
         0,
         {.user = TENSOR_BYTES, .cache = ADD_KERNEL_BYTES},
         ALWAYS},
	{"tensor-x", "x (8,8,256,128), sharded", make_input, X, {.user = FACTOR_BYTES}, ALWAYS},
	{"tensor-y", "y (8,8,128,256), sharded", make_input, Y, {.user = FACTOR_BYTES}, ALWAYS},
	{"matmul",
         "product = x * y, equal to the host's",
         matmul,
         0,
         {.user = PRODUCT_BYTES, .cache = MATMUL_KERNEL_BYTES},
         ALWAYS},
	{"free-a", "a deallocated", free_tensor, A, {.user = -TENSOR_BYTES}, ALWAYS},
	{"free-b", "b deallocated", free_tensor, B, {.user = -TENSOR_BYTES}, ALWAYS},
	{"free-sum",
         "sum deallocated (--leak: lost)",
         free_sum,
         SUM,
         {.user = -TENSOR_BYTES},
         UNREPORTED_IF_LEAK},
	{"free-x", "x deallocated", free_tensor, X, {.user = -FACTOR_BYTES}, ALWAYS},
	{"free-y", "y deallocated", free_tensor, Y, {.user = -FACTOR_BYTES}, ALWAYS},
	{"free-product",
         "product deallocated",
         free_tensor,
         PRODUCT,
         {.user = -PRODUCT_BYTES},
         ALWAYS},
	{"cache-cleared",
         "kernel binaries freed",
         clear_cache,
         0,
         {.cache = -ADD_KERNEL_BYTES - MATMUL_KERNEL_BYTES},
         NOT_IF_CACHE_STAYS},
	{"queues-released",
         "command queues given back",
         release_queues,
         0,
         {.system = -QUEUE_BYTES},
         UNREPORTED_IF_KEPT},
	{"closed", "mesh and devices closed", close_mesh, 0, {0}, NOT_IF_LEFT_OPEN},
};

static const struct step oom_steps[] = {
	{"open",
         "command queues; fabric on device 0",
         open_mesh,
         0,
         {.system = QUEUE_BYTES, .l1_system = FABRIC_BYTES},
         ALWAYS},
	{"fill", "15 buffers of 1/16 of the memory", fill, 0, {.fills = FILL_BUFFERS}, ALWAYS},
	{"free-every-other",
         "7 of them freed",
         free_every_other,
         0,
         {.fills = -FILL_FREED},
         ALWAYS},
	{"unwound",
         "two holes' worth refused: unwound",
         ask_too_much,
         0,
         {.fills = FILL_FREED - FILL_BUFFERS},
         ALWAYS},
	{"queues-released",
         "command queues given back",
         release_queues,
         0,
         {.system = -QUEUE_BYTES},
         UNREPORTED_IF_KEPT},
	{"closed", "mesh and devices closed", close_mesh, 0, {0}, NOT_IF_LEFT_OPEN},
};

static const struct step *table_of(const struct scenario_options *options, size_t *ret_count)
{
	*ret_count = options->oom ? sizeof oom_steps / sizeof oom_steps[0]
	                          : sizeof steps / sizeof steps[0];
	return options->oom ? oom_steps : steps;
}

static bool is_skipped(const struct step *step, const struct scenario_options *options)
{
	return (step->condition == NOT_IF_CACHE_STAYS && options->no_clear_cache) ||
	       (step->condition == NOT_IF_LEFT_OPEN && options->leave_open);
}

static bool is_unreported(const struct step *step, const struct scenario_options *options)
{
	return (step->condition == UNREPORTED_IF_KEPT && options->keep_queues) ||
	       (step->condition == UNREPORTED_IF_LEAK && options->leak);
}

static void apply(struct holdings *held, const struct step *step,
                  const struct scenario_options *options, const struct machine *machine)
{
	if (step->action == close_mesh) {
		*held = (struct holdings){0};
	} else if (!is_unreported(step, options)) {
		held->system += step->change.system;
		held->cache += step->change.cache;
		held->user += step->change.user + step->change.fills * (int64_t)fill_bytes(machine);
		held->l1_system += step->change.l1_system;
	}
}

static void expect_devices(const struct holdings *held, const struct arch *arch, FILE *out)
{
	for (int ordinal = 0; ordinal < CHIPS; ordinal++) {
		int64_t l1 = ordinal == 0 ? held->l1_system : 0;

		fprintf(out,
		        "%s{\"ordinal\":%d,\"kinds\":[{\"kind\":\"%s\",\"system_bytes\":%lld,"
		        "\"cache_bytes\":%lld,\"user_bytes\":%lld}",
		        ordinal == 0 ? "" : ",\n  ", ordinal, arch->memories[MEMORY_MAIN].kind,
		        (long long)held->system, (long long)held->cache, (long long)held->user);
		if (arch->memories[MEMORY_L1].kind) {
			fprintf(out,
			        ",{\"kind\":\"L1\",\"system_bytes\":%lld,\"cache_bytes\":0,"
			        "\"user_bytes\":0}",
			        (long long)l1);
		}
		fputs("]}", out);
	}
}

static void expect_steps(const struct scenario_options *options, const struct machine *machine,
                         FILE *out)
{
	struct holdings held = {0};
	const char *separator = "";
	size_t count, number = 0;
	const struct step *table = table_of(options, &count);

	fputs("{\"steps\":[", out);
	for (size_t i = 0; i < count; i++) {
		if (is_skipped(&table[i], options))
			continue;
		apply(&held, &table[i], options, machine);
		fprintf(out, "%s\n {\"n\":%zu,\"step\":\"%s\",\"devices\":[\n  ", separator,
		        ++number, table[i].name);
		expect_devices(&held, machine->arch, out);
		fputs("]}", out);
		separator = ",";
	}
	fputs("\n]}\n", out);
}

static int make_machine(const struct scenario_options *options, struct machine **ret_machine)
{
	struct backend_problem problem = {""};
	struct machine_config config = {.board = options->board,
	                                .chips = CHIPS,
	                                .backend = options->backend,
	                                .problem = &problem,
	                                .queue_bytes = QUEUE_BYTES,
	                                .queues_unhooked = options->keep_queues};
	int error = graph_tracker_init(&scenario.tracker, options->hooks, options->unique_ids);

	if (options->reports)
		scenario.tracker.reports = options->reports;
	if (arch_find(options->board)->memories[MEMORY_L1].kind)
		config.fabric_bytes = FABRIC_BYTES;
	if (!error)
		error = machine_create(&config, &scenario.tracker, ret_machine);
	if (error)
		fprintf(stderr, "mesh_allocation: no machine: %s\n",
		        problem.text[0] ? problem.text : strerror(-error));
	return error;
}

/* What the devices have decides what --oom fills them with: a machine is made to ask it. */
int scenario_expect(const struct scenario_options *options, FILE *out)
{
	struct machine *machine;

	if (make_machine(options, &machine) != 0)
		return 1;
	expect_steps(options, machine, out);
	machine_destroy(machine);
	return 0;
}

static void format_bytes(char text[16], uint64_t bytes)
{
	static const char units[][3] = {"B", "KB", "MB", "GB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit < 3) {
		value /= 1024;
		unit++;
	}
	snprintf(text, 16, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
}

static uint64_t taken_bytes(const struct chip *chip, enum memory_role role)
{
	struct bank_allocator *member = &scenario.machine->chips[chip->ordinal].allocators[role];
	struct bank_stats stats;

	bank_set_stats((struct bank_set){&member, 1}, &stats);
	return stats.allocated_bytes * scenario.machine->memories[role].banks;
}

/* What the runtime's own allocator has taken: one figure where all devices agree. */
static void print_step(const struct step *step)
{
	const struct chip *chips = scenario.machine->chips;
	uint64_t first = taken_bytes(&chips[0], MEMORY_MAIN);
	char main_text[16], l1_text[16] = "-";
	bool equal = true;

	for (size_t i = 1; i < CHIPS; i++)
		equal = equal && taken_bytes(&chips[i], MEMORY_MAIN) == first;
	format_bytes(main_text, first);
	if (scenario.machine->memories[MEMORY_L1].banks != 0)
		format_bytes(l1_text, taken_bytes(&chips[0], MEMORY_L1));
	printf("%3llu %-17s%-36s%11s%11s%s\n", (unsigned long long)scenario.step_number, step->name,
	       step->about, main_text, l1_text, equal ? "" : "  (device 0; others differ)");
	fflush(stdout);
}

static int await_reader(const struct step *step)
{
	const struct scenario_options *options = scenario.options;
	char byte;

	if (options->step_fd >= 0 && dprintf(options->step_fd, "step %s\n", step->name) < 0)
		return -errno;
	if (options->ack_fd >= 0 && read(options->ack_fd, &byte, 1) != 1)
		return -EPIPE;
	if (options->pause)
		while ((byte = (char)getchar()) != '\n' && !feof(stdin))
			continue;
	return 0;
}

static int run_once(void)
{
	size_t count;
	const struct step *table = table_of(scenario.options, &count);
	int error = 0;

	for (size_t i = 0; !error && i < count; i++) {
		if (is_skipped(&table[i], scenario.options))
			continue;
		scenario.step_number++;
		error = table[i].action(table[i].argument);
		if (error) {
			fprintf(stderr, "mesh_allocation: step %s failed: %s\n", table[i].name,
			        strerror(-error));
			break;
		}
		mt_mark("step", scenario.step_number);
		print_step(&table[i]);
		error = await_reader(&table[i]);
	}
	return error;
}

/* Of the back ends whose devices are real: what they are, and how much each has. */
static void print_memory(void)
{
	const struct machine *machine = scenario.machine;
	const struct mt_memory *memory = &machine->memories[MEMORY_MAIN];
	char text[16];

	if (!machine->backend->describe)
		return;
	format_bytes(text, memory->banks * memory->bank_bytes);
	printf("\nMemory: %s, %s of %s each", machine->backend->describe(machine->backend_state),
	       text, machine->arch->memories[MEMORY_MAIN].kind);
}

static void print_header(void)
{
	const struct scenario_options *options = scenario.options;
	const struct arch *arch = scenario.machine->arch;

	printf("A %dx%d mesh of %s (%s): devices", ROWS, COLUMNS, arch->board, arch->name);
	for (int i = 0; i < CHIPS; i++)
		printf("%s %d", i == COLUMNS ? " /" : "", (int)mesh_order[i]);
	print_memory();
	printf("\nHooks: %s, %s ids%s\n%57s%6s each%11s\n", options->hooks->name,
	       options->unique_ids ? "unique" : "address", options->reports ? ", by socket" : "",
	       "taken, says the allocator:", arch->memories[MEMORY_MAIN].kind,
	       arch->memories[MEMORY_L1].kind ? "L1 of 0" : "-");
}

static void print_answers(void)
{
	const char *separator = " ";

	if (scenario.options->reports) {
		unsigned long long dropped = tt_socket_client_dropped();

		printf("Messages: %llu sent, %llu dropped.%s\n",
		       (unsigned long long)tt_socket_client_sent(), dropped,
		       dropped ? " Nobody took them: is meshtally serve running?" : "");
		return;
	}
	printf("Answers to the reports:");
	for (unsigned i = 0; i < GRAPH_TRACKER_RESULTS; i++) {
		if (scenario.tracker.results[i] == 0)
			continue;
		printf("%s%llu %s", separator, (unsigned long long)scenario.tracker.results[i],
		       mt_result_name((mt_result)i));
		separator = ", ";
	}
	printf(".%s\n",
	       scenario.tracker.results[MT_OFF] ? " Tracking is off: try meshtally run." : "");
}

int scenario_run(const struct scenario_options *options)
{
	int error = 0;

	scenario.options = options;
	if (make_machine(options, &scenario.machine) != 0)
		return 1;
	print_header();
	for (unsigned i = 0; !error && i < options->runs; i++)
		error = run_once();
	print_answers();
	if (!error && !options->leave_open && !leaked) {
		machine_destroy(scenario.machine);
		scenario.machine = NULL;
	}
	if (error)
		return 1;
	return scenario.failed ? 3 : 0;
}

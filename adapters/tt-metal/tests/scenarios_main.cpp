/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tt_metal_scenarios NAME [--step-fd=FD --ack-fd=FD]: one scenario. After each step it writes
 * "step NAME" and a newline to FD and waits for a byte.
 */
#include "scenarios.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <unistd.h>

namespace scenarios
{

static int step_fd = -1, ack_fd = -1;

void step(const char *name)
{
	std::string line = std::string("step ") + name + "\n";
	char answer;

	if (step_fd < 0)
		return;
	if (write(step_fd, line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
	    read(ack_fd, &answer, 1) != 1)
		throw std::runtime_error("nobody looks at the steps");
}

mesh_pointer open_eight()
{
	return stand_in::open_mesh(2, 4, {4, 0, 3, 7, 5, 1, 2, 6});
}

tt::tt_metal::Program program_of(const std::vector<uint64_t> &cb_bytes, size_t last_column)
{
	tt::tt_metal::Program program;

	for (uint64_t bytes : cb_bytes)
		stand_in::add_cb(program,
		                 tt::tt_metal::CoreRangeSet(
					 tt::tt_metal::CoreRange({0, 0}, {last_column, 7})),
		                 bytes);
	return program;
}

workload work_of(const std::vector<uint64_t> &cb_bytes, uint64_t binary_bytes)
{
	workload work;

	work.programs.push_back(program_of(cb_bytes));
	work.binary_bytes = binary_bytes;
	return work;
}

static const scenario *find(const char *name)
{
	for (const scenario *list : {of_buffers, of_programs}) {
		for (; list->name; list++) {
			if (strcmp(list->name, name) == 0)
				return list;
		}
	}
	return nullptr;
}

} // namespace scenarios

int main(int argc, char **argv)
{
	const auto *found = argc > 1 ? scenarios::find(argv[1]) : nullptr;

	for (int i = 2; i < argc; i++) {
		if (strncmp(argv[i], "--step-fd=", 10) == 0)
			scenarios::step_fd = atoi(argv[i] + 10);
		if (strncmp(argv[i], "--ack-fd=", 9) == 0)
			scenarios::ack_fd = atoi(argv[i] + 9);
	}
	if (!found) {
		fprintf(stderr, "usage: %s SCENARIO [--step-fd=FD --ack-fd=FD]\n", argv[0]);
		return 2;
	}
	try {
		found->run();
	} catch (const std::exception &e) {
		fprintf(stderr, "%s: %s\n", argv[1], e.what());
		return 1;
	}
	return 0;
}

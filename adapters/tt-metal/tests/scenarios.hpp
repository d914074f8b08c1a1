/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios of the adapter's tests: each a function that calls step() where the test looks. */
#pragma once

#include "stand_in.hpp"

#include <meshtally/tt_metal.hpp>

#include <stdexcept>
#include <string>

namespace scenarios
{

namespace mtt = meshtally::tt_metal;
using stand_in::BufferType;
using stand_in::MeshDevice;
using stand_in::tensor;
using stand_in::workload;
using mesh_pointer = std::shared_ptr<MeshDevice>;

constexpr uint64_t KIB = 1024, MIB = 1024 * KIB;

/* Tells the test that a step is done, and waits until it has looked. */
void step(const char *name);

inline void require(bool fact, const char *what)
{
	if (!fact)
		throw std::runtime_error(std::string("not true: ") + what);
}

mesh_pointer open_eight();
/* A program of circular buffers of these sizes, on the cores 0,0 to 7,7. */
tt::tt_metal::Program program_of(const std::vector<uint64_t> &cb_bytes, size_t last_column = 7);
workload work_of(const std::vector<uint64_t> &cb_bytes, uint64_t binary_bytes = 0);

struct scenario {
	const char *name;
	void (*run)();
};
extern const scenario of_buffers[], of_programs[];

} // namespace scenarios

/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios of programs and their circular buffers. */
#include "scenarios.hpp"

namespace scenarios
{

static mesh_pointer open_pair()
{
	mtt::install();
	mesh_pointer mesh = stand_in::open_mesh(1, 2, {0, 1});

	mtt::ready(*mesh);
	return mesh;
}

/* The one that was dispatched last is there, whether it had to be compiled or not. */
static void cache(bool by_chip)
{
	stand_in::how.cbs_by_chip = by_chip;
	mesh_pointer mesh = open_pair();
	workload add = work_of({64 * KIB, 32 * KIB}, 12288);
	workload matmul = work_of({128 * KIB}, 24576);

	stand_in::operation("ttnn::add", mesh, add, 0);
	step("add");
	stand_in::operation("ttnn::matmul", mesh, matmul, 0);
	step("matmul");
	stand_in::operation("ttnn::add", mesh, add, 0);
	step("add-from-cache");
	/* Without an operation around it. */
	workload bare = work_of({16 * KIB});
	tt::tt_metal::GraphTracker::instance().track_program(&bare.programs[0], mesh.get());
	stand_in::enqueue(mesh, bare);
	step("no-operation");
	bare = workload{};
	add = workload{};
	matmul = workload{};
	step("cleared");
	mtt::close(*mesh);
}

static void cache_by_chip()
{
	cache(true);
}

static void cache_by_mesh()
{
	cache(false);
}

/* Programs on different cores are there together; a view of an L1 buffer is never added. */
static void cores()
{
	mesh_pointer mesh = open_pair();
	tensor l1 = stand_in::replicated(mesh, 64 * KIB, BufferType::L1);
	workload left, right;

	left.programs.push_back(program_of({64 * KIB}, 3));
	right.programs.push_back({});
	stand_in::add_cb(right.programs[0],
	                 tt::tt_metal::CoreRangeSet(std::vector<tt::tt_metal::CoreRange>{
				 tt::tt_metal::CoreRange({4, 0}, {7, 3}),
				 tt::tt_metal::CoreRange({4, 4}, {7, 7})}),
	                 32 * KIB);
	stand_in::add_cb(right.programs[0],
	                 tt::tt_metal::CoreRangeSet(tt::tt_metal::CoreRange({4, 0}, {7, 7})), KIB,
	                 l1->backing.get());
	stand_in::operation("ttnn::left", mesh, left, 0);
	stand_in::operation("ttnn::right", mesh, right, 0);
	step("both");
	left = workload{};
	right = workload{};
	l1.reset();
	mtt::close(*mesh);
}

/* Programs of one workload are compiled by workers, in any order. */
static void several()
{
	mesh_pointer mesh = open_pair();
	workload gather, add = work_of({64 * KIB});

	gather.programs.push_back(program_of({32 * KIB}));
	gather.programs.push_back(program_of({48 * KIB}));
	stand_in::operation("ttnn::all_gather", mesh, gather, 0);
	step("gather");
	stand_in::operation("ttnn::add", mesh, add, 0);
	step("add");
	stand_in::operation("ttnn::all_gather", mesh, gather, 0);
	step("gather-from-cache");
	gather = workload{};
	add = workload{};
	step("cleared");
	mtt::close(*mesh);
}

/* Programs that nobody tells of: their circular buffers alone are seen, when they are placed. */
static void untold()
{
	mesh_pointer mesh = open_pair();
	workload first = work_of({64 * KIB, 32 * KIB}), second = work_of({16 * KIB});

	stand_in::enqueue(mesh, first);
	step("first");
	stand_in::enqueue(mesh, second);
	step("second");
	first = workload{};
	second = workload{};
	step("cleared");
	mtt::close(*mesh);
}

/* Circular buffers that run into an L1 buffer: told before tt-metal throws. */
static void clash()
{
	mesh_pointer mesh = open_pair();
	tensor l1 = stand_in::replicated(mesh, 64 * 1024 * KIB, BufferType::L1);
	workload work = work_of({128 * KIB, 512 * KIB});
	bool has_thrown = false;

	try {
		stand_in::operation("ttnn::large", mesh, work, 0);
	} catch (const std::runtime_error &) {
		has_thrown = true;
	}
	require(has_thrown, "the runtime sees the clash too");
	step("clash");
	work = workload{};
	l1.reset();
	mtt::close(*mesh);
}

/* Programs come and go, more of them than there are places for their addresses. */
static void many()
{
	mesh_pointer mesh = open_pair();

	for (int i = 0; i < 3000; i++) {
		workload work = work_of({16 * KIB + static_cast<uint64_t>(i) * 16});

		stand_in::operation("ttnn::add", mesh, work, 0);
	}
	step("gone");
	workload last = work_of({128 * KIB});
	stand_in::operation("ttnn::last", mesh, last, 0);
	step("last");
	last = workload{};
	mtt::close(*mesh);
}

const scenario of_programs[] = {
	{"cache-by-chip", cache_by_chip},
	{"cache-by-mesh", cache_by_mesh},
	{"cores", cores},
	{"several", several},
	{"untold", untold},
	{"clash", clash},
	{"many", many},
	{nullptr, nullptr},
};

} // namespace scenarios

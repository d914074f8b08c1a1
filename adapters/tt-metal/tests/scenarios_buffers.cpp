/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios of buffers. */
#include "scenarios.hpp"

#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

/* Counts what is allocated on this thread while `counting`. */
static thread_local bool counting;
static thread_local size_t counted;

__attribute__((noinline)) void *operator new(size_t size)
{
	void *made = malloc(size ? size : 1);

	counted += counting;
	if (!made)
		throw std::bad_alloc();
	return made;
}

__attribute__((noinline)) void operator delete(void *memory) noexcept
{
	free(memory);
}

__attribute__((noinline)) void operator delete(void *memory, size_t) noexcept
{
	free(memory);
}

namespace scenarios
{

/* --- the whole story: tensors, operations, program cache, close --------------------------- */

static void story(bool says_so)
{
	mesh_pointer mesh = open_eight();
	workload add = work_of({64 * KIB, 64 * KIB, 32 * KIB}, 12288);
	workload matmul = work_of({128 * KIB, 16 * KIB}, 24576);

	if (says_so)
		mtt::ready(*mesh);
	step("open");
	{
		tensor a = stand_in::sharded(mesh, 32 * MIB), b = stand_in::sharded(mesh, 32 * MIB);

		step("tensors");
		tensor sum = stand_in::operation("ttnn::add", mesh, add, 4 * MIB);
		step("add");
		tensor x = stand_in::replicated(mesh, 512 * KIB);
		tensor product = stand_in::operation("ttnn::matmul", mesh, matmul, MIB);
		step("matmul");
		tensor again = stand_in::operation("ttnn::add", mesh, add, 4 * MIB);
	}
	step("freed");
	add = workload{};
	matmul = workload{};
	step("cache-cleared");
	mesh->close();
	if (says_so)
		mtt::close(*mesh);
	step("closed");
}

static void run()
{
	mtt::installed done = mtt::install();

	require(done.operations, "the processor is there");
	require(!tt::tt_metal::GraphTracker::instance().is_enabled(), "it is not a capture");
	story(true);
}

static void run_installed_twice()
{
	mtt::install();
	mtt::install();
	require(tt::tt_metal::GraphTracker::instance().get_processors().size() == 1,
	        "one processor");
	story(true);
}

/* An older build, of which the hooks see every view as well. */
static void naive()
{
	stand_in::how.tells_of_views = true;
	stand_in::how.cbs_by_chip = false;
	mtt::install();
	story(true);
}

/* Nobody says that the mesh is closed; three of them, in the place of each other or not. */
static void runs()
{
	mtt::install();
	for (int i = 0; i < 3; i++)
		story(false);
	/* The next that is opened lets the last be noticed. */
	mesh_pointer next = stand_in::open_mesh(1, 1, {0});
	mtt::ready(*next);
	step("next");
	mtt::close(*next);
}

static void off()
{
	mtt::installed done = mtt::install();

	require(!done.operations, "no processor while tracking is off");
	require(tt::tt_metal::GraphTracker::instance().get_processors().empty(), "nor pushed");
	story(true);
}

/* --- meshes ------------------------------------------------------------------------------------
 */

static void submeshes()
{
	mtt::install();
	mesh_pointer mesh = open_eight();
	mtt::ready(*mesh);
	mesh_pointer upper = mesh->create_submesh({1, 4}, 0, 0);
	mesh_pointer corner = mesh->create_submesh({2, 2}, 0, 0);
	mtt::ready(*upper);
	mtt::ready(*corner);
	{
		tensor below = stand_in::replicated(mesh, 12 * MIB);
		tensor l1 = stand_in::replicated(upper, 64 * KIB, BufferType::L1);
		tensor small = stand_in::replicated(corner, 128 * KIB, BufferType::TRACE);

		step("all");
		upper->close();
		mtt::close(*upper);
		step("upper-closed");
	}
	step("freed");
	mtt::close(*corner);
	mtt::close(*mesh);
}

/* Sub-meshes one after another, in one place, of which nobody tells the end. */
static void recreated()
{
	mtt::install();
	mesh_pointer mesh = open_eight();
	mtt::ready(*mesh);
	mesh_pointer part = mesh->create_submesh({1, 4}, 0, 0);
	const MeshDevice *place = part.get();
	tensor first = stand_in::replicated(part, MIB);

	part->close();
	part.reset();
	part = mesh->create_submesh({1, 4}, 1, 0);
	require(part.get() == place, "it is in the same place");
	tensor second = stand_in::replicated(part, 2 * MIB);
	step("second");
	second.reset();
	part->close();
	mtt::close(*part);
	mesh->close();
	mtt::close(*mesh);
}

/* Two meshes that have chips in common, each with its own opening. */
static void overlapping()
{
	mtt::install();
	mesh_pointer left = stand_in::open_mesh(1, 3, {2, 0, 1});
	mtt::ready(*left);
	mesh_pointer right = stand_in::open_mesh(1, 3, {2, 3, 4});
	mtt::ready(*right);
	tensor on_left = stand_in::replicated(left, 64 * KIB, BufferType::L1);
	tensor on_right = stand_in::replicated(right, 12 * MIB, BufferType::TRACE);

	step("both");
	on_left.reset();
	left->close();
	mtt::close(*left);
	step("left-closed");
	on_right.reset();
	right->close();
	mtt::close(*right);
	step("closed");
}

static void remote()
{
	mtt::install();
	mesh_pointer mesh = stand_in::open_mesh(2, 2, {0, -1, 1, -1});
	mtt::ready(*mesh);
	tensor here = stand_in::replicated(mesh, MIB);

	step("all");
	here.reset();
	mtt::close(*mesh);
}

static void kinds()
{
	mtt::install();
	mesh_pointer mesh = stand_in::open_mesh(1, 2, {0, 1});
	mtt::ready(*mesh);
	tensor dram = stand_in::replicated(mesh, 24 * stand_in::PAGE);
	tensor l1 = stand_in::replicated(mesh, 65 * stand_in::PAGE, BufferType::L1);
	tensor small = stand_in::replicated(mesh, 64 * KIB, BufferType::L1_SMALL);
	tensor trace = stand_in::replicated(mesh, 32 * MIB, BufferType::TRACE);
	auto sub = tt::tt_metal::Buffer::create(mesh.get(), 64 * stand_in::PAGE, stand_in::PAGE,
	                                        BufferType::L1, std::nullopt,
	                                        tt::tt_metal::SubDeviceId{1});

	step("all");
	sub.reset();
	mtt::close(*mesh);
}

/* --- ends ---------------------------------------------------------------------------------------
 */

static void leak()
{
	mtt::install();
	mesh_pointer mesh = open_eight();
	tensor kept, gone;

	mtt::ready(*mesh);
	tt::tt_metal::GraphTracker::instance().track_function_start("ttnn::forgotten");
	kept = stand_in::replicated(mesh, 3 * MIB);
	gone = stand_in::replicated(mesh, MIB);
	tt::tt_metal::GraphTracker::instance().track_function_end();
	gone.reset();
	step("kept");
	mtt::close(*mesh);
	step("closed");
	kept.reset(); /* late: no fault */
	mesh->close();
	step("late");
}

/* A mesh that is destroyed without a word, tensors and all. */
static void unannounced()
{
	mtt::install();
	mesh_pointer mesh = open_eight(), next = stand_in::open_mesh(1, 1, {8});
	workload add = work_of({64 * KIB}, 12288), other = work_of({32 * KIB});

	mtt::ready(*next);
	tensor kept = stand_in::operation("ttnn::add", mesh, add, 2 * MIB);
	mesh->close();
	mesh.reset();
	step("closed");
	stand_in::operation("ttnn::other", next, other, 0);
	step("noticed");
	next->close();
	mtt::close(*next);
}

/* Buffers of a mesh are freed when only their backing buffer is, and twice is once. */
static void frees()
{
	mtt::install();
	mesh_pointer mesh = open_eight();

	mtt::ready(*mesh);
	for (int naive = 0; naive < 2; naive++) {
		stand_in::how.tells_of_views = naive;
		tensor one = stand_in::replicated(mesh, MIB);

		for (const auto &view : one->views)
			tt::tt_metal::DeallocateBuffer(*view);
		step("views");
		tt::tt_metal::DeallocateBuffer(*one->backing);
		tt::tt_metal::DeallocateBuffer(*one->backing);
		step("backing");
		/* A temporary view of the memory of another, which is at the same address. */
		tensor owner = stand_in::replicated(mesh, 2 * MIB);
		{
			stand_in::mesh_buffer view(mesh, *owner);
		}
		step("temporary-view");
	}
	mtt::close(*mesh);
}

/* --- threads -----------------------------------------------------------------------------------
 */

static void threads()
{
	constexpr int THREADS = 4, ROUNDS = 2000;
	mesh_pointer meshes[2];
	std::vector<tensor> kept[THREADS];
	std::vector<std::thread> all;

	mtt::install();
	for (int i = 0; i < THREADS; i++) {
		all.emplace_back([&, i] {
			/* Two threads see each mesh first, at the same time. */
			static std::mutex opening;
			mtt::install();
			{
				std::lock_guard<std::mutex> guard(opening);
				if (!meshes[i % 2])
					meshes[i % 2] =
						i % 2 ? stand_in::open_mesh(1, 2, {4, 5})
						      : stand_in::open_mesh(2, 2, {0, 1, 2, 3});
			}
			mesh_pointer mesh = meshes[i % 2];
			auto &tracker = tt::tt_metal::GraphTracker::instance();

			for (int round = 0; round < ROUNDS; round++) {
				tracker.track_function_start(i % 2 ? "odd" : "even");
				tensor made = stand_in::replicated(mesh, 24 * KIB);
				if (round % 100 == 0)
					kept[i].push_back(std::move(made));
				tracker.track_function_end();
			}
		});
	}
	for (std::thread &each : all)
		each.join();
	step("kept");
	for (auto &each : kept)
		each.clear();
	step("freed");
	mtt::close(*meshes[0]);
	mtt::close(*meshes[1]);
}

/* Threads that have no processor: all is known by the observer, and by that of the task else. */
static void workers()
{
	mtt::installed done = mtt::install();
	mesh_pointer mesh = open_eight();
	tensor by_task, by_thread;

	mtt::ready(*mesh);
	tt::tt_metal::GraphTracker::instance().track_function_start("ttnn::offload");
	stand_in::on_worker([&] { by_task = stand_in::replicated(mesh, MIB); });
	tt::tt_metal::GraphTracker::instance().track_function_end();
	std::thread bare([&] { by_thread = stand_in::replicated(mesh, 2 * MIB); });
	bare.join();
	step(done.buffers_of_all_threads ? "all" : "with-processor");
	by_task.reset();
	if (done.buffers_of_all_threads)
		by_thread.reset();
	mtt::close(*mesh);
}

/* --- captures, failures, late starts -------------------------------------------------------- */

struct blocking_hooks final : tt::tt_metal::IGraphHooks {
	bool hook_allocate(const tt::tt_metal::Buffer *) override
	{
		return true;
	}
	bool hook_deallocate(tt::tt_metal::Buffer *) override
	{
		return true;
	}
	bool hook_program(tt::tt_metal::Program *) override
	{
		return true;
	}
};

/* A capture that allocates and launches nothing. */
static void capture()
{
	mtt::install();
	mesh_pointer mesh = open_eight();
	workload add = work_of({64 * KIB}, 12288), last = work_of({16 * KIB});
	tensor before = stand_in::operation("ttnn::add", mesh, add, MIB);

	require(stand_in::system_address(*mesh) == 0, "address 0 is one as others");
	stand_in::operation("ttnn::last", mesh, last, 0);
	tt::tt_metal::GraphTracker::instance().add_hook(std::make_shared<blocking_hooks>());
	{
		workload other = work_of({256 * KIB}, 24576);
		tensor planned = stand_in::operation("ttnn::planned", mesh, other, 512 * MIB);
		tensor planned_too = stand_in::operation("ttnn::planned", mesh, add, 512 * MIB);

		require(planned->backing->address() == 0, "nothing is allocated in a capture");
		step("captured");
	}
	tt::tt_metal::GraphTracker::instance().clear_hook();
	step("over");
	before.reset();
	add = workload{};
	last = workload{};
	mtt::close(*mesh);
}

static void out_of_memory()
{
	mtt::install();
	mesh_pointer mesh = stand_in::open_mesh(1, 2, {0, 1});
	mtt::ready(*mesh);
	tensor most = stand_in::replicated(mesh, 9 * 1024 * MIB);

	try {
		tensor more = stand_in::replicated(mesh, 6 * 1024 * MIB);
		require(false, "it does not fit");
	} catch (const std::runtime_error &e) {
		mtt::allocation_failed(*mesh, BufferType::DRAM, 6 * 1024 * MIB, e.what());
	}
	step("failed");
	most.reset();
	mtt::close(*mesh);
}

static void late()
{
	mesh_pointer mesh = open_eight();
	tensor before = stand_in::replicated(mesh, MIB);

	mtt::install();
	mtt::adopt(*mesh);
	mtt::ready(*mesh);
	tensor after = stand_in::replicated(mesh, 2 * MIB);
	step("adopted");
	before.reset();
	step("freed");
	after.reset();
	mtt::close(*mesh);
}

/* Tracking is turned off and on again: spaces of the first time are void. */
static void off_and_on(bool again)
{
	mtt::install();
	mesh_pointer mesh = open_eight();
	mtt::ready(*mesh);
	tensor first = stand_in::replicated(mesh, MIB);

	mt_enable(0, nullptr, nullptr);
	first.reset();
	mt_enable(1, nullptr, nullptr);
	if (again)
		mtt::install();
	tensor second = stand_in::replicated(mesh, 2 * MIB);
	mtt::ready(*mesh);
	tensor third = stand_in::replicated(mesh, 4 * MIB);
	step("on");
	mtt::close(*mesh);
}

static void off_and_installed()
{
	off_and_on(true);
}

static void off_and_used()
{
	off_and_on(false);
}

/* What a classifier says is added; unique ids and buses are as told. */
static mtt::identity name_chip(const tt::tt_metal::IDevice &chip)
{
	return {0xabc0 + static_cast<uint64_t>(chip.id()),
	        "0000:0" + std::to_string(chip.id()) + ":00.0"};
}

static uint32_t classify(const tt::tt_metal::Buffer &buffer)
{
	return buffer.size() == MIB ? MT_CACHE : 0;
}

static void told()
{
	mtt::options given;

	given.identify = name_chip;
	given.classify = classify;
	mtt::install(given);
	mesh_pointer mesh = stand_in::open_mesh(1, 2, {0, 1});
	mtt::ready(*mesh);
	tensor one = stand_in::replicated(mesh, MIB), two = stand_in::replicated(mesh, 2 * MIB);

	step("told");
	two.reset();
	mtt::close(*mesh);
}

/* Once a device has been seen, nothing is allocated for what is reported of it. */
static void no_memory()
{
	mtt::install();
	mesh_pointer mesh = open_eight();
	mtt::ready(*mesh);
	tensor one = stand_in::replicated(mesh, MIB);
	tt::tt_metal::Buffer *backing = one->backing.get();
	auto &tracker = tt::tt_metal::GraphTracker::instance();
	workload add = work_of({64 * KIB});

	stand_in::operation("ttnn::add", mesh, add, 0);
	counting = true;
	for (int i = 0; i < 1000; i++) {
		tracker.track_function_start("ttnn::add");
		tracker.track_program(&add.programs[0], mesh.get());
		mtt::detail::report_free(backing);
		mtt::detail::report_allocate(backing);
		tracker.track_function_end();
	}
	counting = false;
	require(counted == 0, "no memory is allocated");
	one.reset();
	mtt::close(*mesh);
}

const scenario of_buffers[] = {
	{"run", run},
	{"run-twice", run_installed_twice},
	{"naive", naive},
	{"runs", runs},
	{"off", off},
	{"submeshes", submeshes},
	{"recreated", recreated},
	{"overlapping", overlapping},
	{"remote", remote},
	{"kinds", kinds},
	{"leak", leak},
	{"unannounced", unannounced},
	{"frees", frees},
	{"threads", threads},
	{"workers", workers},
	{"capture", capture},
	{"out-of-memory", out_of_memory},
	{"late", late},
	{"off-and-installed", off_and_installed},
	{"off-and-used", off_and_used},
	{"told", told},
	{"no-memory", no_memory},
	{nullptr, nullptr},
};

} // namespace scenarios

/* SPDX-License-Identifier: Apache-2.0 */
/* The graph tracker, mesh buffers, programs, operations, workers. See stand_in.hpp. */
#include "stand_in_impl.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>

namespace tt::tt_metal
{

/* --- the tracker ------------------------------------------------------------------------------ */

thread_local std::vector<std::shared_ptr<IGraphProcessor>> GraphTracker::processors;
thread_local std::shared_ptr<IGraphHooks> GraphTracker::hook;

GraphTracker &GraphTracker::instance()
{
	static GraphTracker tracker;

	return tracker;
}

bool GraphTracker::is_enabled() const
{
	return std::any_of(processors.begin(), processors.end(),
	                   [](const auto &each) { return each->is_capture_processor(); });
}

void GraphTracker::push_processor(const std::shared_ptr<IGraphProcessor> &processor)
{
	processors.push_back(processor);
}

void GraphTracker::pop_processor()
{
	processors.pop_back();
}

const std::vector<std::shared_ptr<IGraphProcessor>> &GraphTracker::get_processors() const
{
	return processors;
}

bool GraphTracker::add_hook(const std::shared_ptr<IGraphHooks> &added)
{
	if (hook)
		return false;
	hook = added;
	return true;
}

void GraphTracker::clear_hook()
{
	hook = nullptr;
}

const std::shared_ptr<IGraphHooks> &GraphTracker::get_hook() const
{
	return hook;
}

/* Processors go with a task, hooks do not. */
std::function<void()> GraphTracker::wrap_with_current_context(std::function<void()> task)
{
	return [task = std::move(task), carried = processors] {
		auto before = std::exchange(processors, carried);

		task();
		processors = before;
	};
}

void GraphTracker::track_allocate(const Buffer *buffer)
{
	for (auto &each : processors)
		each->track_allocate(buffer);
}

void GraphTracker::track_deallocate(Buffer *buffer)
{
	for (auto &each : processors)
		each->track_deallocate(buffer);
}

void GraphTracker::track_allocate_cb(const CoreRangeSet &cores, uint64_t address, uint64_t size,
                                     bool is_globally_allocated, const IDevice *device)
{
	for (auto &each : processors)
		each->track_allocate_cb(cores, address, size, is_globally_allocated, device);
}

void GraphTracker::track_deallocate_cb(const IDevice *device)
{
	for (auto &each : processors)
		each->track_deallocate_cb(device);
}

void GraphTracker::track_program(Program *program, const IDevice *device)
{
	for (auto &each : processors)
		each->track_program(program, device);
}

void GraphTracker::track_function_start(std::string_view name)
{
	for (auto &each : processors)
		each->track_function_start(name, tracked_span{});
}

/* With what came of it, or without: both are called. */
void GraphTracker::track_function_end()
{
	bool with_output = (ends_++ & 1) != 0;

	for (auto &each : processors) {
		if (with_output)
			each->track_function_end(std::any(1));
		else
			each->track_function_end();
	}
}

/* --- programs --------------------------------------------------------------------------------- */

namespace detail
{

using distributed::MeshDevice;

class ProgramImpl
{
      public:
	struct cb {
		CoreRangeSet cores;
		uint64_t bytes = 0, address = 0;
		const Buffer *lies_in = nullptr;
	};

	~ProgramImpl()
	{
		for (const IDevice *device : placed_)
			GraphTracker::instance().track_deallocate_cb(device);
	}

	/* Addresses once, from the base upwards; told for each device that is new. */
	void place(const MeshDevice &mesh)
	{
		uint64_t at = mesh.allocator()->get_base_allocator_addr(HalMemType::L1);
		std::vector<const IDevice *> devices{&mesh};

		if (stand_in::how.cbs_by_chip) {
			auto chips = mesh.get_devices();

			devices.assign(chips.begin(), chips.end());
		}
		for (cb &each : cbs) {
			each.address = each.lies_in ? each.lies_in->address() : at;
			if (!each.lies_in)
				at += each.bytes;
		}
		end_ = at;
		for (const IDevice *device : devices) {
			if (std::find(placed_.begin(), placed_.end(), device) != placed_.end())
				continue;
			placed_.push_back(device);
			for (const cb &each : cbs)
				GraphTracker::instance().track_allocate_cb(
					each.cores, each.address, each.bytes,
					each.lies_in != nullptr, device);
		}
	}

	void validate(const MeshDevice &mesh) const
	{
		auto lowest = mesh.lowest_occupied_compute_l1_address();

		if (lowest && end_ > *lowest)
			throw std::runtime_error("circular buffers clash with L1 buffers");
	}

	std::vector<cb> cbs;

      private:
	std::vector<const IDevice *> placed_;
	uint64_t end_ = 0;
};

} // namespace detail

Program::Program() : internal_(std::make_shared<detail::ProgramImpl>())
{
}

Program::~Program() noexcept = default;
Program::Program(Program &&) noexcept = default;
Program &Program::operator=(Program &&) noexcept = default;

} // namespace tt::tt_metal

namespace stand_in
{

using tt::tt_metal::GraphTracker;

/* --- mesh buffers ----------------------------------------------------------------------------- */

mesh_buffer::mesh_buffer(const std::shared_ptr<MeshDevice> &mesh, uint64_t bytes, BufferType type,
                         uint64_t page, std::optional<bool> bottom_up)
    : backing(Buffer::create(mesh.get(), bytes, page, type, bottom_up)), mesh_(mesh)
{
	for (IDevice *each : mesh->get_devices())
		views.push_back(Buffer::create(each, backing->address(), bytes, page, type));
}

mesh_buffer::mesh_buffer(const std::shared_ptr<MeshDevice> &mesh, const mesh_buffer &owner)
    : mesh_(mesh)
{
	for (IDevice *each : mesh->get_devices())
		views.push_back(Buffer::create(each, owner.backing->address(),
		                               owner.backing->size(), owner.backing->page_size(),
		                               owner.backing->buffer_type()));
}

mesh_buffer::~mesh_buffer()
{
	auto mesh = mesh_.lock();

	if (mesh && mesh->is_initialized())
		return;
	/* The chips are gone: no buffer may look at its own. */
	if (backing)
		backing->mark_as_deallocated();
	for (const auto &view : views)
		view->mark_as_deallocated();
}

tensor replicated(const std::shared_ptr<MeshDevice> &mesh, uint64_t bytes, BufferType type)
{
	return std::make_unique<mesh_buffer>(mesh, bytes, type);
}

tensor sharded(const std::shared_ptr<MeshDevice> &mesh, uint64_t bytes_of_all, BufferType type)
{
	uint64_t chips = mesh->shape()[0] * mesh->shape()[1];

	return std::make_unique<mesh_buffer>(mesh, bytes_of_all / chips, type);
}

/* --- launches --------------------------------------------------------------------------------- */

void add_cb(Program &program, const CoreRangeSet &cores, uint64_t bytes, const Buffer *lies_in)
{
	tt::tt_metal::detail::ProgramImpl::cb made;

	made.cores = cores;
	made.bytes = bytes;
	made.lies_in = lies_in;
	program.impl().cbs.push_back(made);
}

static void load_binaries(const std::shared_ptr<MeshDevice> &mesh, workload &work)
{
	if (!work.binary_bytes || (work.binaries && work.mesh.lock() == mesh))
		return;
	work.mesh = mesh;
	work.binaries = std::make_unique<mesh_buffer>(mesh, work.binary_bytes, BufferType::DRAM,
	                                              PAGE, false);
	mesh_buffer view(mesh, *work.binaries); /* to write them */
}

void enqueue(const std::shared_ptr<MeshDevice> &mesh, workload &work)
{
	for (Program &program : work.programs) {
		auto compile = [&] { program.impl().place(*mesh); };

		if (work.programs.size() > 1)
			on_worker(compile);
		else
			compile();
		program.impl().validate(*mesh);
	}
	load_binaries(mesh, work);
}

tensor operation(const std::string &name, const std::shared_ptr<MeshDevice> &mesh, workload &work,
                 uint64_t output_bytes, BufferType type)
{
	GraphTracker &tracker = GraphTracker::instance();
	bool is_hooked = false;
	tensor output;

	tracker.track_function_start(name);
	try {
		if (output_bytes)
			output = replicated(mesh, output_bytes, type);
		for (Program &program : work.programs) {
			tracker.track_program(&program, mesh.get());
			is_hooked = is_hooked || (tracker.get_hook() &&
			                          tracker.get_hook()->hook_program(&program));
		}
		if (!is_hooked)
			enqueue(mesh, work);
	} catch (...) {
		tracker.track_function_end();
		throw;
	}
	tracker.track_function_end();
	return output;
}

void on_worker(const std::function<void()> &task)
{
	std::thread worker(GraphTracker::instance().wrap_with_current_context(task));

	worker.join();
}

} // namespace stand_in

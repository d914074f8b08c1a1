/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports what tt-metal allocates to meshtally. C++17 or later, header only:
 *
 *     #include <meshtally/tt_metal.hpp>
 *     meshtally::tt_metal::install();          // before the first device is opened
 *
 * Buffers come from tt-metal's process-wide observer of allocations where its header can be
 * included, else from the graph processor that install() pushes on the calling thread; operations
 * (sites and tags) and circular buffers always come from that processor.
 * adapters/tt-metal/README.md says what is reported how, what tt-metal does not tell, and what has
 * been tried.
 *
 * Threads: every function may be called from any thread. The path of an allocation or free takes no
 * lock of its own and allocates nothing; opening, closing and programs take one lock. Nothing
 * throws. State is never destroyed, so that buffers may still be freed by static destructors.
 */
#ifndef MESHTALLY_TT_METAL_HPP
#define MESHTALLY_TT_METAL_HPP

#include <meshtally.h>

#include "tt_metal/buffers.hpp"
#include "tt_metal/programs.hpp"

/* tt-metal keeps this header in its source tree: define MESHTALLY_TT_METAL_OBSERVER as 0 where it
 * can be included but must not be. */
#if !defined(MESHTALLY_TT_METAL_OBSERVER)
#if __has_include(<impl/memory_tracking/buffer_allocation_observer.hpp>)
#define MESHTALLY_TT_METAL_OBSERVER 1
#else
#define MESHTALLY_TT_METAL_OBSERVER 0
#endif
#endif
#if MESHTALLY_TT_METAL_OBSERVER
#include <impl/memory_tracking/buffer_allocation_observer.hpp>
#endif

#include <any>
#include <memory>
#include <string_view>
#include <typeinfo>

namespace meshtally::tt_metal
{

/* What install() did. */
struct installed {
	bool buffers_of_all_threads; /* by the observer; else of threads with the processor */
	bool operations;             /* the processor is on this thread's stack */
};

namespace detail
{

class processor final : public tt::tt_metal::IGraphProcessor
{
      public:
	bool is_capture_processor() const override
	{
		return false;
	}
	void track_allocate(const Buffer *buffer) override
	{
		if (!by_observer.load(std::memory_order_relaxed))
			report_allocate(buffer);
	}
	void track_deallocate(Buffer *buffer) override
	{
		if (!by_observer.load(std::memory_order_relaxed))
			report_free(buffer);
	}
	void track_allocate_cb(const tt::tt_metal::CoreRangeSet &cores, uint64_t address,
	                       uint64_t bytes, bool is_globally_allocated,
	                       const IDevice *device) override
	{
		if (MT_IS_ON() && device)
			cb_allocated(cores, address, bytes, is_globally_allocated, *device);
	}
	void track_deallocate_cb(const IDevice *device) override
	{
		if (MT_IS_ON() && device)
			cbs_released(*device);
	}
	void track_program(Program *program, const IDevice *device) override
	{
		if (MT_IS_ON() && program && device && !is_hooked(*program))
			program_launched(*program, *device);
	}
	void track_function_start(std::string_view name, tracked_arguments) override
	{
		operation_begin(name);
	}
	void track_function_end() override
	{
		operation_end();
	}
	void track_function_end(const std::any &) override
	{
		operation_end();
	}
};

#if MESHTALLY_TT_METAL_OBSERVER
class observer final : public tt::tt_metal::BufferAllocationObserver
{
      public:
	void track_allocate(const Buffer *buffer) override
	{
		report_allocate(buffer);
	}
	void track_deallocate(Buffer *buffer) override
	{
		report_free(buffer);
	}
};
#endif

} /* namespace detail */

/*
 * Makes tt-metal report. Once for the process, before the first device is opened; once more on each
 * further thread that begins operations, and outside of graph captures, whose end takes the
 * topmost processor off. While tracking is off no processor is pushed, so that tt-metal collects
 * nothing for it: call it again after mt_enable().
 */
inline installed install(const options &given = {})
{
	using tt::tt_metal::GraphTracker;
	installed done{};

	detail::locked([&](detail::tally &t) {
		t.given = given;
		if (MT_IS_ON() && detail::is_void(t))
			detail::forget_all(t);
	});
	detail::classifier.store(given.classify, std::memory_order_relaxed);
#if MESHTALLY_TT_METAL_OBSERVER
	detail::by_observer.store(true, std::memory_order_relaxed);
	(void)tt::tt_metal::register_buffer_allocation_observer_once(
		typeid(detail::observer), [] { return std::make_shared<detail::observer>(); });
	done.buffers_of_all_threads = true;
#endif
	if (!MT_IS_ON() || !given.operations)
		return done;
	done.operations = true;
	for (const auto &each : GraphTracker::instance().get_processors()) {
		if (dynamic_cast<const detail::processor *>(each.get()))
			return done;
	}
	static const auto *const shared =
		new std::shared_ptr<detail::processor>(std::make_shared<detail::processor>());
	GraphTracker::instance().push_processor(*shared);
	return done;
}

/* What is live on the device or mesh is the runtime's own (MT_SYSTEM): call it as soon as it is
 * open. Else the first buffer that an operation (ttnn) allocates on it says so, or the first
 * program. */
inline void ready(const tt::tt_metal::IDevice &device)
{
	if (!MT_IS_ON())
		return;
	detail::locked(
		[&](detail::tally &t) { detail::entry_ready(t, detail::entry_of(t, device)); });
}

/* The device or mesh has been closed, and not yet destroyed: what the user has in it is leaked (or
 * lost, if it was reset). A mesh that is destroyed without this is noticed at the next operation,
 * or when the next device is seen. */
inline void close(const tt::tt_metal::IDevice &device, bool lost = false)
{
	if (!MT_IS_ON())
		return;
	detail::locked([&](detail::tally &t) {
		auto found = t.entries.find(&device);

		if (found != t.entries.end())
			detail::entry_close(t, &device, found->second, lost);
	});
}

/* Reports what the allocator of an open device holds already, for a program that installs late.
 * Nothing may be allocated meanwhile. */
inline void adopt(const tt::tt_metal::IDevice &device)
{
	if (!MT_IS_ON())
		return;
	uint64_t state = detail::state_now(device);
	detail::locked([&](detail::tally &) {
		for (const auto *buffer : device.allocator()->get_allocated_buffers()) {
			mt_buffer report = detail::describe(*buffer, detail::space_of(state));

			report.flags |= MT_EXISTING;
			(void)mt_alloc(&report);
		}
	});
}

/* Keeps who held what, for `meshtally oom`. Call it where the exception of a failed allocation is
 * caught, or better thrown: tt-metal does not tell of it. */
inline void allocation_failed(const tt::tt_metal::IDevice &device, tt::tt_metal::BufferType type,
                              uint64_t bytes, const char *reason = nullptr)
{
	if (!MT_IS_ON())
		return;
	uint64_t state = detail::state_now(device);
	detail::locked([&](detail::tally &) {
		const auto &allocator = *device.allocator();
		auto statistics = allocator.get_statistics(type);
		uint64_t banks = allocator.get_num_banks(type);
		mt_failure failure{};

		failure.struct_size = sizeof failure;
		failure.space = detail::space_of(state);
		failure.kind = static_cast<uint32_t>(type);
		failure.bytes = bytes;
		failure.span = banks ? (bytes + banks - 1) / banks : bytes;
		failure.free_span = statistics.total_free_bytes;
		failure.largest_span = statistics.largest_free_block_bytes;
		failure.reason = reason;
		(void)mt_alloc_failed(&failure);
	});
}

} /* namespace meshtally::tt_metal */

#endif

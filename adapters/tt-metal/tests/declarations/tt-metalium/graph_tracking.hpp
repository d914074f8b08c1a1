/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for tests, in this project's own words: the names and signatures of tt-metal's public
 * interface that the adapter uses, and nothing else of it. Processors of what happens, a stack per
 * thread; std::span where the language has it. */
#pragma once

#include <tt-metalium/buffer.hpp>
#include <tt-metalium/core_coord.hpp>

#include <any>
#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#if __cplusplus >= 202002L
#include <span>
#endif

namespace tt::tt_metal
{
class Program;

struct TrackedArgument {
	std::any value;
};

#if __cplusplus >= 202002L
using tracked_span = std::span<TrackedArgument>;
#else
struct tracked_span { /* for compilers without std::span */
	TrackedArgument *data = nullptr;
	size_t size = 0;
};
#endif

class IGraphProcessor
{
      public:
	IGraphProcessor() = default;
	IGraphProcessor(const IGraphProcessor &) = default;
	IGraphProcessor &operator=(const IGraphProcessor &) = default;
	virtual ~IGraphProcessor() = default;

	virtual bool is_capture_processor() const
	{
		return true;
	}
	virtual void track_allocate(const Buffer *)
	{
	}
	virtual void track_deallocate(Buffer *)
	{
	}
	virtual void track_allocate_cb(const CoreRangeSet &, uint64_t /*address*/,
	                               uint64_t /*size*/, bool /*is_globally_allocated*/,
	                               const IDevice *)
	{
	}
	virtual void track_deallocate_cb(const IDevice *)
	{
	}
	virtual void track_program(Program *, const IDevice *)
	{
	}
	virtual void track_function_start(std::string_view, tracked_span)
	{
	}
	virtual void track_function_end()
	{
	}
	virtual void track_function_end(const std::any &)
	{
	}
};

class IGraphHooks
{
      public:
	IGraphHooks() = default;
	IGraphHooks(const IGraphHooks &) = default;
	IGraphHooks &operator=(const IGraphHooks &) = default;
	virtual ~IGraphHooks() = default;

	virtual bool hook_allocate(const Buffer *buffer) = 0;
	virtual bool hook_deallocate(Buffer *buffer) = 0;
	virtual bool hook_program(Program *program) = 0;
};

class GraphTracker
{
      public:
	static GraphTracker &instance();

	bool is_enabled() const;
	void push_processor(const std::shared_ptr<IGraphProcessor> &processor);
	void pop_processor();
	const std::vector<std::shared_ptr<IGraphProcessor>> &get_processors() const;
	bool add_hook(const std::shared_ptr<IGraphHooks> &hook);
	void clear_hook();
	const std::shared_ptr<IGraphHooks> &get_hook() const;
	std::function<void()> wrap_with_current_context(std::function<void()> task);

	void track_allocate(const Buffer *buffer);
	void track_deallocate(Buffer *buffer);
	void track_allocate_cb(const CoreRangeSet &cores, uint64_t address, uint64_t size,
	                       bool is_globally_allocated, const IDevice *device);
	void track_deallocate_cb(const IDevice *device);
	void track_program(Program *program, const IDevice *device);
	void track_function_start(std::string_view name);
	void track_function_end();

      private:
	static thread_local std::vector<std::shared_ptr<IGraphProcessor>> processors;
	static thread_local std::shared_ptr<IGraphHooks> hook;
	std::atomic<uint32_t> ends_{0};
};
} // namespace tt::tt_metal

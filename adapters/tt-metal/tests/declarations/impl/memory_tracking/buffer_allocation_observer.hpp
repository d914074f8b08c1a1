/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for tests, in this project's own words: the names and signatures of tt-metal's public
 * interface that the adapter uses, and nothing else of it. An observer of allocations, for the
 * process. */
#pragma once

#include <functional>
#include <memory>
#include <typeinfo>

namespace tt::tt_metal
{
class Buffer;

class BufferAllocationObserver
{
      public:
	BufferAllocationObserver() = default;
	BufferAllocationObserver(const BufferAllocationObserver &) = default;
	BufferAllocationObserver &operator=(const BufferAllocationObserver &) = default;
	virtual ~BufferAllocationObserver() = default;

	virtual void track_allocate(const Buffer *buffer) = 0;
	virtual void track_deallocate(Buffer *buffer) = 0;
};

bool register_buffer_allocation_observer_once(
	const std::type_info &type,
	const std::function<std::shared_ptr<BufferAllocationObserver>()> &factory);
} // namespace tt::tt_metal

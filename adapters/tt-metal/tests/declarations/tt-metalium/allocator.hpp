/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for tests, in this project's own words: the names and signatures of tt-metal's public
 * interface that the adapter uses, and nothing else of it. What hands out addresses; made by
 * stand_in.cpp. */
#pragma once

#include <tt-metalium/hal_types.hpp>

#include <memory>
#include <unordered_set>

namespace tt::tt_metal
{
class Buffer;
class AllocatorImpl;

struct Statistics {
	size_t total_allocatable_size_bytes = 0, total_allocated_bytes = 0, total_free_bytes = 0;
	size_t largest_free_block_bytes = 0;
};

class Allocator
{
      public:
	explicit Allocator(AllocatorImpl *impl);
	~Allocator();
	Allocator(const Allocator &) = delete;
	Allocator &operator=(const Allocator &) = delete;

	uint32_t get_num_banks(const BufferType &type) const;
	DeviceAddr get_bank_size(const BufferType &type) const;
	DeviceAddr get_base_allocator_addr(const HalMemType &type) const;
	uint32_t get_alignment(BufferType type) const;
	Statistics get_statistics(const BufferType &type) const;
	std::unordered_set<Buffer *> get_allocated_buffers() const;

	AllocatorImpl &impl() const
	{
		return *impl_;
	}

      private:
	std::unique_ptr<AllocatorImpl> impl_;
};
} // namespace tt::tt_metal

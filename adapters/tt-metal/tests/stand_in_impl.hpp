/* SPDX-License-Identifier: Apache-2.0 */
/* What stand_in.cpp and stand_in_programs.cpp share. */
#pragma once

#include "stand_in.hpp"

#include <map>
#include <mutex>
#include <unordered_set>

namespace tt::tt_metal
{

/* One bank stands for all: they are handed out in lockstep. */
class AllocatorImpl
{
      public:
	struct region {
		uint32_t banks = 0;
		DeviceAddr base = 0, bank_bytes = 0;
		uint32_t align = 1;
		std::map<DeviceAddr, DeviceAddr> taken; /* address: span */
	};

	AllocatorImpl();
	region &of(BufferType type, std::optional<SubDeviceId> sub);
	DeviceAddr take(Buffer *buffer, std::optional<SubDeviceId> sub);
	void give(Buffer *buffer, std::optional<SubDeviceId> sub);
	std::optional<DeviceAddr> lowest_l1();

	std::mutex lock;
	std::unordered_set<Buffer *> live;

      private:
	std::map<BufferType, region> regions_, first_of_sub_devices_;
};

} // namespace tt::tt_metal

namespace stand_in
{

/* A chip, with an allocator of its own beside those of its meshes. */
class device final : public IDevice
{
      public:
	explicit device(int ordinal)
	    : allocator_(
		      std::make_unique<tt::tt_metal::Allocator>(new tt::tt_metal::AllocatorImpl)),
	      ordinal_(ordinal)
	{
	}
	tt::ARCH arch() const override
	{
		return tt::ARCH::WORMHOLE_B0;
	}
	int id() const override
	{
		return ordinal_;
	}
	bool is_initialized() const override
	{
		return is_open_;
	}
	const std::unique_ptr<tt::tt_metal::Allocator> &allocator() const override
	{
		return allocator_;
	}
	std::optional<tt::tt_metal::DeviceAddr> lowest_occupied_compute_l1_address() const override
	{
		return allocator_->impl().lowest_l1();
	}
	bool close() override
	{
		is_open_ = false;
		return true;
	}

      private:
	std::unique_ptr<tt::tt_metal::Allocator> allocator_;
	int ordinal_;
	bool is_open_ = true;
};

void mesh_closed(const MeshDevice &mesh);

} // namespace stand_in

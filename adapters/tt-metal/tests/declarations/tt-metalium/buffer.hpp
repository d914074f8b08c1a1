/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for tests, in this project's own words: the names and signatures of tt-metal's public
 * interface that the adapter uses, and nothing else of it. A buffer: a backing one on a mesh, or
 * one on a chip. */
#pragma once

#include <tt-metalium/device.hpp>

#include <memory>
#include <optional>

namespace tt::tt_metal
{
struct SubDeviceId {
	uint8_t value = 0;
	uint8_t operator*() const
	{
		return value;
	}
};

class Buffer final : public std::enable_shared_from_this<Buffer>
{
      public:
	/* Owns its memory. */
	static std::shared_ptr<Buffer> create(IDevice *device, DeviceAddr size,
	                                      DeviceAddr page_size, BufferType type,
	                                      std::optional<bool> bottom_up = std::nullopt,
	                                      std::optional<SubDeviceId> sub_device = std::nullopt);
	/* Lies in memory that is another's. */
	static std::shared_ptr<Buffer> create(IDevice *device, DeviceAddr address, DeviceAddr size,
	                                      DeviceAddr page_size, BufferType type);
	Buffer(IDevice *device, DeviceAddr size, DeviceAddr page_size, BufferType type,
	       std::optional<bool> bottom_up, std::optional<SubDeviceId> sub_device, bool owns);
	~Buffer();
	Buffer(const Buffer &) = delete;
	Buffer &operator=(const Buffer &) = delete;

	IDevice *device() const
	{
		return device_;
	}
	DeviceAddr size() const
	{
		return size_;
	}
	uint64_t address() const
	{
		return address_;
	}
	DeviceAddr page_size() const
	{
		return page_size_;
	}
	BufferType buffer_type() const
	{
		return type_;
	}
#ifndef STAND_IN_SPARSE /* not in every release */
	bool bottom_up() const
	{
		return bottom_up_;
	}
	std::optional<SubDeviceId> sub_device_id() const
	{
		return sub_device_;
	}
#endif
	size_t unique_id() const
	{
		return unique_id_;
	}
	DeviceAddr aligned_size_per_bank() const;
	/* The device is gone already: nothing is given back. */
	void mark_as_deallocated();

      private:
	friend void DeallocateBuffer(Buffer &buffer);
	void allocate();
	void deallocate();

	IDevice *const device_;
	const DeviceAddr size_, page_size_;
	const BufferType type_;
	const bool bottom_up_, owns_;
	const std::optional<SubDeviceId> sub_device_;
	const size_t unique_id_;
	DeviceAddr address_ = 0;
	bool is_allocated_ = false, is_hooked_ = false;
};

void DeallocateBuffer(Buffer &buffer);
} // namespace tt::tt_metal

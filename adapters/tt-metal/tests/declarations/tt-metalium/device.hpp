/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for tests, in this project's own words: the names and signatures of tt-metal's public
 * interface that the adapter uses, and nothing else of it. A device: a chip, or a mesh. */
#pragma once

#include <tt-metalium/allocator.hpp>

#include <memory>
#include <optional>

namespace tt::tt_metal
{
class IDevice
{
      public:
	IDevice() = default;
	virtual ~IDevice() = default;
	IDevice(const IDevice &) = delete;
	IDevice &operator=(const IDevice &) = delete;

	virtual tt::ARCH arch() const = 0;
	virtual int id() const = 0;
	virtual bool is_initialized() const = 0;
	virtual const std::unique_ptr<Allocator> &allocator() const = 0;
	virtual std::optional<DeviceAddr> lowest_occupied_compute_l1_address() const = 0;
	virtual bool close() = 0;
};
} // namespace tt::tt_metal

/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for tests, in this project's own words: the names and signatures of tt-metal's public
 * interface that the adapter uses, and nothing else of it. A mesh of chips. */
#pragma once

#include <tt-metalium/device.hpp>

#include <array>
#include <vector>

namespace tt::tt_metal::distributed
{
class MeshShape
{
      public:
	MeshShape(uint32_t rows, uint32_t columns) : sizes_{rows, columns}
	{
	}
	size_t dims() const
	{
		return sizes_.size();
	}
	uint32_t operator[](int32_t dim) const
	{
		return sizes_[static_cast<size_t>(dim)];
	}

      private:
	std::array<uint32_t, 2> sizes_;
};

class MeshDeviceView
{
public:
	std::vector<IDevice *> get_devices() const;
};

class MeshDevice : public IDevice, public std::enable_shared_from_this<MeshDevice>
{
      public:
	MeshDevice(const MeshShape &shape, std::vector<IDevice *> places,
	           std::shared_ptr<MeshDevice> parent);
	~MeshDevice() override;

	tt::ARCH arch() const override;
	int id() const override;
	bool is_initialized() const override;
	const std::unique_ptr<Allocator> &allocator() const override;
	std::optional<DeviceAddr> lowest_occupied_compute_l1_address() const override;
	bool close() override;

#ifndef STAND_IN_SPARSE /* not in every release */
	/* Those of this host. */
	std::vector<IDevice *> get_devices() const;
	const std::shared_ptr<MeshDevice> &get_parent_mesh() const;
#else
	const MeshDeviceView &get_view() const;
#endif
	/* Throws where the chip is another host's. */
	IDevice *get_device(size_t row, size_t column) const;
	const MeshShape &shape() const;
	std::shared_ptr<MeshDevice> create_submesh(const MeshShape &shape, size_t row,
	                                           size_t column);

      private:
	MeshShape shape_;
	std::vector<IDevice *> places_;
	std::shared_ptr<MeshDevice> parent_;
	std::unique_ptr<Allocator> allocator_;
	int id_;
	bool is_open_ = true;
};
} // namespace tt::tt_metal::distributed

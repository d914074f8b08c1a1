/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for tests, in this project's own words: the names and signatures of tt-metal's public
 * interface that the adapter uses, and nothing else of it. Rectangles of cores. */
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace tt::tt_metal
{
struct CoreCoord {
	size_t x = 0, y = 0;
};

class CoreRange
{
      public:
	CoreCoord start_coord, end_coord;
	CoreRange(const CoreCoord &start, const CoreCoord &end) : start_coord(start), end_coord(end)
	{
	}
};

class CoreRangeSet
{
      public:
	CoreRangeSet() = default;
	explicit CoreRangeSet(const CoreRange &range) : ranges_{range}
	{
	}
	explicit CoreRangeSet(std::vector<CoreRange> &&ranges) : ranges_(std::move(ranges))
	{
	}
	const std::vector<CoreRange> &ranges() const
	{
		return ranges_;
	}

      private:
	std::vector<CoreRange> ranges_;
};
} // namespace tt::tt_metal

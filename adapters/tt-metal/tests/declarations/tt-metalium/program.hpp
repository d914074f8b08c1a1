/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for tests, in this project's own words: the names and signatures of tt-metal's public
 * interface that the adapter uses, and nothing else of it. A program: circular buffers and kernels.
 */
#pragma once

#include <memory>

namespace tt::tt_metal
{
namespace detail
{
class ProgramImpl;
}

class Program
{
      public:
	Program();
	~Program() noexcept;
	Program(Program &&) noexcept;
	Program &operator=(Program &&) noexcept;

#ifndef STAND_IN_SPARSE /* not in every release */
	detail::ProgramImpl &impl()
	{
		return *internal_;
	}
#endif

private:
	std::shared_ptr<detail::ProgramImpl> internal_;
};
} // namespace tt::tt_metal

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost of an allocation or free that tt-metal's observer hands on, beside the same events by
 * plain mt_alloc and mt_free, and beside reading from a buffer what is reported of it. On a 2x4
 * mesh of the adapter's stand-in; the buffers are live all the time, only what is told of them is
 * measured: free a random one, allocate it again.
 */
#include "bench.h"
#include "stand_in.hpp"

#include <meshtally/tt_metal.hpp>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

namespace
{

constexpr int EVENTS = 1000000;
using observers = tt::tt_metal::BufferAllocationObserver;
using buffers = std::vector<std::shared_ptr<tt::tt_metal::Buffer>>;

volatile uint64_t sink;

double by_observer(observers &told, const buffers &all, uint64_t &random)
{
	double start = bench_now_ns();

	for (int i = 0; i < EVENTS / 2; i++) {
		tt::tt_metal::Buffer *buffer = all[bench_random(&random) % all.size()].get();

		told.track_deallocate(buffer);
		told.track_allocate(buffer);
	}
	return (bench_now_ns() - start) / EVENTS;
}

double plain(const std::vector<mt_buffer> &all, uint64_t &random)
{
	double start = bench_now_ns();

	for (int i = 0; i < EVENTS / 2; i++) {
		const mt_buffer &buffer = all[bench_random(&random) % all.size()];

		mt_free(buffer.space, buffer.id);
		mt_alloc(&buffer);
	}
	return (bench_now_ns() - start) / EVENTS;
}

/* What any observer has to ask a buffer for: for a free its device and id, for an allocation all.
 */
double reading(const buffers &all, uint64_t &random)
{
	uint64_t sum = 0;
	double start = bench_now_ns();

	for (int i = 0; i < EVENTS / 2; i++) {
		const tt::tt_metal::Buffer &buffer = *all[bench_random(&random) % all.size()];

		sum += buffer.unique_id() + buffer.address() + buffer.size() + buffer.page_size() +
		       buffer.aligned_size_per_bank() +
		       static_cast<uint64_t>(buffer.buffer_type()) + buffer.bottom_up() +
		       buffer.sub_device_id().has_value() +
		       static_cast<uint64_t>(buffer.device()->id());
	}
	sink = sum;
	return (bench_now_ns() - start) / EVENTS;
}

struct nothing final : observers {
	void track_allocate(const tt::tt_metal::Buffer *) override
	{
	}
	void track_deallocate(tt::tt_metal::Buffer *) override
	{
	}
};

void measure(const std::shared_ptr<stand_in::MeshDevice> &mesh, size_t live)
{
	double observed[BENCH_TURNS], by_hand[BENCH_TURNS], read[BENCH_TURNS], ratios[BENCH_TURNS];
	double beside[BENCH_TURNS], off[BENCH_TURNS], empty[BENCH_TURNS];
	auto told = std::make_unique<meshtally::tt_metal::detail::observer>();
	auto deaf = std::make_unique<nothing>();
	uint64_t random = 88172645463325252ull;
	std::vector<mt_buffer> same;
	buffers all;

	for (size_t i = 0; i < live; i++) {
		all.push_back(stand_in::Buffer::create(mesh.get(), 4096, 2048,
		                                       stand_in::BufferType::DRAM));
		uint64_t state = meshtally::tt_metal::detail::state_now(*mesh);
		same.push_back(meshtally::tt_metal::detail::describe(
			*all.back(), meshtally::tt_metal::detail::space_of(state)));
	}
	for (int turn = 0; turn < BENCH_TURNS; turn++) {
		by_hand[turn] = plain(same, random);
		observed[turn] = by_observer(*told, all, random);
		read[turn] = reading(all, random);
		ratios[turn] = observed[turn] / by_hand[turn];
		beside[turn] = (observed[turn] - read[turn]) / by_hand[turn];
		empty[turn] = by_observer(*deaf, all, random);
	}
	mt_enable(0, nullptr, nullptr);
	for (int turn = 0; turn < BENCH_TURNS; turn++)
		off[turn] = by_observer(*told, all, random);
	printf("%8zu %8.1f %8.1f %8.1f %9.2f %9.2f %8.1f %8.1f\n", live,
	       bench_median(by_hand, BENCH_TURNS), bench_median(read, BENCH_TURNS),
	       bench_median(observed, BENCH_TURNS), bench_median(ratios, BENCH_TURNS),
	       bench_median(beside, BENCH_TURNS), bench_median(empty, BENCH_TURNS),
	       bench_median(off, BENCH_TURNS));
}

} // namespace

int main()
{
	printf("%8s %8s %8s %8s %9s %9s %8s %8s\n", "ns, live", "plain", "reading", "observer",
	       "/ plain", "less read", "empty", "off");
	for (size_t live : {1000u, 100000u}) {
		mt_enable(1, nullptr, nullptr);
		meshtally::tt_metal::install();
		auto mesh = stand_in::open_mesh(2, 4, {0, 1, 2, 3, 4, 5, 6, 7});

		tt::tt_metal::GraphTracker::instance().track_function_start("ttnn::add");
		meshtally::tt_metal::ready(*mesh);
		measure(mesh, live);
		tt::tt_metal::GraphTracker::instance().track_function_end();
	}
	return 0;
}

// SPDX-License-Identifier: MIT
#include "broker/room.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <random>
#include <utility>
#include <vector>

namespace msi2imds::broker {
namespace {

using Extents = std::map<std::uint64_t, std::uint64_t>;

TEST(RoomTest, GivesTheFirstThatIsLargeEnough) {
  Room room;
  room.give({.at = 100, .size = 10});
  room.give({.at = 200, .size = 30});
  EXPECT_EQ(room.take(20)->at, 200U);
  EXPECT_EQ(room.take(10)->at, 100U);
  EXPECT_EQ(room.take(10)->at, 220U);
  EXPECT_FALSE(room.take(1));
}

TEST(RoomTest, NeighboursBecomeOne) {
  Room room;
  room.give({.at = 0, .size = 10});
  room.give({.at = 20, .size = 10});
  room.give({.at = 10, .size = 10});
  EXPECT_EQ(room.extents(), (Extents{{0, 30}}));
}

TEST(RoomTest, NothingIsNoRoom) {
  Room room;
  room.give({.at = 10, .size = 0});
  EXPECT_TRUE(room.extents().empty());
}

TEST(RoomTest, NoByteIsGivenTwice) {
  constexpr std::size_t kBytes = 1000;
  std::minstd_rand random{1};
  Room room;
  room.give({.at = 0, .size = kBytes});
  std::array<bool, kBytes> taken{};
  std::vector<Extent> held;
  for (int i = 0; i < 20'000; ++i) {
    if (const auto extent = random() % 2 == 0 ? room.take(1 + random() % 40) : std::nullopt) {
      for (std::uint64_t at = extent->at; at < extent->end(); ++at) {
        ASSERT_FALSE(std::exchange(taken.at(at), true));
      }
      held.push_back(*extent);
    } else if (!held.empty()) {
      std::swap(held[random() % held.size()], held.back());
      for (std::uint64_t at = held.back().at; at < held.back().end(); ++at) {
        taken.at(at) = false;
      }
      room.give(held.back());
      held.pop_back();
    }
  }
  for (const Extent& extent : held) {
    room.give(extent);
  }
  EXPECT_EQ(room.extents(), (Extents{{0, kBytes}})) << "nothing is lost";
}

}  // namespace
}  // namespace msi2imds::broker

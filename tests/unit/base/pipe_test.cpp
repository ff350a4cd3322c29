// SPDX-License-Identifier: MIT
#include "base/pipe.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

namespace msi2imds {
namespace {

std::string read_until_closed(const UniqueFd& reader) {
  std::string text;
  std::array<char, 4096> room{};
  for (ssize_t size = 0; (size = ::read(reader.get(), room.data(), room.size())) > 0;) {
    text.append(room.data(), static_cast<std::size_t>(size));
  }
  return text;
}

TEST(PipeTest, APipeHoldsAllOfAText) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{300'000}}) {
    const std::string text(size, 'x');
    const Result<UniqueFd> pipe = pipe_with(text);
    ASSERT_TRUE(pipe) << pipe.error().message();
    EXPECT_TRUE(read_until_closed(*pipe) == text) << size;
  }
}

TEST(PipeTest, SaysThatAPipeTakesNoMore) {
  const Result<UniqueFd> pipe = pipe_with(std::string(std::size_t{1} << 30U, 'x'));
  ASSERT_FALSE(pipe);
  EXPECT_EQ(pipe.error().message(), "write 1073741824 bytes into a pipe: Message too long");
}

}  // namespace
}  // namespace msi2imds

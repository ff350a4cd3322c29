// SPDX-License-Identifier: MIT
#include "responder/process.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "support_cpp/sanitizer.hpp"
#include "unit/responder/fake_token_service.hpp"

namespace msi2imds::responder {
namespace {

constexpr int kChannelNumber = 3;

// A process confines itself for good, so that each runs apart; says how it ended by its exit status.
[[noreturn]] void run_and_exit(UniqueFd channel) {
  std::unique_ptr<FakeTokenSource> source;
  const auto make_tokens = [&source](asio::io_context& io, SupervisorLink& /*link*/) {
    source = std::make_unique<FakeTokenSource>(io);
    return std::make_unique<FakeTokenService>(*source);
  };
  const bool well = run_process(std::move(channel), make_tokens, std::nullopt);
  std::_Exit(well ? 0 : 1);
}

[[noreturn]] void run_without_a_supervisor() {
  auto ends = control::Channel::make_pair();
  ends->first = UniqueFd();
  run_and_exit(std::move(ends->second));
}

[[noreturn]] void run_until_told_to_drain() {
  auto ends = control::Channel::make_pair();
  control::Message drain;
  drain.kind = control::Kind::drain;
  drain.value = static_cast<std::int32_t>(control::Backlog::leave);
  drain.number = 1000;
  asio::io_context io(1);
  (void)control::Channel(io, UniqueFd(::dup(ends->first.get()))).send(drain);
  run_and_exit(std::move(ends->second));
}

[[noreturn]] void find_a_channel(int type) {
  std::array<int, 2> ends{};
  (void)::socketpair(AF_UNIX, type, 0, ends.data());
  (void)::dup2(ends[0], kChannelNumber);
  const auto channel = take_channel();
  const bool is_closed_by_exec =
      channel && (::fcntl(channel->get(), F_GETFD) & FD_CLOEXEC) != 0 && channel->get() == kChannelNumber;
  std::_Exit(is_closed_by_exec ? 0 : 1);
}

[[noreturn]] void find_no_channel() {
  (void)::close(kChannelNumber);
  std::_Exit(take_channel() ? 0 : 1);
}

TEST(ProcessDeathTest, FailsWhenTheSupervisorGoes) {
  if (support::kSanitizersNeedPipes) {
    GTEST_SKIP() << "a confined process cannot make the pipes that the address sanitizer needs";
  }
  EXPECT_EXIT(run_without_a_supervisor(), testing::ExitedWithCode(1), "stop serving: cannot ");
}

TEST(ProcessDeathTest, EndsWellOnceItHasDrained) {
  if (support::kSanitizersNeedPipes) {
    GTEST_SKIP() << "a confined process cannot make the pipes that the address sanitizer needs";
  }
  EXPECT_EXIT(run_until_told_to_drain(), testing::ExitedWithCode(0), "");
}

TEST(ProcessDeathTest, TakesTheChannelThatItWasStartedWith) {
  EXPECT_EXIT(find_a_channel(SOCK_SEQPACKET), testing::ExitedWithCode(0), "");
}

TEST(ProcessDeathTest, IsNotStartedByAnybodyElse) {
  EXPECT_EXIT(find_a_channel(SOCK_STREAM), testing::ExitedWithCode(1), "");
  EXPECT_EXIT(find_no_channel(), testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace msi2imds::responder

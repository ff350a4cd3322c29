// SPDX-License-Identifier: MIT
#include "responder/usage_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <optional>

#include "base/log.hpp"
#include "support_cpp/run.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::responder {
namespace {

using control::Kind;

// The test is the supervisor.
class UsageFileTest : public testing::Test {
 protected:
  UsageFileTest() {
    log::start({}, "test");
    auto ends = control::Channel::make_pair();
    EXPECT_TRUE(ends);
    supervisor_.emplace(io_, std::move(ends->first));
    link_.emplace(io_, std::move(ends->second));
    state_.emplace(io_, *link_, recorder_);
    state_->load(UniqueFd());
  }

  control::Message next_message() {
    const auto received = support::run(io_, supervisor_->receive());
    EXPECT_TRUE(received);
    return received ? received->message : control::Message();
  }
  void give_file(std::uint32_t id) {
    control::Message message;
    message.kind = Kind::new_usage_file;
    message.id = id;
    const UniqueFd file(
        ::open(directory_.file("callers").c_str(), O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_TRUE(supervisor_->send(message, file.get()));
  }

  asio::io_context io_{1};
  support::TemporaryDirectory directory_;
  Recorder recorder_{io_};
  std::optional<control::Channel> supervisor_;
  std::optional<SupervisorLink> link_;
  std::optional<UsageFile> state_;
};

TEST_F(UsageFileTest, TakesNoFileAwayFromASaveThatIsUnderWay) {
  support::Started<Result<control::Received>> receiving(io_, link_->receive());
  support::Started<Result<void>> first(io_, state_->save());
  support::Started<Result<void>> second(io_, state_->save());
  for (int i = 0; i < 2; ++i) {
    const control::Message question = next_message();
    EXPECT_EQ(question.kind, Kind::open_usage_file);
    give_file(question.id);
    EXPECT_EQ(next_message().kind, Kind::save_usage_file);
  }
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
}

}  // namespace
}  // namespace msi2imds::responder

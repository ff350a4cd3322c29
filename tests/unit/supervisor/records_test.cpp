// SPDX-License-Identifier: MIT
#include "supervisor/records.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/log.hpp"
#include "support_cpp/run.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

class RecordsTest : public testing::Test {
 protected:
  RecordsTest() {
    testing::internal::CaptureStderr();
    log::start({}, "test");
  }

  // What the responder would be given of such a configuration.
  void configure(const std::string& state_file) {
    config::Config config;
    config.callers.state_file = state_file;
    config.audit.file.clear();
    config.metrics.port = 0;
    records_.hand_over(config, channel_, false);
  }

  void save(const std::string& text) {
    UniqueFd file;
    const control::Message answer = records_.begin_usage_file(file);
    ASSERT_EQ(answer.error, 0);
    ASSERT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    records_.save_usage_file(text.size());
  }

  void finish() {
    support::Started<void>(io_, records_.finish(support::kPatience)).get();
  }

  asio::io_context io_;
  std::pair<UniqueFd, UniqueFd> ends_ = *control::Channel::make_pair();
  control::Channel channel_{io_, std::move(ends_.first)};
  support::TemporaryDirectory directory_;
  Records records_;
};

TEST_F(RecordsTest, SayWhyWhoCalledIsNotKept) {
  const std::string path = directory_.file("state");
  ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  configure(path);
  save("text");
  finish();
  EXPECT_EQ(records_.shortcoming(),
            "who called is not kept across a restart: cannot replace '" + path + "': Is a directory");
  EXPECT_NE(testing::internal::GetCapturedStderr().find(records_.shortcoming()), std::string::npos);
}

TEST_F(RecordsTest, TellHowTheLastSaveEndedAlsoWhereTheFileIsAnotherOneMeanwhile) {
  const std::string first = directory_.file("first");
  ASSERT_EQ(::mkdir(first.c_str(), 0700), 0);
  configure(first);
  save("text");
  configure(directory_.file("second"));
  save("text");
  finish();
  EXPECT_EQ(records_.shortcoming(), "") << "of the second";
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("not kept in '" + first + "': cannot replace '" + first + "': Is a directory"),
            std::string::npos)
      << log;
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "the writer of the first was not collected";
}

TEST_F(RecordsTest, CollectTheWriterOfAnEarlierFileWhileTheyGoOn) {
  configure(directory_.file("first"));
  save("text");
  configure("");
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT), 0);
  records_.look_after_saving();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(::access(directory_.file("first").c_str(), F_OK), 0);
  (void)testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace msi2imds::supervisor

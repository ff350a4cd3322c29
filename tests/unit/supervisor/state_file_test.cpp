// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "supervisor/record_files.hpp"
#include "support_cpp/run.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

using Outcome = std::optional<Result<void>>;

class StateFileTest : public testing::Test {
 protected:
  static void write(const UniqueFd& file, const std::string& text) {
    ASSERT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void save(const std::string& text) {
    const auto file = state_.begin();
    ASSERT_TRUE(file) << file.error().message();
    write(*file, text);
    const auto saved = state_.save(text.size());
    ASSERT_TRUE(saved) << saved.error().message();
  }
  Outcome wait() {
    return support::run(io_, state_.wait_for_outcome(support::kPatience));
  }
  [[nodiscard]] std::string content() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }

  asio::io_context io_;
  support::TemporaryDirectory directory_;
  std::string path_ = directory_.file("state");
  StateFile state_{path_};
};

TEST(AuditFileTest, ThatEndsWithinALineIsKnown) {
  const support::TemporaryDirectory directory;
  const std::string path = directory.file("audit");
  EXPECT_FALSE(ends_within_a_line(path)) << "there is none";
  for (const auto& [text, expected] : {std::pair("", false), {"a\n", false}, {"a\nb", true}}) {
    std::ofstream(path) << text;
    EXPECT_EQ(ends_within_a_line(path), expected) << text;
  }
}

TEST_F(StateFileTest, TakesTheOldOnesPlace) {
  save("old");
  ASSERT_TRUE(wait().value());
  save("new");
  ASSERT_TRUE(wait().value());
  EXPECT_EQ(content(), "new");
}

TEST_F(StateFileTest, TellsBeforeThereIsAStateWhetherItHasAPlace) {
  EXPECT_TRUE(state_.check());
  EXPECT_NE(::access((path_ + ".new").c_str(), F_OK), 0) << "nothing is left";
  StateFile nowhere(directory_.file("missing/missing/state"));
  const Result<void> found = nowhere.check();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), boost::system::errc::no_such_file_or_directory);
  save("text");
  EXPECT_TRUE(state_.check()) << "one that is under way is not disturbed";
  ASSERT_TRUE(wait().value());
  EXPECT_EQ(content(), "text");
}

TEST_F(StateFileTest, TellsHowASaveEndedOnce) {
  EXPECT_FALSE(state_.outcome());
  save("text");
  ASSERT_TRUE(wait());
  EXPECT_FALSE(wait());
  EXPECT_FALSE(state_.outcome());
}

TEST_F(StateFileTest, TellsThatItCouldNotBeReplaced) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  save("text");
  const Outcome outcome = wait();
  ASSERT_TRUE(outcome);
  ASSERT_FALSE(*outcome);
  EXPECT_EQ(outcome->error().message(), "replace '" + path_ + "': Is a directory");
}

TEST_F(StateFileTest, DoesNotTakeWhatSomebodyElseHasBegunMeanwhile) {
  save("ours");
  // As a successor of ours does, which may come before our disk has.
  StateFile successor(path_);
  const auto file = successor.begin();
  const Outcome outcome = wait();
  ASSERT_TRUE(file && outcome);
  if (*outcome) {  // we were faster
    EXPECT_EQ(content(), "ours");
  } else {
    EXPECT_FALSE(std::ifstream(path_).is_open()) << "what is not complete has taken its place";
  }
}

TEST_F(StateFileTest, DoesNotBeginWhileTheLastOneIsOnItsWay) {
  save("text");
  const auto next = state_.begin();
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code(), boost::system::errc::device_or_resource_busy);
  ASSERT_TRUE(wait());
  EXPECT_TRUE(state_.begin());
}

TEST_F(StateFileTest, RefusesWhatIsNotComplete) {
  const auto file = state_.begin();
  ASSERT_TRUE(file);
  write(*file, "half");
  EXPECT_FALSE(state_.save(8));
  EXPECT_FALSE(std::ifstream(path_).is_open());
}

}  // namespace
}  // namespace msi2imds::supervisor

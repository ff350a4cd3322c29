// SPDX-License-Identifier: MIT
#include "base/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::log {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("JOURNAL_STREAM");
  }
  void TearDown() override {
    ::unsetenv("JOURNAL_STREAM");
  }

  // What one message comes to on stderr.
  static std::string written(const Options& options, Level level, std::string_view message,
                             std::string_view process = "msi2imds") {
    testing::internal::CaptureStderr();
    start(options, process);
    write(level, message);
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, CannotBeMadeToWriteASecondLine) {
  const std::string line = written({}, Level::warn, "get token for x\nerror msi2imds: forged\r");
  EXPECT_TRUE(line.ends_with(" warning msi2imds[" + std::to_string(::getpid()) +
                             "]: get token for x\\x0aerror msi2imds: forged\\x0d\n"))
      << line;
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST_F(LogTest, TakesBracesAndPercentSignsAsTheyAre) {
  EXPECT_TRUE(written({}, Level::info, "{} {0:d} %v %s").ends_with(": {} {0:d} %v %s\n"));
}

TEST_F(LogTest, KeepsJsonValidWhateverTheMessageHolds) {
  const std::string line = written({.format = Format::json}, Level::error, "say \"no\"\n\xff");
  EXPECT_TRUE(line.starts_with(R"({"time":")")) << line;
  EXPECT_TRUE(line.ends_with(R"("message":"say \"no\"\u000a\u00ff"})"
                             "\n"))
      << line;
}

TEST_F(LogTest, WritesThePriorityForJournald) {
  ::setenv("JOURNAL_STREAM", "8:1", 1);
  EXPECT_EQ(written({}, Level::error, "stop"), "<3>stop\n");
  EXPECT_EQ(written({}, Level::warn, "stop"), "<4>stop\n");
  EXPECT_EQ(written({}, Level::info, "stop"), "<6>stop\n");
  EXPECT_EQ(written({.level = Level::debug}, Level::debug, "stop"), "<7>stop\n");
}

TEST_F(LogTest, TellsTheResponderApartInTheJournal) {
  ::setenv("JOURNAL_STREAM", "8:1", 1);
  EXPECT_EQ(written({}, Level::info, "stop", "msi2imds-responder"), "<6>responder: stop\n");
}

// journald, of which stderr is told to be a stream.
class JournalTest : public LogTest {
 protected:
  void SetUp() override {
    LogTest::SetUp();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path_.begin(), path_.end(), std::begin(address.sun_path));
    journald_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(journald_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    testing::internal::CaptureStderr();
    struct stat found {};
    ASSERT_EQ(::fstat(STDERR_FILENO, &found), 0);
    ::setenv("JOURNAL_STREAM", (std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino)).c_str(),
             1);
  }

  // Nothing: none has come.
  std::string next_entry() {
    std::array<char, 4096> entry{};
    const ssize_t size = ::recv(journald_.get(), entry.data(), entry.size(), MSG_DONTWAIT);
    return size < 0 ? std::string() : std::string(entry.data(), static_cast<std::size_t>(size));
  }

  support::TemporaryDirectory directory_;
  std::string path_ = (directory_.path() / "socket").string();
  UniqueFd journald_;
};

TEST_F(JournalTest, GetsEachLineWithItsFields) {
  start({.journal = path_.c_str()}, "msi2imds-responder");
  write(Level::warn, "cannot\nhelp",
        {.message_id = kTokenFailed, .unit = "a\n.service", .program = "/p", .outcome = "failed"});
  EXPECT_EQ(next_entry(),
            "MESSAGE=responder: cannot\\x0ahelp\nPRIORITY=4\nSYSLOG_IDENTIFIER=msi2imds\nMESSAGE_ID=" +
                std::string(kTokenFailed) + "\nUNIT=a\\x0a.service\nPROGRAM=/p\nOUTCOME=failed\n");
  write(Level::debug, "not so loud");
  EXPECT_EQ(next_entry(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(JournalTest, ThatDoesNotTakeALineLeavesItToStderr) {
  start({.journal = path_.c_str()}, "msi2imds");
  constexpr int kLines = 2000;  // more than may wait for it
  for (int line = 0; line < kLines; ++line) {
    write(Level::info, "line");
  }
  std::ptrdiff_t taken = 0;
  while (!next_entry().empty()) {
    ++taken;
  }
  journald_ = UniqueFd();
  write(Level::warn, "nobody is there");
  const std::string others = testing::internal::GetCapturedStderr();
  EXPECT_GT(taken, 0);
  EXPECT_EQ(taken + std::count(others.begin(), others.end(), '\n'), kLines + 1);
  EXPECT_TRUE(others.ends_with("<6>line\n<4>nobody is there\n")) << others.size();
}

TEST_F(JournalTest, LeavesLinesOfJsonToStderr) {
  start({.format = Format::json, .journal = path_.c_str()}, "msi2imds");
  write(Level::info, "as somebody chose");
  EXPECT_EQ(next_entry(), "");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("as somebody chose"), std::string::npos);
}

TEST_F(JournalTest, IsNotWrittenToByAChildWhichMayHaveAnotherFileThere) {
  start({.journal = path_.c_str()}, "msi2imds");
  const pid_t child = ::fork();
  if (child == 0) {
    write(Level::info, "of the child");
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(next_entry(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "<6>of the child\n");
}

TEST_F(LogTest, TellsTheZoneOfItsTimes) {
  const std::regex time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d info msi2imds\[\d+\]: stop\n)");
  const std::string line = written({}, Level::info, "stop");
  EXPECT_TRUE(std::regex_match(line, time)) << line;
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  EXPECT_EQ(written({.level = Level::warn}, Level::info, "a detail"), "");
  EXPECT_FALSE(enabled(Level::info));
  EXPECT_TRUE(enabled(Level::warn));
}

TEST_F(LogTest, FormatsArguments) {
  testing::internal::CaptureStderr();
  start({}, "msi2imds");
  info("serve on port {}", 342);
  EXPECT_TRUE(testing::internal::GetCapturedStderr().ends_with(": serve on port 342\n"));
}

// Our stderr is a pipe, which nobody reads until the test does.
class UnreadLogTest : public LogTest {
 protected:
  void SetUp() override {
    LogTest::SetUp();
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    reader_.reset(ends[0]);
    const UniqueFd writer(ends[1]);
    ASSERT_EQ(::fcntl(reader_.get(), F_SETFL, O_NONBLOCK), 0);
    before_.reset(::dup(STDERR_FILENO));
    ASSERT_EQ(::dup2(writer.get(), STDERR_FILENO), STDERR_FILENO);
    start({}, "msi2imds");
  }
  void TearDown() override {
    (void)read_all();
    (void)::dup2(before_.get(), STDERR_FILENO);
    start({}, "test");
    LogTest::TearDown();
  }

  std::vector<std::string> read_all() {
    std::string text;
    std::array<char, 65536> room{};
    for (ssize_t size = 0; (size = ::read(reader_.get(), room.data(), room.size())) > 0; flush()) {
      text.append(room.data(), static_cast<std::size_t>(size));
    }
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
      lines.push_back(line);
    }
    return lines;
  }
  static std::string message_of(const std::string& line) {
    const std::string mark = "[" + std::to_string(::getpid()) + "]: ";
    const std::size_t place = line.find(mark);
    return place == std::string::npos ? "no line: " + line : line.substr(place + mark.size());
  }

  UniqueFd reader_;
  UniqueFd before_;
  std::uint64_t lost_before_ = lost_lines();
};

constexpr std::size_t kManyLines = 20000;

TEST_F(UnreadLogTest, NeverWaitsAndTellsHowManyLinesWereLost) {
  for (std::size_t i = 0; i < kManyLines; ++i) {
    info("line {}", i);
  }
  const std::uint64_t lost = lost_lines() - lost_before_;
  EXPECT_GT(lost, 0U);
  std::vector<std::string> lines = read_all();
  ASSERT_EQ(lines.size(), kManyLines - lost + 1);
  for (std::size_t i = 0; i < kManyLines - lost; ++i) {
    ASSERT_EQ(message_of(lines[i]), "line " + std::to_string(i));
  }
  EXPECT_EQ(message_of(lines.back()),
            "lost " + std::to_string(lost) + " log lines, since nobody read the log");
  EXPECT_NE(lines.back().find(" warning msi2imds["), std::string::npos) << lines.back();

  info("the next");
  lines = read_all();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(message_of(lines.front()), "the next");
}

TEST_F(UnreadLogTest, AChildDoesNotWriteWhatItsParentWill) {
  for (std::size_t i = 0; i < kManyLines; ++i) {
    info("line {}", i);
  }
  std::array<int, 2> go{};
  ASSERT_EQ(::pipe2(go.data(), O_CLOEXEC), 0);
  const UniqueFd wait(go[0]);
  UniqueFd tell(go[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    tell.reset();
    char byte = 0;
    (void)!::read(wait.get(), &byte, 1);  // until there is room
    info("the child's line");
    flush();
    ::_exit(0);
  }
  std::array<char, 65536> room{};
  const ssize_t size = ::read(reader_.get(), room.data(), room.size());
  ASSERT_GT(size, 0);
  tell.reset();
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const std::size_t read_at_first =
      static_cast<std::size_t>(std::count(room.data(), room.data() + size, '\n'));
  const std::vector<std::string> lines = read_all();
  EXPECT_EQ(lines.size() + read_at_first, kManyLines - (lost_lines() - lost_before_) + 1 + 1);
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const std::string& line) { return line.ends_with(": the child's line"); }),
            1);
}

}  // namespace
}  // namespace msi2imds::log

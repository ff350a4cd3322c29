// SPDX-License-Identifier: MIT
#include "audit/log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::audit {
namespace {

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() {
    log::start({}, "test");
    log_.use_file(open("audit"));
  }
  UniqueFd open(const std::string& name) {
    return UniqueFd(::open(directory_.file(name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }
  void write(std::string_view outcome, Kind kind = Kind::token) {
    log_.write({.time = {},
                .caller = *caller_,
                .resource = "r",
                .identity = "",
                .outcome = outcome,
                .source = "",
                .duration = {},
                .policy = "",
                .rule = "",
                .kind = kind},
               caller_);
  }
  std::string contents(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(directory_.file(name)).rdbuf();
    return text.str();
  }

  support::TemporaryDirectory directory_;
  Limiter::CallerPtr caller_ = std::make_shared<const caller::Identity>();
  Log log_;
};

TEST_F(AuditLogTest, WritesWhatItCollected) {
  write("first");
  write("second");
  EXPECT_EQ(contents("audit"), "");
  log_.flush();
  const std::string text = contents("audit");
  EXPECT_LT(text.find("outcome=first"), text.find("outcome=second"));
  EXPECT_EQ(log_.counters().written, 2U);
  EXPECT_EQ(log_.count_unwritten(), 0U);
}

TEST_F(AuditLogTest, GoesOnInAnotherFile) {
  write("first");
  log_.use_file(open("rotated"));
  write("second");
  log_.flush();
  EXPECT_NE(contents("audit").find("outcome=first"), std::string::npos);
  EXPECT_EQ(contents("audit").find("outcome=second"), std::string::npos);
  EXPECT_NE(contents("rotated").find("outcome=second"), std::string::npos);
}

TEST_F(AuditLogTest, GoesToTheLogWithoutAFile) {
  log_.use_file(UniqueFd());
  testing::internal::CaptureStderr();
  write("first");
  log_.flush();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("audit: 1970-01-01T00:00:00.000000Z pid=-"),
            std::string::npos);
}

// With the next line, they would have the fields of its caller.
TEST_F(AuditLogTest, KeptLinesGoToTheLogAsSoonAsThereIsNoFile) {
  log_.use_file(UniqueFd(::open("/dev/full", O_WRONLY | O_CLOEXEC)));
  write("first");
  log_.flush();
  testing::internal::CaptureStderr();
  log_.use_file(UniqueFd());
  EXPECT_NE(testing::internal::GetCapturedStderr().find("outcome=first"), std::string::npos);
  EXPECT_EQ(log_.count_unwritten(), 0U);
}

TEST_F(AuditLogTest, CountsWhatALogThatNobodyReadsHasNoRoomFor) {
  constexpr std::uint32_t kManyLines = 10000;
  (void)::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const UniqueFd before(::dup(STDERR_FILENO));
  ASSERT_EQ(::dup2(writer.get(), STDERR_FILENO), STDERR_FILENO);
  log::start({}, "test");
  log_.configure({.format = Format::text, .max_rate = kManyLines});
  log_.use_file(UniqueFd());
  for (std::uint32_t i = 0; i < kManyLines; ++i) {
    write("token");
  }
  log_.flush();
  reader.reset();
  log::flush();  // nothing waits any more
  ASSERT_EQ(::dup2(before.get(), STDERR_FILENO), STDERR_FILENO);
  log::start({}, "test");
  EXPECT_GT(log_.counters().failed, 0U);
  EXPECT_GT(log_.counters().written, 0U);
  EXPECT_EQ(log_.counters().failed + log_.counters().written, kManyLines);
}

TEST_F(AuditLogTest, BeginsALineOfItsOwnBehindOneThatAnotherProcessCouldNotEnd) {
  std::ofstream(directory_.file("torn")) << "time=1 pid=2 half of a li";
  log_.use_file(open("torn"), FileEnd::within_a_line);
  write("first");
  log_.flush();
  write("second");
  log_.flush();
  std::istringstream lines(contents("torn"));
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) {
    all.push_back(line);
  }
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0], "time=1 pid=2 half of a li");
  EXPECT_NE(all[1].find("outcome=first"), std::string::npos);
  EXPECT_EQ(log_.counters().written, 2U);
}

TEST_F(AuditLogTest, KeepsItsLinesWhereNotEvenTheLineBeforeCanBeEnded) {
  log_.use_file(UniqueFd(::open("/dev/full", O_WRONLY | O_CLOEXEC)), FileEnd::within_a_line);
  write("kept");
  log_.flush();
  EXPECT_EQ(log_.count_unwritten(), 1U);
  EXPECT_EQ(log_.failure(), "No space left on device");
}

TEST_F(AuditLogTest, ComplainsOnceOfAFullDiskAndWritesItsLinesLater) {
  log_.use_file(UniqueFd(::open("/dev/full", O_WRONLY | O_CLOEXEC)));
  testing::internal::CaptureStderr();
  write("first");
  log_.flush();
  write("second");
  log_.flush();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("write the audit: No space left on device"), std::string::npos) << said;
  EXPECT_EQ(said.find("write the audit"), said.rfind("write the audit"));
  EXPECT_EQ(log_.failure(), "No space left on device");
  EXPECT_GT(log_.count_unwritten(), 0U);
  log_.use_file(open("audit"));
  log_.flush();
  const std::string text = contents("audit");
  EXPECT_LT(text.find("outcome=first"), text.find("outcome=second")) << text;
  EXPECT_EQ(log_.counters().failed, 0U);
  EXPECT_EQ(log_.counters().written, 2U);
  EXPECT_EQ(log_.failure(), "");
}

// A file that takes the beginning of what is written.
TEST_F(AuditLogTest, GoesOnWithinALineOnceTheDiskHasRoomAgain) {
  (void)::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 100;
  write("first");
  write("second");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  log_.flush();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(contents("audit").size(), 100U);
  log_.flush();
  const std::string text = contents("audit");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_NE(text.find("outcome=second"), std::string::npos) << text;
  EXPECT_EQ(log_.counters().written, 2U);
  EXPECT_EQ(log_.counters().failed, 0U);
}

TEST_F(AuditLogTest, CountsWhatIsMoreThanMayWait) {
  constexpr std::uint32_t kManyLines = 20000;
  log_.configure({.format = Format::text, .max_rate = kManyLines});
  log_.use_file(UniqueFd(::open("/dev/full", O_WRONLY | O_CLOEXEC)));
  for (std::uint32_t i = 0; i < kManyLines; ++i) {
    write("token");
  }
  log_.flush();
  EXPECT_EQ(log_.counters().failed, kManyLines);
  EXPECT_EQ(log_.count_unwritten(), 0U);
}

TEST_F(AuditLogTest, LeavesOutWhatIsTooMuch) {
  log_.configure({.format = Format::json, .max_rate = 3});
  for (int i = 0; i < 10; ++i) {
    write("token");
  }
  log_.flush();
  EXPECT_EQ(log_.counters().written, 3U);
  EXPECT_EQ(log_.counters().left_out, 7U);
}

TEST_F(AuditLogTest, ACallersOtherLinesLeaveRoomForThatOfHisToken) {
  log_.configure({.format = Format::text, .max_rate = 3});
  for (int i = 0; i < 10; ++i) {
    write("bad_request", Kind::other);
    write("denied", Kind::refusal);
  }
  write("token", Kind::token);
  log_.flush();
  EXPECT_NE(contents("audit").find("outcome=token"), std::string::npos) << contents("audit");
  EXPECT_EQ(log_.counters().written, 7U);
  EXPECT_EQ(log_.counters().left_out, 14U);
}

class AuditBytesTest : public AuditLogTest {
 protected:
  // Lines of `uid` with a long resource, each from another program as far as the limit of lines goes.
  void write_long(uid_t uid, int count, Kind kind = Kind::token) {
    for (int i = 0; i < count; ++i) {
      auto caller = std::make_shared<caller::Identity>();
      caller->uid = uid;
      caller->program = "/tmp/" + std::to_string(i);
      const std::string resource(2048, '\xff');
      log_.write({.time = {},
                  .caller = *caller,
                  .resource = resource,
                  .identity = "",
                  .outcome = "token",
                  .source = "",
                  .kind = kind},
                 caller);
      log_.flush();
    }
  }
};

TEST_F(AuditBytesTest, OneUserGetsAPartOfTheBytesUnderHoweverManyUidsAndPrograms) {
  log_.configure({.format = Format::text,
                  .max_rate = 10,
                  .holders = Holders({{.owner = 1000, .first = 100000, .count = 65536}})});
  write_long(1000, 20);
  write_long(100000, 20);
  write_long(100001, 20);
  EXPECT_LE(contents("audit").size(), 30'000U);
  EXPECT_GE(log_.counters().written, 4U);
  EXPECT_GE(log_.counters().left_out, 50U);
  const std::uint64_t before = log_.counters().written;
  write_long(2000, 1);
  EXPECT_EQ(log_.counters().written, before + 1) << "somebody else has his own part";
}

TEST_F(AuditBytesTest, OneUidSilencesNoneOfItsOwnersOthers) {
  log_.configure({.format = Format::text,
                  .max_rate = 10,
                  .holders = Holders({{.owner = 1000, .first = 100000, .count = 65536}})});
  write_long(100000, 50);
  const std::uint64_t before = log_.counters().written;
  write_long(100001, 1);
  EXPECT_EQ(log_.counters().written, before + 1);
}

TEST_F(AuditBytesTest, LinesThatTellOfNoTokenLeaveRoomForThoseThatDo) {
  log_.configure({.format = Format::text, .max_rate = 10});
  for (uid_t uid = 1; uid < 30; ++uid) {
    write_long(uid, 10, Kind::other);
    write_long(uid, 10, Kind::refusal);
  }
  EXPECT_LE(contents("audit").size(), 40'000U) << "a quarter of all, and a line of each kind";
  const std::uint64_t before = log_.counters().written;
  write_long(1, 2, Kind::token);
  EXPECT_EQ(log_.counters().written, before + 2);
  EXPECT_EQ(log_.counters().written + log_.counters().left_out, 582U) << "none is lost without being counted";
}

TEST_F(AuditBytesTest, AllUsersTogetherGetFourTimesAsMuch) {
  log_.configure({.format = Format::text, .max_rate = 10});
  for (uid_t uid = 1; uid < 30; ++uid) {
    write_long(uid, 10);
  }
  EXPECT_GE(contents("audit").size(), 80'000U);
  EXPECT_LE(contents("audit").size(), 110'000U);
}

TEST_F(AuditBytesTest, ALineIsNeverLong) {
  auto caller = std::make_shared<caller::Identity>();
  for (std::string* text : {&caller->user, &caller->program, &caller->comm, &caller->cgroup, &caller->unit,
                            &caller->container, &caller->unknown_because}) {
    *text = std::string(8000, '\xff');
  }
  const std::string endless(100'000, '\xff');
  log_.write({.time = {},
              .caller = *caller,
              .resource = endless,
              .identity = endless,
              .outcome = "token",
              .source = ""},
             caller);
  log_.flush();
  EXPECT_LE(contents("audit").size(), 40'000U);
  EXPECT_NE(contents("audit").find("\\xff... "), std::string::npos) << "what is cut is seen to be";
}

}  // namespace
}  // namespace msi2imds::audit

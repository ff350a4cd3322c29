// SPDX-License-Identifier: MIT
#include "resolver/known_callers.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <utility>

namespace msi2imds::resolver {
namespace {

class KnownCallersTest : public testing::Test {
 protected:
  static constexpr std::int64_t kStarted = 1000;

  static caller::Clues dialled_by(pid_t pid) {
    caller::Clues question;
    question.pid = pid;
    question.has_uid = true;
    question.uid = 34;
    question.dialled_at = kStarted + 1;
    return question;
  }
  void keep(const caller::Clues& question) {
    known_.keep(question, identity_, kStarted, open_process(question.pid));
  }

  SerializedIdentity find(const caller::Clues& question) {
    return known_.find(question, std::chrono::steady_clock::now());
  }

  SerializedIdentity identity_ = std::make_shared<const std::string>("who it is");
  KnownCallers known_;
};

TEST_F(KnownCallersTest, AreKnownAtEachOfTheirConnections) {
  caller::Clues question = dialled_by(::getpid());
  EXPECT_EQ(find(question), nullptr);
  keep(question);
  EXPECT_EQ(find(question), identity_);
  question.dialled_at += 1;
  question.inode = 4711;
  question.cookie = 1;
  EXPECT_EQ(find(question), identity_);
}

TEST_F(KnownCallersTest, AreAskedAboutAnewWhereTheCluesDiffer) {
  caller::Clues question = dialled_by(::getpid());
  keep(question);
  question.uid = 35;
  EXPECT_EQ(find(question), nullptr);
  EXPECT_EQ(find(dialled_by(::getpid())), nullptr) << "it was forgotten";
}

TEST_F(KnownCallersTest, AreAskedAboutAnewWhereARuleDependsOnTheProgram) {
  caller::Clues question = dialled_by(::getpid());
  keep(question);
  question.is_fresh = true;
  EXPECT_EQ(find(question), nullptr);
}

TEST_F(KnownCallersTest, AreNotWhoDialledBeforeTheyBegan) {
  caller::Clues question = dialled_by(::getpid());
  keep(question);
  question.dialled_at = kStarted - 1;
  EXPECT_EQ(find(question), nullptr);
}

TEST_F(KnownCallersTest, AreForgottenWhenTheyEnd) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  const caller::Clues question = dialled_by(pid);
  UniqueFd process = open_process(pid);
  keep(question);
  EXPECT_EQ(find(question), identity_);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(find(question), nullptr);
  known_.keep(question, identity_, kStarted, std::move(process));
  EXPECT_EQ(find(question), nullptr);
}

TEST_F(KnownCallersTest, AreLookedAtOnceForQuestionsThatCameTogether) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  const caller::Clues question = dialled_by(pid);
  keep(question);
  const auto now = std::chrono::steady_clock::now();
  EXPECT_EQ(known_.find(question, now), identity_);
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(known_.find(question, now), identity_) << "it ran when both had been asked";
  EXPECT_EQ(known_.find(question, now + std::chrono::nanoseconds(1)), nullptr);
}

TEST_F(KnownCallersTest, AreThoseOfWhomItIsCertain) {
  const caller::Clues question = dialled_by(::getpid());
  known_.keep(question, identity_, kStarted, UniqueFd());
  EXPECT_EQ(find(question), nullptr) << "without a pidfd";
  known_.keep(question, identity_, 0, open_process(::getpid()));
  EXPECT_EQ(find(question), nullptr) << "without a start";
}

TEST_F(KnownCallersTest, AreBoundedInNumber) {
  constexpr pid_t kMany = 300;
  for (pid_t pid = 1; pid <= kMany; ++pid) {
    known_.keep(dialled_by(pid), identity_, kStarted, open_process(::getpid()));
  }
  int found = 0;
  for (pid_t pid = 1; pid <= kMany; ++pid) {
    found += find(dialled_by(pid)) ? 1 : 0;
  }
  EXPECT_GT(found, 0);
  EXPECT_LE(found, 256);
}

}  // namespace
}  // namespace msi2imds::resolver

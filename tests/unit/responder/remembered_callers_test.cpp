// SPDX-License-Identifier: MIT
#include "responder/remembered_callers.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace msi2imds::responder {
namespace {

using namespace std::chrono_literals;

constexpr std::int32_t kPid = 70;

caller::Clues clues_of_process() {
  caller::Clues clues;
  clues.pid = kPid;
  clues.started = 5;
  clues.cookie = 1;
  clues.dialled_at = 10;
  clues.has_uid = true;
  clues.uid = 1000;
  clues.agreement = caller::Agreement::agreed;
  return clues;
}

std::shared_ptr<caller::Identity> identity_of_process() {
  auto identity = std::make_shared<caller::Identity>();
  identity->pid = kPid;
  identity->uid = 1000;
  return identity;
}

class RememberedCallersTest : public testing::Test {
 protected:
  RememberedCallers remembered_;
  RememberedCallers::Time now_;
};

TEST_F(RememberedCallersTest, KnowTheLaterConnectionsOfAProcessForASecond) {
  const auto identity = identity_of_process();
  remembered_.keep(clues_of_process(), identity, now_);
  caller::Clues later = clues_of_process();
  later.cookie = 2;
  later.dialled_at = 20;
  EXPECT_EQ(remembered_.find(later, now_ + 999ms), identity);
  EXPECT_EQ(remembered_.find(later, now_ + 1s), nullptr);
}

TEST_F(RememberedCallersTest, KnowNobodyByCluesThatHaveChanged) {
  remembered_.keep(clues_of_process(), identity_of_process(), now_);
  const std::vector<std::function<void(caller::Clues&)>> changes = {
      [](caller::Clues& clues) { clues.pid = kPid + 1; },
      [](caller::Clues& clues) { clues.started = 6; },
      [](caller::Clues& clues) { clues.uid = 0; },
      [](caller::Clues& clues) { clues.gid = 7; },
      [](caller::Clues& clues) { clues.groups[3] = 7; },
      [](caller::Clues& clues) { clues.program_inode = 7; },
      [](caller::Clues& clues) { clues.program_device = 7; },
      [](caller::Clues& clues) { clues.cgroup_id = 7; },
      [](caller::Clues& clues) { clues.comm[0] = 'x'; },
      [](caller::Clues& clues) { clues.maker = 7; },
      [](caller::Clues& clues) { clues.agreement = caller::Agreement::another_user; },
      [](caller::Clues& clues) { clues.is_fresh = true; },
  };
  for (const auto& change : changes) {
    caller::Clues other = clues_of_process();
    change(other);
    EXPECT_EQ(remembered_.find(other, now_), nullptr);
  }
  EXPECT_NE(remembered_.find(clues_of_process(), now_), nullptr);
}

TEST_F(RememberedCallersTest, KeepNobodyWhoIsNotKnownForCertain) {
  caller::Clues clues = clues_of_process();
  clues.started = 0;  // its number may be another process's by now
  remembered_.keep(clues, identity_of_process(), now_);
  EXPECT_EQ(remembered_.find(clues, now_), nullptr);

  clues = clues_of_process();
  clues.agreement = caller::Agreement::another_user;
  remembered_.keep(clues, identity_of_process(), now_);
  EXPECT_EQ(remembered_.find(clues, now_), nullptr);

  clues = clues_of_process();
  auto identity = identity_of_process();
  identity->is_in_doubt = true;
  remembered_.keep(clues, identity, now_);
  identity = identity_of_process();
  identity->unknown_because = "it has ended";
  remembered_.keep(clues, identity, now_);
  identity = identity_of_process();
  identity->pid.reset();
  remembered_.keep(clues, identity, now_);
  EXPECT_EQ(remembered_.find(clues, now_), nullptr);
}

TEST_F(RememberedCallersTest, HaveNoMoreThanSoMany) {
  for (std::int32_t pid = 1; pid <= 1000; ++pid) {
    caller::Clues clues = clues_of_process();
    clues.pid = pid;
    auto identity = identity_of_process();
    identity->pid = pid;
    remembered_.keep(clues, identity, now_);
    ASSERT_NE(remembered_.find(clues, now_), nullptr);
  }
  int known = 0;
  for (std::int32_t pid = 1; pid <= 1000; ++pid) {
    caller::Clues clues = clues_of_process();
    clues.pid = pid;
    known += remembered_.find(clues, now_) ? 1 : 0;
  }
  EXPECT_LE(known, 256);
}

}  // namespace
}  // namespace msi2imds::responder

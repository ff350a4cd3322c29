// SPDX-License-Identifier: MIT
// Whose rules are touched, and what happens when somebody touches ours.
#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/run_to_end.hpp"
#include "kernel/nat_fixture.hpp"

namespace msi2imds::kernel {
namespace {

using Command = std::vector<std::string>;

constexpr const char* kLockFile = "/run/xtables.lock";

UniqueFd take_lock() {
  UniqueFd lock(::open(kLockFile, O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_EQ(::flock(lock.get(), LOCK_EX), 0);
  return lock;
}

bool a_program_waits() {
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    if (line.find("-> FLOCK") != std::string::npos) {
      return true;
    }
  }
  return false;
}

// Holds the lock of the old iptables until somebody waits for it: inside a program, as those of our days do,
// or because a program has failed.
class HeldLock {
 public:
  explicit HeldLock(std::atomic<bool>& somebody_waits) : lock_(take_lock()) {
    somebody_waits = false;
    releaser_ = std::thread([this, &somebody_waits] {
      released_for_a_reason_ = comes_true([&] { return somebody_waits || a_program_waits(); });
      lock_.reset();
    });
  }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;
  ~HeldLock() {
    releaser_.join();
    EXPECT_TRUE(released_for_a_reason_);
  }

 private:
  UniqueFd lock_;
  bool released_for_a_reason_ = false;
  std::thread releaser_;
};

// nft lists tables in the order in which they were made.
std::vector<std::string> in_any_order(const std::string& rules) {
  std::istringstream text(rules);
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

class NatRulesTest : public NatFixture {
 protected:
  void run(const Command& command) {
    run_tool(command[0], {command.begin() + 1, command.end()});
  }

  // What a firewall's reload or an operator may do, one at a time.
  [[nodiscard]] std::vector<std::vector<Command>> disturbances() const {
    if (GetParam().iptables.empty()) {
      return {{{"nft", "flush", "ruleset"}},
              {{"nft", "delete", "table", "ip", "msi2imds"}},
              {{"nft", "delete", "table", "ip6", "msi2imds"}},
              {{"nft", "flush", "chain", "ip", "msi2imds", "legacy_ports"}},
              {{"nft", "insert", "rule", "ip", "msi2imds", "legacy_ports", "accept"}},
              {{"nft", "add", "table", "ip", "msi2imds", "{ flags dormant; }"}}};
    }
    const std::string v4 = GetParam().iptables;
    const std::string v6 = "ip6" + v4.substr(2);
    std::vector<std::vector<Command>> all = {{{v4, "-w", "-t", "nat", "-F"}},
                                             {{v4, "-w", "-t", "nat", "-F"}, {v4, "-w", "-t", "nat", "-X"}},
                                             {{v6, "-w", "-t", "nat", "-F"}},
                                             {{v4, "-w", "-t", "nat", "-D", "OUTPUT", "-j", "MSI2IMDS"}},
                                             {{v4, "-w", "-t", "nat", "-I", "OUTPUT", "-j", "MSI2IMDS"}},
                                             {{v4, "-w", "-t", "nat", "-F", "MSI2IMDS"}},
                                             {{v4, "-w", "-t", "nat", "-D", "MSI2IMDS", "2"}}};
    if (!GetParam().is_legacy()) {
      all.push_back({{"nft", "flush", "ruleset"}});
    }
    return all;
  }
};

INSTANTIATE_TEST_SUITE_P(Variants, NatRulesTest, testing::ValuesIn(nat_variants()), variant_of);

TEST_P(NatRulesTest, AreTheOnlyOnesThatChange) {
  const BusyRules busy;
  const std::string before = all_rules();
  const std::string foreign = foreign_rules();
  ASSERT_NE(foreign.find("192.0.2.9"), std::string::npos);

  EXPECT_TRUE(run_to_end(redirector_->probe(plan_)));
  EXPECT_EQ(all_rules(), before) << "after a probe";
  install();
  EXPECT_NE(all_rules(), before);
  EXPECT_EQ(foreign_rules(), foreign) << "installed";
  EXPECT_TRUE(is_ours("127.0.0.1", kPort));
  EXPECT_TRUE(is_ours("::1", kPort));

  const std::string installed = all_rules();
  run(disturbances()[3][0]);
  EXPECT_FALSE(run_to_end(redirection_->check()));
  EXPECT_TRUE(run_to_end(redirection_->repair()));
  EXPECT_EQ(foreign_rules(), foreign) << "repaired";
  EXPECT_EQ(in_any_order(all_rules()), in_any_order(installed));

  uninstall();
  listeners_.reset();
  EXPECT_TRUE(comes_true([&] { return all_rules() == before; })) << all_rules();
}

TEST_P(NatRulesTest, AreMissedAndPutBack) {
  install();
  ASSERT_TRUE(run_to_end(redirection_->check()));
  const std::string installed = all_rules();
  for (const auto& disturbance : disturbances()) {
    SCOPED_TRACE(disturbance[0].back() + " " + std::to_string(disturbance.size()));
    for (const Command& command : disturbance) {
      run(command);
    }
    EXPECT_FALSE(run_to_end(redirection_->check()));
    EXPECT_FALSE(run_to_end(redirection_->check())) << "still missing";
    const auto repaired = run_to_end(redirection_->repair());
    EXPECT_TRUE(repaired) << repaired.error().message();
    EXPECT_TRUE(run_to_end(redirection_->check()));
    EXPECT_EQ(in_any_order(all_rules()), in_any_order(installed));
    EXPECT_TRUE(is_ours("127.0.0.1", kSecondPort));
    EXPECT_TRUE(is_ours("::1", kPort));
  }
}

TEST_P(NatRulesTest, AreListedOnlyAfterAChange) {
  install();
  ASSERT_TRUE(run_to_end(redirection_->check()));
  const int before = runner_->count;
  for (int second = 0; second < 50; ++second) {
    ASSERT_TRUE(run_to_end(redirection_->check()));
  }
  EXPECT_EQ(runner_->count, before);
}

TEST_P(NatRulesTest, AreListedNowAndThenWhereTheKernelTellsLittle) {
  install();
  ASSERT_TRUE(run_to_end(redirection_->check()));
  const int before = runner_->count;
  for (int second = 0; second < 120; ++second) {
    ASSERT_TRUE(run_to_end(redirection_->check()));
  }
  EXPECT_EQ(runner_->count - before, GetParam().is_legacy() ? 4 : 0) << "two families, twice";
}

TEST_P(NatRulesTest, AreListedAgainWhenTheKernelDroppedMessages) {
  if (GetParam().is_legacy()) {
    return;  // does not apply: there are no messages
  }
  install();
  ASSERT_TRUE(run_to_end(redirection_->check()));
  const int before = runner_->count;
  std::string many = "add table ip others\nadd chain ip others rules\n";
  for (int i = 0; i < 5000; ++i) {
    many += "add rule ip others rules tcp dport 9 drop\n";
  }
  run_tool("nft", {"-f", "/dev/stdin"}, many);
  EXPECT_TRUE(run_to_end(redirection_->check()));
  EXPECT_GT(runner_->count, before);
  run_tool("nft", {"delete", "table", "ip", "others"});
}

TEST_P(NatRulesTest, TakeThePlaceOfThoseOfAnEarlierProcess) {
  install();
  const std::string installed = all_rules();
  ASSERT_TRUE(redirection_->hand_over());
  uninstall();
  EXPECT_EQ(all_rules(), installed);
  EXPECT_TRUE(is_ours("127.0.0.1", kPort)) << "in force without us";

  redirector_ = make_redirector();
  install();
  EXPECT_EQ(in_any_order(all_rules()), in_any_order(installed)) << "one jump, one table, one mark";
  EXPECT_TRUE(run_to_end(redirection_->check()));
}

// However late it is removed, which takes away its own alone.
TEST_P(NatRulesTest, OutlastTheRemovalOfThoseBefore) {
  install();
  const std::string installed = all_rules();
  const std::unique_ptr<redirect::Redirection> earlier = std::move(redirection_);
  install();
  EXPECT_FALSE(run_to_end(earlier->check()));
  EXPECT_TRUE(run_to_end(earlier->remove()));
  EXPECT_EQ(in_any_order(all_rules()), in_any_order(installed));
  EXPECT_TRUE(run_to_end(redirection_->check()));
  EXPECT_TRUE(is_ours("127.0.0.1", kPort));
}

TEST_P(NatRulesTest, ChangeWithThePlan) {
  install();
  ASSERT_TRUE(redirection_->hand_over());
  plan_.legacy_ports = {kOtherPort};
  install();
  EXPECT_TRUE(is_ours("127.0.0.1", kOtherPort));
  EXPECT_EQ(dial("127.0.0.1", kPort).error, ECONNREFUSED);
}

TEST_P(NatRulesTest, AreRemovedWhenTheyAreLeftOver) {
  install();
  ASSERT_TRUE(redirection_->hand_over());
  uninstall();
  const auto removed = run_to_end(make_redirector()->remove_leftovers(plan_, redirect::Removal::at_once));
  ASSERT_TRUE(removed) << removed.error().message();
  const std::vector<std::string> nft = {"nftables: table ip msi2imds", "nftables: table ip6 msi2imds"};
  const std::vector<std::string> iptables = {"iptables: chain MSI2IMDS of IPv4",
                                             "iptables: chain MSI2IMDS of IPv6"};
  EXPECT_EQ(*removed, GetParam().iptables.empty() ? nft : iptables);
  EXPECT_EQ(all_rules(), rules_before_);
  EXPECT_TRUE(run_to_end(make_redirector()->remove_leftovers(plan_, redirect::Removal::at_once))->empty());
}

TEST_P(NatRulesTest, ArePutInPlaceAlthoughSomebodyHoldsTheLock) {
  if (!GetParam().is_legacy()) {
    return;  // does not apply: the kernel locks
  }
  std::atomic<bool> somebody_waits = false;
  redirector_ = make_redirector([&](std::chrono::milliseconds) -> asio::awaitable<void> {
    somebody_waits = true;
    co_return;
  });
  {
    const HeldLock lock(somebody_waits);
    install();
  }
  run({"iptables-legacy", "-w", "-t", "nat", "-F"});
  {
    const HeldLock lock(somebody_waits);
    EXPECT_FALSE(run_to_end(redirection_->check()));
  }
  {
    const HeldLock lock(somebody_waits);
    EXPECT_TRUE(run_to_end(redirection_->repair()));
  }
  {
    const HeldLock lock(somebody_waits);
    uninstall();
  }
  EXPECT_EQ(all_rules(), rules_before_);
}

TEST_P(NatRulesTest, AreRemovedByTheirGuardOnceTheLockIsFree) {
  if (!GetParam().is_legacy()) {
    return;  // does not apply: the kernel locks
  }
  install();
  {
    const UniqueFd lock = take_lock();
    redirection_.reset();
    EXPECT_TRUE(is_ours("127.0.0.1", kPort));
  }
  EXPECT_TRUE(comes_true([this] { return all_rules() == rules_before_; })) << all_rules();
}

}  // namespace
}  // namespace msi2imds::kernel

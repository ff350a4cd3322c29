// SPDX-License-Identifier: MIT
#include "redirect/nat_redirection.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <csignal>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <new>
#include <optional>
#include <thread>

#include "base/run_to_end.hpp"
#include "redirect/errors.hpp"
#include "redirect/nat_removal.hpp"
#include "redirect/rival.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::redirect {
namespace {

const Plan kQuietPlan = {.legacy_ports = {50342},
                         .listen_port = 1,
                         .may_outlive_us = false};  // on port 1, there are no connections
constexpr int kForEver = 1000000;
constexpr std::chrono::seconds kTestPatience{10};

// One family's table in the kernel, with at most one set of rules. The guards change it, too.
struct Table {
  std::atomic<int> owner = 0;
  std::atomic<bool> exists = false;
  std::atomic<bool> can_be_changed = true;
  std::atomic<int> locked_for = 0;  // so many attempts at a change
  Error refusal = Error(Errc::locked, "change");
  std::optional<Error> read_failure = std::nullopt;
  std::atomic<int> puts = 0;
  std::atomic<int> closed = 0;
  std::atomic<int> finished = 0;
  std::atomic<int> removed = 0;
  std::uint16_t others_port = 0;  // to which rules lead that are not ours
  std::function<void()> while_closing = {};
  bool never_answers = false;  // a tool that stands still
  bool changes_all_the_time = false;
  std::chrono::milliseconds work_of_a_look{};
  int goes_before_looks = 0;                 // somebody takes it away before every second one of so many
  const Table* put_together_with = nullptr;  // a put of ours waits for one of it
  bool were_together = false;
};

// In memory that processes share after a fork.
class SharedTable {
 public:
  SharedTable()
      : table_(new (::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
                   Table) {}
  SharedTable(const SharedTable&) = delete;
  SharedTable& operator=(const SharedTable&) = delete;
  ~SharedTable() {
    table_->~Table();
    (void)::munmap(table_, sizeof(Table));
  }
  [[nodiscard]] Table& get() const {
    return *table_;
  }

 private:
  Table* table_;
};

int count_children() {
  std::ifstream children("/proc/thread-self/children");
  return static_cast<int>(std::distance(std::istream_iterator<int>(children), std::istream_iterator<int>()));
}

bool becomes_true(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kTestPatience;
  while (!condition() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

// A child that has used as much of a processor, as tools do among thousands of rules.
void let_a_child_work_for(std::chrono::milliseconds time) {
  if (time.count() == 0) {
    return;
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const auto limit = std::chrono::nanoseconds(time).count() * CLOCKS_PER_SEC / 1'000'000'000;
    while (std::clock() < limit) {
    }
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

class FakeRules final : public NatRules {
 public:
  explicit FakeRules(Table& table) : table_(table), number_(++count) {}

  asio::awaitable<Result<void>> put() override {
    ++table_.puts;
    if (table_.put_together_with != nullptr) {
      asio::steady_timer timer(co_await asio::this_coro::executor);
      const auto end = std::chrono::steady_clock::now() + kTestPatience;
      while (table_.put_together_with->puts != table_.puts && std::chrono::steady_clock::now() < end) {
        timer.expires_after(std::chrono::milliseconds(1));
        (void)co_await timer.async_wait(kAsTuple);
      }
      table_.were_together = table_.put_together_with->puts == table_.puts;
    }
    if (table_.never_answers) {
      table_.exists = true;
      table_.owner = number_;
      asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
      (void)co_await timer.async_wait(kAsTuple);
    }
    const Result<void> put = set(true);
    if (put) {
      table_.owner = number_;
    }
    co_return put;
  }
  asio::awaitable<Result<void>> check() override {
    let_a_child_work_for(table_.work_of_a_look);
    if (table_.goes_before_looks > 0 && --table_.goes_before_looks % 2 == 0) {
      table_.exists = false;
    }
    if (table_.read_failure) {
      co_return *table_.read_failure;
    }
    co_return table_.exists&& is_ours() ? Result<void>() : Error(Errc::incomplete, "check");
  }
  asio::awaitable<Result<std::optional<std::uint16_t>>> port_of_others() override {
    co_return table_.exists && !is_ours() && table_.others_port != 0
        ? std::optional<std::uint16_t>(table_.others_port)
        : std::nullopt;
  }
  asio::awaitable<Result<bool>> close(Whose whose) override {
    ++table_.closed;
    if (whose == Whose::ours && !is_ours()) {
      co_return false;
    }
    if (table_.while_closing) {
      table_.while_closing();
    }
    const Result<void> closed = set(false);
    co_return closed ? Result<bool>(true) : closed.error();
  }
  asio::awaitable<Result<void>> finish() override {
    ++table_.finished;
    co_return Result<void>();
  }
  asio::awaitable<Result<void>> remove(Whose whose) override {
    ++table_.removed;
    co_return whose == Whose::anybodys || is_ours() ? set(false) : Result<void>();
  }
  [[nodiscard]] bool heed_alarm() override {
    return table_.changes_all_the_time;
  }

 private:
  [[nodiscard]] bool is_ours() const {
    return table_.owner == number_;
  }
  Result<void> set(bool exists) {
    if (table_.locked_for > 0) {
      --table_.locked_for;
      return table_.refusal;
    }
    if (!table_.can_be_changed) {
      return Error(Errc::no_nat, "change");
    }
    table_.exists = exists;
    return {};
  }

  static inline int count = 0;
  Table& table_;
  int number_;
};

class NatRedirectionTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Redirection>> install() {
    return run_to_end(start_to_install());
  }
  asio::awaitable<Result<std::unique_ptr<Redirection>>> start_to_install() {
    return NatRedirection::install(plan_, listeners_, std::make_unique<FakeRules>(ipv4_),
                                   std::make_unique<FakeRules>(ipv6_), NatSupport(),
                                   deadline_after(plan_.patience));
  }
  void lock_for(int attempts) const {
    for (Table* table : {&ipv4_, &ipv6_}) {
      table->locked_for = attempts;
    }
  }
  [[nodiscard]] bool is_redirected() const {
    return ipv4_.exists || ipv6_.exists;
  }

  SharedTable shared_ipv4_;
  SharedTable shared_ipv6_;
  Table& ipv4_ = shared_ipv4_.get();
  Table& ipv6_ = shared_ipv6_.get();
  Plan plan_ = kQuietPlan;
  std::vector<Listener> listeners_ = {{.address = SocketAddress::ipv4_loopback(1), .fd = -1},
                                      {.address = SocketAddress::ipv6_loopback(1), .fd = -1}};
};

TEST_F(NatRedirectionTest, PutsBothFamiliesAndRemovesThem) {
  auto redirection = install();
  ASSERT_TRUE(redirection) << redirection.error().message();
  EXPECT_TRUE(ipv4_.exists && ipv6_.exists);
  EXPECT_TRUE((*redirection)->covers_ipv6());
  EXPECT_TRUE(run_to_end((*redirection)->check()));
  EXPECT_EQ((*redirection)->remarks().size(), 1U);
  EXPECT_TRUE(run_to_end((*redirection)->remove()));
  EXPECT_FALSE(ipv4_.exists || ipv6_.exists);
}

TEST_F(NatRedirectionTest, LeavesNothingToItsDestructionOnceItWasRemoved) {
  auto redirection = install();
  ASSERT_TRUE(redirection);
  EXPECT_TRUE(run_to_end((*redirection)->remove()));
  EXPECT_FALSE(ipv4_.exists || ipv6_.exists);
  const int changes = ipv4_.closed + ipv4_.removed;
  redirection->reset();
  EXPECT_EQ(ipv4_.closed + ipv4_.removed, changes);
}

class LockedRulesTest : public NatRedirectionTest, public testing::WithParamInterface<Errc> {
 protected:
  // What somebody else who holds the lock of the rules makes of an attempt.
  void lock() {
    for (Table* table : {&ipv4_, &ipv6_}) {
      table->locked_for = 2;
      table->refusal = Error(GetParam(), "change");
    }
  }
};

// The tool said so, or waited for the lock itself until it was killed.
INSTANTIATE_TEST_SUITE_P(Refusals, LockedRulesTest, testing::Values(Errc::locked, Errc::too_slow));

TEST_P(LockedRulesTest, ArePutAndRemovedOnceTheLockIsFree) {
  lock();
  auto redirection = install();
  ASSERT_TRUE(redirection) << redirection.error().message();
  EXPECT_TRUE((*redirection)->covers_ipv6());
  lock();
  EXPECT_TRUE(run_to_end((*redirection)->remove()));
  EXPECT_FALSE(ipv4_.exists || ipv6_.exists);
}

// The supervisor comes back every second; until then, others may have their turn.
TEST_P(LockedRulesTest, AreNotWaitedForByARepair) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_.exists = false;
  lock();
  EXPECT_FALSE(run_to_end((*redirection)->repair()));
  EXPECT_EQ(ipv4_.puts, 2);
  EXPECT_FALSE(run_to_end((*redirection)->repair()));
  EXPECT_TRUE(run_to_end((*redirection)->repair()));
  EXPECT_TRUE(ipv4_.exists);
}

TEST_P(LockedRulesTest, AreNotPutWhileTheyCannotEvenBeRead) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_.read_failure = Error(GetParam(), "list");
  ipv6_.exists = false;
  EXPECT_EQ(run_to_end((*redirection)->repair()).error().code(), ipv4_.read_failure->code());
  EXPECT_EQ(ipv4_.puts, 1) << "only when it was installed";
  EXPECT_TRUE(ipv6_.exists) << "which could be read";
}

class NatLeftoversTest : public NatRedirectionTest {
 protected:
  Result<std::vector<std::string>> remove_leftovers(Removal removal, std::uint16_t listen_port) {
    std::vector<NatLeftover> leftovers;
    leftovers.push_back({.rules = std::make_unique<FakeRules>(ipv4_), .names = {"one", "another"}});
    leftovers.push_back({.rules = std::make_unique<FakeRules>(ipv6_), .names = {"a third"}});
    const NatPorts ports{.legacy = plan_.legacy_ports, .listen = listen_port};
    return run_to_end(remove(leftovers, removal, ports, Deadline::min()));
  }
};

TEST_F(NatLeftoversTest, GoAtOnceWhereNoConnectionNeedsThem) {
  for (const Removal removal : {Removal::at_once, Removal::gently}) {
    ipv4_.exists = ipv6_.exists = true;
    ipv4_.removed = ipv4_.closed = 0;
    const auto removed = remove_leftovers(removal, 1);
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(*removed, (std::vector<std::string>{"one", "another", "a third"}));
    EXPECT_FALSE(ipv4_.exists || ipv6_.exists);
    EXPECT_EQ(ipv4_.removed + ipv4_.closed, 1);
  }
}

// Its packets would be translated no longer, and both ends would wait for one another.
TEST_F(NatLeftoversTest, AConnectionThatComesAtTheLastMomentIsNotCutInHalf) {
  const UniqueFd listener = support::listen_on_loopback();
  const SocketAddress address = support::address_of(listener);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ipv4_.while_closing = [&] { EXPECT_EQ(::connect(client.get(), address.get(), address.size()), 0); };
  ASSERT_TRUE(remove_leftovers(Removal::gently, address.port()));
  EXPECT_EQ(ipv4_.closed + ipv6_.closed, 2);
  EXPECT_EQ(ipv4_.removed + ipv6_.removed, 0);
}

TEST_F(NatLeftoversTest, AreClosedWhereConnectionsNeedThem) {
  const UniqueFd listener = support::listen_on_loopback();
  const SocketAddress address = support::address_of(listener);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), address.get(), address.size()), 0);
  ASSERT_TRUE(remove_leftovers(Removal::gently, address.port()));
  EXPECT_EQ(ipv4_.closed + ipv6_.closed, 2);
  ASSERT_TRUE(remove_leftovers(Removal::at_once, address.port()));
  EXPECT_EQ(ipv4_.closed + ipv6_.closed, 2) << "whatever becomes of the connections";
}

TEST_F(NatLeftoversTest, ThatStayAreTold) {
  ipv6_.exists = true;
  ipv6_.can_be_changed = false;
  EXPECT_FALSE(remove_leftovers(Removal::at_once, 1));
  EXPECT_FALSE(remove_leftovers(Removal::gently, 1));
  EXPECT_FALSE(ipv4_.exists);
}

TEST_F(NatRedirectionTest, RestsWhereALookCostsTheToolsMuch) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_.changes_all_the_time = true;
  ipv4_.work_of_a_look = std::chrono::milliseconds(600);
  EXPECT_TRUE((*redirection)->heed_alarm());
  EXPECT_TRUE(run_to_end((*redirection)->check()));
  EXPECT_FALSE((*redirection)->heed_alarm()) << "the look of each second does";
}

TEST_F(NatRedirectionTest, WhatOtherToolsCostIsNoReasonToRest) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_.changes_all_the_time = true;
  EXPECT_TRUE((*redirection)->heed_alarm());
  let_a_child_work_for(std::chrono::milliseconds(600));
  EXPECT_TRUE((*redirection)->heed_alarm()) << "a start looks for what others have left";
}

TEST_F(NatRedirectionTest, WhatARepairCostsTheToolsIsNoReasonToRest) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_.changes_all_the_time = true;
  EXPECT_TRUE((*redirection)->heed_alarm());
  ipv4_.work_of_a_look = std::chrono::milliseconds(600);
  ipv4_.exists = false;
  EXPECT_TRUE(run_to_end((*redirection)->repair()));
  EXPECT_TRUE((*redirection)->heed_alarm()) << "rules that go again are back as soon";
}

TEST_F(NatRedirectionTest, IsNotKeptBusyBySomebodyWhoChangesRulesAllTheTime) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  EXPECT_FALSE((*redirection)->heed_alarm());
  ipv4_.changes_all_the_time = true;
  int heeded = 0;
  for (int alarm = 0; alarm < 1000; ++alarm) {
    heeded += (*redirection)->heed_alarm() ? 1 : 0;
  }
  EXPECT_GE(heeded, 3) << "a repair";
  EXPECT_LE(heeded, 200) << "the look of each second does the rest";
}

TEST_F(NatRedirectionTest, NeedsAnIpv4Listener) {
  listeners_.erase(listeners_.begin());
  const auto redirection = install();
  ASSERT_FALSE(redirection);
  EXPECT_EQ(redirection.error().message(),
            "find the listener on 127.0.0.1:1: Transport endpoint is not connected");
  EXPECT_EQ(ipv6_.puts, 0);
}

TEST_F(NatRedirectionTest, NeedsIpv4Nat) {
  ipv4_.can_be_changed = false;
  EXPECT_FALSE(install());
  EXPECT_FALSE(ipv6_.exists);
}

TEST_F(NatRedirectionTest, DoesWithoutIpv6Nat) {
  ipv6_.can_be_changed = false;
  const auto redirection = install();
  ASSERT_TRUE(redirection) << redirection.error().message();
  EXPECT_FALSE((*redirection)->covers_ipv6());
  EXPECT_EQ((*redirection)->remarks().back(),
            "connections to ::1 are not covered: change: the kernel has no such NAT");
  EXPECT_TRUE(run_to_end((*redirection)->check()));
  EXPECT_TRUE(run_to_end((*redirection)->repair()));
  EXPECT_EQ(ipv6_.puts, 1);
}

TEST_F(NatRedirectionTest, RemovesIpv6LeftoversThatWouldLeadToNobody) {
  ipv6_.exists = true;
  listeners_.pop_back();
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  EXPECT_FALSE((*redirection)->covers_ipv6());
  EXPECT_FALSE(ipv6_.exists);
  EXPECT_EQ(ipv6_.puts, 0);
}

TEST_F(NatRedirectionTest, RepairsOnlyWhatIsMissing) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv6_.exists = false;
  EXPECT_FALSE(run_to_end((*redirection)->check()));
  EXPECT_TRUE(run_to_end((*redirection)->repair()));
  EXPECT_TRUE(run_to_end((*redirection)->check()));
  EXPECT_EQ(ipv4_.puts, 1);
  EXPECT_EQ(ipv6_.puts, 2);
}

TEST_F(NatRedirectionTest, PutsBackWhatGoesDuringARepair) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_.exists = false;
  ipv6_.goes_before_looks = 2;  // after its repair has found it there
  EXPECT_TRUE(run_to_end((*redirection)->repair()));
  EXPECT_TRUE(ipv4_.exists && ipv6_.exists);
  EXPECT_EQ(ipv6_.puts, 2);
  ipv6_.goes_before_looks = 1000;
  EXPECT_FALSE(run_to_end((*redirection)->repair())) << "who takes it away all the time keeps nobody busy";
}

TEST_F(NatRedirectionTest, RepairsBothFamiliesAtOnce) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_.exists = ipv6_.exists = false;
  ipv4_.put_together_with = &ipv6_;
  ipv6_.put_together_with = &ipv4_;
  EXPECT_TRUE(run_to_end((*redirection)->repair()));
  EXPECT_TRUE(ipv4_.were_together && ipv6_.were_together);
}

TEST_F(NatRedirectionTest, RepairsOneFamilyWhenItCannotRepairTheOther) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_.exists = false;
  ipv4_.can_be_changed = false;
  ipv6_.exists = false;
  EXPECT_FALSE(run_to_end((*redirection)->repair()));
  EXPECT_TRUE(ipv6_.exists);
}

TEST_F(NatRedirectionTest, StaysWhenItWasHandedOver) {
  auto redirection = install();
  ASSERT_TRUE(redirection);
  EXPECT_TRUE((*redirection)->hand_over());
  redirection->reset();
  EXPECT_TRUE(ipv4_.exists && ipv6_.exists);
}

TEST_F(NatRedirectionTest, LeavesTheRulesToALaterOne) {
  auto first = install();
  auto second = install();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(run_to_end((*first)->check()));
  EXPECT_TRUE(run_to_end((*first)->remove()));
  first->reset();
  EXPECT_TRUE(ipv4_.exists && ipv6_.exists);
  EXPECT_TRUE(run_to_end((*second)->check()));
  EXPECT_TRUE(run_to_end((*second)->remove()));
  EXPECT_FALSE(ipv4_.exists || ipv6_.exists);
}

// A process that listens on a port of its own.
class OtherServer {
 public:
  OtherServer() {
    UniqueFd listener = support::listen_on_loopback();
    port_ = support::address_of(listener).port();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  OtherServer(const OtherServer&) = delete;
  OtherServer& operator=(const OtherServer&) = delete;
  ~OtherServer() {
    end();
  }
  void end() {
    if (pid_ > 0) {
      EXPECT_EQ(::kill(pid_, SIGKILL), 0);
      EXPECT_EQ(::waitpid(pid_, nullptr, 0), pid_);
      pid_ = -1;
    }
  }
  [[nodiscard]] std::uint16_t port() const {
    return port_;
  }

 private:
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

TEST_F(NatRedirectionTest, StepsBackWhereAnotherProcessServesByItsRules) {
  OtherServer other;
  ipv4_.exists = true;
  ipv4_.others_port = other.port();
  plan_.patience = std::chrono::milliseconds(0);
  const auto redirection = install();
  ASSERT_FALSE(redirection);
  EXPECT_EQ(redirection.error().code(), Errc::rival);
  EXPECT_EQ(ipv4_.puts + ipv6_.puts, 0);
  other.end();
  EXPECT_TRUE(install()) << "nobody listens there any more";
}

TEST_F(NatRedirectionTest, TakesNoRulesFromAnotherProcessThatServesByThem) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  OtherServer other;
  ipv4_.owner = -1;
  ipv4_.others_port = other.port();
  EXPECT_EQ(run_to_end((*redirection)->repair()).error().code(), Errc::rival);
  EXPECT_EQ(ipv4_.puts, 1) << "only when it was installed";
  other.end();
  EXPECT_TRUE(run_to_end((*redirection)->repair()));
}

TEST_F(NatRedirectionTest, TakesTheRulesOfAnEarlierOneOfThisProcess) {
  const UniqueFd listener = support::listen_on_loopback();
  ipv4_.exists = true;
  ipv4_.others_port = support::address_of(listener).port();
  EXPECT_TRUE(install());
}

TEST_F(NatLeftoversTest, OfAProcessThatServesAreItsOwn) {
  const OtherServer other;
  ipv4_.exists = ipv6_.exists = true;
  ipv4_.others_port = other.port();
  const auto removed = remove_leftovers(Removal::gently, 1);
  ASSERT_TRUE(removed);
  EXPECT_EQ(*removed, std::vector<std::string>{"a third"});
  EXPECT_TRUE(ipv4_.exists);
  ASSERT_TRUE(remove_leftovers(Removal::at_once, 1)) << "whoever asks for that, wants all of them gone";
  EXPECT_FALSE(ipv4_.exists);
}

TEST_F(NatRedirectionTest, LeavesTheRulesToALaterOneAfterItsDestructionToo) {
  auto first = install();
  auto second = install();
  ASSERT_TRUE(first && second);
  first->reset();
  EXPECT_TRUE(becomes_true([] { return !are_rules_left_to_guards(); }));
  EXPECT_TRUE(run_to_end((*second)->check()));
}

// All steps share one deadline, and one family does not use up the time of the other.
TEST_F(NatRedirectionTest, ThatCannotBeRemovedInTimeSaysSo) {
  plan_.patience = std::chrono::milliseconds(0);
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_.locked_for = kForEver;
  const auto removed = run_to_end((*redirection)->remove());
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), Errc::locked);
  EXPECT_EQ(ipv4_.closed, 1);
  EXPECT_TRUE(ipv4_.exists);
  EXPECT_FALSE(ipv6_.exists);
  ipv4_.locked_for = 0;
  EXPECT_TRUE(run_to_end((*redirection)->remove()));
  EXPECT_FALSE(is_redirected());
}

TEST_F(NatRedirectionTest, ThatCouldNotBeRemovedIsRemovedByItsGuardOnceTheLockIsFree) {
  plan_.patience = std::chrono::milliseconds(0);
  auto redirection = install();
  ASSERT_TRUE(redirection);
  lock_for(kForEver);
  ASSERT_FALSE(run_to_end((*redirection)->remove()));
  redirection->reset();
  const int attempts = ipv4_.closed;
  EXPECT_TRUE(becomes_true([&] { return ipv4_.closed >= attempts + 2; })) << "it goes on trying";
  EXPECT_TRUE(is_redirected());
  lock_for(0);
  EXPECT_TRUE(becomes_true([this] { return !is_redirected(); }));
}

// What is left of the patience of an operation that began with something else.
TEST_F(NatRedirectionTest, IsRemovedWithNoMorePatienceThanIsLeft) {
  plan_.patience = std::chrono::hours(1);
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  lock_for(kForEver);
  (*redirection)->limit_patience(std::chrono::milliseconds(0));
  const auto removed = run_to_end((*redirection)->remove());
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), Errc::locked);
  lock_for(0);
  EXPECT_TRUE(run_to_end((*redirection)->remove()));
}

TEST_F(NatRedirectionTest, ThatIsLeftToItsGuardIsKnownToBeGoneOnceItIs) {
  auto redirection = install();
  ASSERT_TRUE(redirection);
  EXPECT_FALSE(are_rules_left_to_guards());
  const int children = count_children();
  lock_for(kForEver);
  redirection->reset();
  EXPECT_TRUE(are_rules_left_to_guards());
  lock_for(0);
  EXPECT_TRUE(becomes_true([] { return !are_rules_left_to_guards(); }));
  EXPECT_FALSE(is_redirected());
  EXPECT_EQ(count_children(), children - 1) << "it is collected";
}

// Nobody waits for a tool in a destructor.
TEST_F(NatRedirectionTest, ThatIsDestroyedIsRemovedByItsGuard) {
  auto redirection = install();
  ASSERT_TRUE(redirection);
  lock_for(kForEver);
  redirection->reset();
  EXPECT_TRUE(is_redirected());
  lock_for(0);
  EXPECT_TRUE(becomes_true([this] { return !is_redirected(); }));
}

TEST_F(NatRedirectionTest, IsSafeFromTheGuardOfTheOneBefore) {
  auto first = install();
  ASSERT_TRUE(first);
  lock_for(kForEver);
  first->reset();
  EXPECT_TRUE(becomes_true([this] { return ipv4_.closed > 0; }));
  plan_.patience = std::chrono::milliseconds(0);
  EXPECT_FALSE(install());  // the guard of this one goes on
  lock_for(0);
  const auto second = install();
  ASSERT_TRUE(second);
  EXPECT_TRUE(becomes_true([] { return !are_rules_left_to_guards(); }));
  EXPECT_TRUE(run_to_end((*second)->check()));
  EXPECT_TRUE(run_to_end((*second)->remove()));
}

// What an exception out of the event loop does.
TEST_F(NatRedirectionTest, WhoseInstallationEndsHalfwayIsRemovedByItsGuard) {
  ipv4_.never_answers = true;
  {
    asio::io_context io(1);
    asio::co_spawn(io, start_to_install(), asio::detached);
    while (ipv4_.puts == 0) {
      io.run_one();
    }
    EXPECT_TRUE(is_redirected());
  }
  EXPECT_TRUE(becomes_true([this] { return !is_redirected(); }));
}

TEST_F(NatRedirectionTest, ThatCannotReplaceAnotherLeavesThatInForce) {
  const auto first = install();
  ASSERT_TRUE(first);
  plan_.patience = std::chrono::milliseconds(0);
  lock_for(1);
  EXPECT_FALSE(install());
  EXPECT_TRUE(becomes_true([] { return !are_rules_left_to_guards(); }));
  EXPECT_TRUE(run_to_end((*first)->check()));
  EXPECT_TRUE(run_to_end((*first)->remove()));
}

}  // namespace
}  // namespace msi2imds::redirect

// SPDX-License-Identifier: MIT
#include "redirect/nat_redirection.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <optional>

#include "base/run_to_end.hpp"
#include "redirect/errors.hpp"
#include "support_cpp/sockets.hpp"

namespace msi2imds::redirect {
namespace {

const Plan kQuietPlan = {.legacy_ports = {50342}, .listen_port = 1};  // on port 1, there are no connections

// One family's table in the kernel, with at most one set of rules.
struct Table {
  bool exists = false;
  bool can_be_changed = true;
  int locked_for = 0;  // so many attempts at a change
  Error refusal = Error(Errc::locked, "change");
  std::optional<Error> read_failure = std::nullopt;
  int puts = 0;
  int closed = 0;
  int finished = 0;
  int removed = 0;
  std::function<void()> while_closing = {};
};

class FakeRules final : public NatRules {
 public:
  explicit FakeRules(Table& table) : table_(table) {}

  asio::awaitable<Result<void>> put() override {
    ++table_.puts;
    co_return set(true);
  }
  asio::awaitable<Result<void>> check() override {
    if (table_.read_failure) {
      co_return *table_.read_failure;
    }
    co_return table_.exists ? Result<void>() : Error(Errc::incomplete, "check");
  }
  asio::awaitable<Result<void>> close() override {
    ++table_.closed;
    if (table_.while_closing) {
      table_.while_closing();
    }
    co_return set(false);
  }
  asio::awaitable<Result<void>> finish() override {
    ++table_.finished;
    co_return Result<void>();
  }
  asio::awaitable<Result<void>> remove() override {
    ++table_.removed;
    co_return set(false);
  }

 private:
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

  Table& table_;
};

class NatRedirectionTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Redirection>> install() {
    return run_to_end(NatRedirection::install("fake", kQuietPlan, listeners_,
                                              std::make_unique<FakeRules>(ipv4_),
                                              std::make_unique<FakeRules>(ipv6_)));
  }

  Table ipv4_;
  Table ipv6_;
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
  redirection->reset();
  EXPECT_FALSE(ipv4_.exists || ipv6_.exists);
}

TEST_F(NatRedirectionTest, LeavesNothingToItsDestructionOnceItWasRemoved) {
  auto redirection = install();
  ASSERT_TRUE(redirection);
  run_to_end((*redirection)->remove());
  EXPECT_FALSE(ipv4_.exists || ipv6_.exists);
  const int changes = ipv4_.closed + ipv4_.removed;
  redirection->reset();
  EXPECT_EQ(ipv4_.closed + ipv4_.removed, changes);
}

class LockedRulesTest : public NatRedirectionTest, public testing::WithParamInterface<int> {
 protected:
  // What somebody else who holds the lock of the rules makes of an attempt.
  void lock() {
    for (Table* table : {&ipv4_, &ipv6_}) {
      table->locked_for = 2;
      table->refusal =
          GetParam() == 0 ? Error(Errc::locked, "change") : Error::from_errno(GetParam(), "change");
    }
  }
};

// 0: the tool said so. ETIMEDOUT: it waited for the lock itself until it was killed.
INSTANTIATE_TEST_SUITE_P(Refusals, LockedRulesTest, testing::Values(0, ETIMEDOUT));

TEST_P(LockedRulesTest, ArePutAndRemovedOnceTheLockIsFree) {
  lock();
  auto redirection = install();
  ASSERT_TRUE(redirection) << redirection.error().message();
  EXPECT_TRUE((*redirection)->covers_ipv6());
  lock();
  run_to_end((*redirection)->remove());
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
  ipv4_.read_failure = GetParam() == 0 ? Error(Errc::locked, "list") : Error::from_errno(GetParam(), "list");
  ipv6_.exists = false;
  EXPECT_EQ(run_to_end((*redirection)->repair()).error().code(), ipv4_.read_failure->code());
  EXPECT_EQ(ipv6_.puts, 1) << "only when it was installed";
}

TEST_F(NatRedirectionTest, TakesAwayWhatAnEarlierProcessWasClosing) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  EXPECT_EQ(ipv4_.finished, 1);
  EXPECT_EQ(ipv6_.finished, 1);
}

class NatLeftoversTest : public NatRedirectionTest {
 protected:
  Result<std::vector<std::string>> remove_leftovers(Removal removal, std::uint16_t listen_port) {
    std::vector<NatLeftover> leftovers;
    leftovers.push_back({.rules = std::make_unique<FakeRules>(ipv4_), .names = {"one", "another"}});
    leftovers.push_back({.rules = std::make_unique<FakeRules>(ipv6_), .names = {"a third"}});
    return run_to_end(remove(leftovers, removal, listen_port));
  }
};

TEST_F(NatLeftoversTest, GoAtOnceWhereNoConnectionNeedsThem) {
  for (const Removal removal : {Removal::at_once, Removal::gently}) {
    ipv4_ = ipv6_ = {.exists = true};
    const auto removed = remove_leftovers(removal, 1);
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(*removed, (std::vector<std::string>{"one", "another", "a third"}));
    EXPECT_FALSE(ipv4_.exists || ipv6_.exists);
    EXPECT_EQ(ipv4_.removed, 1);
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
  ipv6_ = {.exists = true, .can_be_changed = false};
  EXPECT_FALSE(remove_leftovers(Removal::at_once, 1));
  EXPECT_FALSE(remove_leftovers(Removal::gently, 1));
  EXPECT_FALSE(ipv4_.exists);
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

TEST_F(NatRedirectionTest, RepairsOneFamilyWhenItCannotRepairTheOther) {
  const auto redirection = install();
  ASSERT_TRUE(redirection);
  ipv4_ = {.exists = false, .can_be_changed = false};
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
  EXPECT_EQ(run_to_end((*first)->check()).error().code(), Errc::superseded);
  EXPECT_FALSE(run_to_end((*first)->repair()));
  EXPECT_FALSE((*first)->hand_over());
  first->reset();
  EXPECT_TRUE(ipv4_.exists && ipv6_.exists);
  EXPECT_TRUE(run_to_end((*second)->check()));
  second->reset();
  EXPECT_FALSE(ipv4_.exists || ipv6_.exists);
}

}  // namespace
}  // namespace msi2imds::redirect

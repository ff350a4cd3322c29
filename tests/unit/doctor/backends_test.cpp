// SPDX-License-Identifier: MIT
#include "doctor/backends.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

class FakeRedirector final : public redirect::Redirector {
 public:
  FakeRedirector(std::string name, bool works) : name_(std::move(name)), works_(works) {}

  [[nodiscard]] std::string_view name() const override {
    return name_;
  }
  [[nodiscard]] asio::awaitable<Result<void>> probe(const redirect::Plan& /*plan*/) const override {
    co_return works_ ? Result<void>() : Error::from_errno(EPERM, "load program");
  }
  [[nodiscard]] std::vector<SocketAddress> listen_addresses(const redirect::Plan& /*plan*/) const override {
    return {};
  }
  [[nodiscard]] asio::awaitable<Result<std::unique_ptr<redirect::Redirection>>> install(
      const redirect::Plan& /*plan*/, const std::vector<redirect::Listener>& /*listeners*/) const override {
    co_return Error::from_errno(ENOSYS, "install");
  }

 private:
  std::string name_;
  bool works_;
};

class BackendsTest : public FakeMachine {
 protected:
  Backends check(bool sk_lookup_works, bool nftables_works) {
    std::vector<std::unique_ptr<redirect::Redirector>> redirectors;
    redirectors.push_back(std::make_unique<FakeRedirector>("sk_lookup", sk_lookup_works));
    redirectors.push_back(std::make_unique<FakeRedirector>("nftables", nftables_works));
    return check_backends(host(), redirectors);
  }
};

TEST_F(BackendsTest, AutoTakesTheFirstThatWorks) {
  EXPECT_EQ(check(true, true).taken, "sk_lookup");
  const Backends second = check(false, true);
  EXPECT_EQ(second.taken, "nftables");
  find(second.findings, "sk_lookup is not to be had: load program: Operation not permitted.");
  find(second.findings, "\"auto\" takes nftables.");
  EXPECT_EQ(worst_of(second.findings), Level::ok);
}

// It would leave its table behind.
TEST_F(BackendsTest, IptablesIsTriedOnlyWhereItWouldBeTaken) {
  const auto check_iptables = [this](bool sk_lookup_works) {
    std::vector<std::unique_ptr<redirect::Redirector>> redirectors;
    redirectors.push_back(std::make_unique<FakeRedirector>("sk_lookup", sk_lookup_works));
    redirectors.push_back(std::make_unique<FakeRedirector>("iptables", true));
    return check_backends(host(), redirectors);
  };
  find(check_iptables(true).findings, "iptables was not tried");
  EXPECT_EQ(check_iptables(false).taken, "iptables");
  config.redirect.backend = "iptables";
  EXPECT_EQ(check_iptables(true).taken, "iptables");
  config.redirect.backend = "sk_lookup";
  EXPECT_EQ(check_iptables(false).taken, "");
}

TEST_F(BackendsTest, NoneThatWorksIsAnError) {
  const Backends none = check(false, false);
  EXPECT_EQ(find(none.findings, "No backend works").level, Level::error);
  EXPECT_EQ(none.taken, "");
}

// Whatever failed for want of rights, "auto" would seem to take the next one.
TEST_F(BackendsTest, WithoutRootNothingIsSaidOfThem) {
  is_root = false;
  const Backends unseen = check(false, true);
  EXPECT_EQ(unseen.taken, "");
  ASSERT_EQ(unseen.findings.size(), 1U);
  EXPECT_EQ(find(unseen.findings, "Which backends work here is not known").level, Level::unknown);
}

TEST_F(BackendsTest, TheOneThatWasChosenHasToWork) {
  config.redirect.backend = "nftables";
  EXPECT_EQ(check(true, true).taken, "nftables");
  EXPECT_EQ(find(check(true, false).findings, "was chosen, nftables, does not work").level, Level::error);
}

}  // namespace
}  // namespace msi2imds::doctor

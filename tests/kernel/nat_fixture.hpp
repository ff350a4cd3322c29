// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "kernel/redirection_fixture.hpp"
#include "redirect/iptables.hpp"
#include "redirect/nftables.hpp"

namespace msi2imds::kernel {

// Counts what is run.
class CountingRunner final : public CommandRunner {
 public:
  [[nodiscard]] asio::awaitable<Result<CommandResult>> run(std::string program,
                                                           std::vector<std::string> arguments,
                                                           std::string input) override {
    ++count;
    return system_.run(std::move(program), std::move(arguments), std::move(input));
  }

  int count = 0;

 private:
  SystemCommandRunner system_;
};

// A backend that does NAT, with one flavour of iptables.
struct NatVariant {
  std::string name;
  std::string iptables;  // the program's name; empty: nftables

  [[nodiscard]] bool is_legacy() const {
    return iptables == "iptables-legacy";
  }
};

inline std::vector<NatVariant> nat_variants() {
  return {{.name = "nftables", .iptables = ""},
          {.name = "iptables_legacy", .iptables = "iptables-legacy"},
          {.name = "iptables_nft", .iptables = "iptables-nft"}};
}

inline void PrintTo(const NatVariant& variant, std::ostream* out) {  // NOLINT(readability-identifier-naming)
  *out << variant.name;
}

inline std::string variant_of(const testing::TestParamInfo<NatVariant>& tested) {
  return tested.param.name;
}

// One variant, with its listeners open and nothing installed yet. Each test leaves the rules as it found
// them.
class NatFixture : public testing::TestWithParam<NatVariant> {
 protected:
  void TearDown() override {
    uninstall();
    listeners_.reset();
    EXPECT_TRUE(comes_true([this] { return all_rules() == rules_before_; })) << all_rules();
  }

  // `wait` is called instead of waiting for a lock.
  [[nodiscard]] std::unique_ptr<redirect::Redirector> make_redirector(
      redirect::Wait wait = redirect::real_wait()) const {
    if (GetParam().iptables.empty()) {
      return std::make_unique<redirect::NftablesRedirector>(runner_);
    }
    return std::make_unique<redirect::IptablesRedirector>(
        redirect::IptablesOptions{.flavours = {GetParam().iptables.substr(std::string("iptables").size())},
                                  .runner = runner_,
                                  .wait = std::move(wait)});
  }

  void install() {
    auto redirection = run_to_end(redirector_->install(plan_, listeners_->get()));
    ASSERT_TRUE(redirection) << redirection.error().message();
    redirection_ = std::move(*redirection);
  }

  void uninstall() {
    if (redirection_) {
      const auto removed = run_to_end(redirection_->remove());
      EXPECT_TRUE(removed) << removed.error().message();
      redirection_.reset();
    }
  }

  [[nodiscard]] bool is_ours(const std::string& address, std::uint16_t port) const {
    const Dialled dialled = dial(address, port);
    return dialled.error == 0 && listeners_->accept();
  }

  std::shared_ptr<CountingRunner> runner_ = std::make_shared<CountingRunner>();
  std::string rules_before_ = all_rules();
  redirect::Plan plan_ = {.legacy_ports = {kPort, kSecondPort}, .listen_port = 342, .may_outlive_us = false};
  std::unique_ptr<redirect::Redirector> redirector_ = make_redirector();
  std::optional<OpenListeners> listeners_{std::in_place, *redirector_, plan_};
  std::unique_ptr<redirect::Redirection> redirection_;
};

}  // namespace msi2imds::kernel

// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/run_to_end.hpp"
#include "kernel/bpf_objects.hpp"
#include "kernel/connection.hpp"
#include "kernel/namespace.hpp"
#include "kernel/plan.hpp"
#include "kernel/rules.hpp"
#include "kernel/scratch_cgroup.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::kernel {

// In what the backends differ, as far as a client can tell.
struct Abilities {
  bool covers_all_of_127;      // besides 127.0.0.1
  bool leaves_the_port_free;   // the extension can listen on the legacy port at the same time
  bool notices_lost_listener;  // check() fails
  bool falls_through;          // without a listener, connections reach who else listens on the legacy port
  bool uses_nat;               // clients know the port they dialled, accepted sockets the listen port
};

inline Abilities abilities_of(std::string_view backend) {
  const bool redirects = backend != "listen";
  const bool uses_nat = backend == "nftables" || backend == "iptables";
  return {.covers_all_of_127 = redirects,
          .leaves_the_port_free = redirects,
          .notices_lost_listener = backend == "sk_lookup",
          .falls_through = !uses_nat,
          .uses_nat = uses_nat};
}

inline std::vector<std::string> all_backends() {
  std::vector<std::string> names;
  for (const auto& redirector : redirect::all_redirectors()) {
    names.emplace_back(redirector->name());
  }
  return names;
}

// One backend, with its listeners open and nothing installed yet.
class RedirectionFixture : public testing::TestWithParam<std::string> {
 protected:
  RedirectionFixture() {
    for (auto& redirector : redirect::all_redirectors()) {
      if (redirector->name() == GetParam()) {
        redirector_ = std::move(redirector);
      }
    }
    plan_ = plan_for(*redirector_, {kPort, kSecondPort}, 342);
    listeners_.emplace(*redirector_, plan_);
  }

  // Firewall rules last as long as connections that they translate.
  void TearDown() override {
    uninstall();
    listeners_.reset();
    EXPECT_TRUE(comes_true([this] { return all_rules() == rules_before_; })) << all_rules();
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

  // Dials, and says whether the connection arrived at our listeners.
  [[nodiscard]] bool is_ours(const std::string& address, std::uint16_t port) const {
    const Dialled dialled = dial(address, port);
    return dialled.error == 0 && listeners_->accept();
  }

  std::string rules_before_ = all_rules();
  Abilities abilities_ = abilities_of(GetParam());
  redirect::Plan plan_;
  std::unique_ptr<redirect::Redirector> redirector_;
  std::optional<OpenListeners> listeners_;
  std::unique_ptr<redirect::Redirection> redirection_;
};

inline std::string backend_of(const testing::TestParamInfo<std::string>& tested) {
  return tested.param;
}

}  // namespace msi2imds::kernel

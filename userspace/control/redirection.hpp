// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/message.hpp"

// The supervisor's answer to Kind::ask_redirection.
namespace msi2imds::control {

enum class Redirected : std::int32_t { no = 0, yes = 1, ipv4_only = 2, observing = 3 };

// Something that an operator should know.
struct Remark {
  std::string shortcoming;  // its name (admin/shortcoming.hpp); empty: it is none
  std::string text;

  friend bool operator==(const Remark&, const Remark&) = default;
};

// What is in force, as far as the supervisor knows.
struct RedirectionReport {
  Redirected redirected = Redirected::no;
  std::uint64_t responders_started = 0;
  std::uint64_t sockets_replaced = 0;
  std::string backend;
  std::string failure;  // why nothing is redirected
  // admin::DirectImds
  std::string direct_imds;
  std::string closed_by;
  std::string not_closed_because;
  std::string extension;  // its state (admin/extension_state.hpp)
  std::vector<Remark> remarks;
  // Names of containers that are served in networks of their own; a few KiB of them.
  std::vector<std::string> container_networks;

  friend bool operator==(const RedirectionReport&, const RedirectionReport&) = default;
};

// As a Kind::redirection. Each text becomes one line; remarks that do not fit into a message are left out.
[[nodiscard]] Message format(const RedirectionReport& report);

// Nothing, if that is not what format() writes.
[[nodiscard]] std::optional<RedirectionReport> parse_redirection(const Message& message);

}  // namespace msi2imds::control

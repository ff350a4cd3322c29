// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/command.hpp"
#include "base/error.hpp"
#include "config/config.hpp"
#include "doctor/finding.hpp"
#include "doctor/root.hpp"
#include "migration/imds.hpp"
#include "redirect/redirector.hpp"
#include "usage/table.hpp"

namespace msi2imds::doctor {

// What the service says of containers in networks of their own.
struct ServiceStatus {
  bool is_known = false;
  std::vector<std::string> container_networks = {};
  std::string containers_failure = {};
};

// The machine that is examined, and what is known of it. The configuration's ports are settled: no "auto" is
// left.
struct Host {
  const config::Config& config;
  redirect::Plan plan;                     // what `run` would ask of a backend
  const usage::Table& callers;             // empty where nothing was recorded
  bool knows_callers = true;               // else we may not ask for them
  std::optional<bool> is_running = false;  // msi2imds; nothing: not known
  std::string silence = {};                // why it does not say how it is, though it runs; empty: it does
  ServiceStatus status = {};
  bool is_root = true;  // we are
  Root root = {};
  CommandRunner& commands;
};

// What could not be seen: a warning to root, unknown to others.
[[nodiscard]] Finding not_seen(const Host& host, std::string_view check, std::string text,
                               std::string advice_to_root);

[[nodiscard]] bool is_legacy_port(const Host& host, std::uint16_t port);

}  // namespace msi2imds::doctor

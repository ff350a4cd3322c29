// SPDX-License-Identifier: MIT
#include "doctor/doctor.hpp"

#include <algorithm>

#include "doctor/backends.hpp"
#include "doctor/clock.hpp"
#include "doctor/containers.hpp"
#include "doctor/direct.hpp"
#include "doctor/extension.hpp"
#include "doctor/firewall.hpp"
#include "doctor/identities.hpp"
#include "doctor/imds.hpp"
#include "doctor/kernel_settings.hpp"
#include "doctor/limited.hpp"
#include "doctor/machine.hpp"
#include "doctor/neighbours.hpp"
#include "doctor/policy.hpp"
#include "doctor/ports.hpp"
#include "doctor/proxies.hpp"
#include "doctor/units.hpp"
#include "doctor/user.hpp"

namespace msi2imds::doctor {
namespace {

constexpr std::chrono::seconds kQuick{15};
constexpr std::chrono::seconds kTrying{90};  // backends run the host's tools
constexpr std::chrono::seconds kAsking{60};  // IMDS, once for each identity

Findings check_redirection(const Host& host) {
  Backends backends = check_backends(host);
  append(backends.findings, check_firewall(host, backends.taken));
  append(backends.findings, check_port_of_extension(host, backends.taken));
  return std::move(backends.findings);
}

}  // namespace

bool is_legacy_port(const Host& host, std::uint16_t port) {
  return std::ranges::find(host.config.legacy.ports, port) != host.config.legacy.ports.end();
}

Finding not_seen(const Host& host, std::string_view check, std::string text, std::string advice_to_root) {
  return host.is_root ? warning(check, std::move(text), std::move(advice_to_root))
                      : unknown(check, std::move(text));
}

Findings examine(const Host& host) {
  const Result<migration::ReachedImds> reached = migration::reach_imds(host.config.imds);
  Findings all;
  const auto look = [&all](const char* check, std::chrono::seconds limit, const auto& check_it) {
    append(all, look_limited(check, limit, check_it));
  };
  look("machine", kQuick, [&] { return check_machine(host, reached); });
  look("unit", kQuick, [&] { return check_units(host); });
  look("user", kQuick, [&] { return check_user(host); });
  look("policy", kQuick, [&] { return check_policy(host); });
  look("containers", kQuick, [&] { return check_containers(host); });
  look("direct", kQuick, [&] { return check_direct(host, bool(reached)); });
  look("backend", kTrying, [&] { return check_redirection(host); });
  look("ports", kQuick, [&] { return check_ports(host); });
  look("reserved", kQuick, [&] { return check_reserved_ports(host); });
  look("extension", kQuick, [&] { return check_extension(host); });
  look("imds", kQuick, [&] { return check_imds(host, reached); });
  if (reached) {
    look("clock", kQuick, [&] { return check_clock(host, reached->clock_ahead); });
    look("identity", kAsking, [&] { return check_identities(host); });
  }
  look("proxy", kQuick, [&] { return check_proxies(host); });
  look("neighbour", kQuick, [&] { return check_neighbours(host); });
  return all;
}

}  // namespace msi2imds::doctor

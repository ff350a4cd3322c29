// SPDX-License-Identifier: MIT
#include "doctor/doctor.hpp"

#include <algorithm>

#include "doctor/backends.hpp"
#include "doctor/clock.hpp"
#include "doctor/extension.hpp"
#include "doctor/identities.hpp"
#include "doctor/imds.hpp"
#include "doctor/kernel_settings.hpp"
#include "doctor/limited.hpp"
#include "doctor/machine.hpp"
#include "doctor/neighbours.hpp"
#include "doctor/notrack.hpp"
#include "doctor/policy.hpp"
#include "doctor/ports.hpp"
#include "doctor/proxies.hpp"
#include "doctor/units.hpp"
#include "doctor/user_namespace.hpp"

namespace msi2imds::doctor {
namespace {

constexpr std::chrono::seconds kQuick{15};
constexpr std::chrono::seconds kTrying{90};  // backends run the host's tools
constexpr std::chrono::seconds kAsking{60};  // IMDS, once for each identity

Findings check_redirection(const Case& patient) {
  Backends backends = check_backends(patient);
  append(backends.findings, check_notrack(patient, backends.taken));
  return std::move(backends.findings);
}

}  // namespace

bool is_legacy_port(const Case& patient, std::uint16_t port) {
  return std::ranges::find(patient.config.legacy.ports, port) != patient.config.legacy.ports.end();
}

Findings examine(const Case& patient) {
  const Result<migration::Instance> instance = migration::ask_instance(patient.config.imds);
  Findings all;
  const auto look = [&all](const char* check, std::chrono::seconds limit, const auto& check_it) {
    append(all, look_limited(check, limit, check_it));
  };
  look("machine", kQuick, [&] { return check_machine(patient, instance); });
  look("unit", kQuick, [&] { return check_units(patient); });
  look("user", kQuick, [&] { return check_user_namespace(patient); });
  look("policy", kQuick, [&] { return check_policy(patient); });
  look("backend", kTrying, [&] { return check_redirection(patient); });
  look("ports", kQuick, [&] { return check_ports(patient); });
  look("reserved", kQuick, [&] { return check_reserved_ports(patient); });
  look("extension", kQuick, [&] { return check_extension(patient); });
  look("imds", kQuick, [&] { return check_imds(patient, instance); });
  if (instance) {
    look("clock", kQuick, [&] { return check_clock(patient, *instance); });
    look("identity", kAsking, [&] { return check_identities(patient); });
  }
  look("proxy", kQuick, [&] { return check_proxies(patient); });
  look("neighbour", kQuick, [&] { return check_neighbours(patient); });
  return all;
}

}  // namespace msi2imds::doctor

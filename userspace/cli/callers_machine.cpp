// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>

#include "admin/client.hpp"
#include "admin/status.hpp"
#include "cli/callers_report.hpp"
#include "cli/commands.hpp"
#include "cli/silence.hpp"
#include "migration/imds.hpp"
#include "waagent/extension.hpp"
#include "waagent/presence.hpp"

namespace msi2imds::cli {
namespace {

// Names are no reason to wait for an IMDS that does not answer.
constexpr std::chrono::seconds kNamesTime{2};

std::string find_stage(const config::Config& config) {
  const Result<std::string> answer =
      admin::get(config.admin.socket, std::string(admin::kStatusTarget), kAskTime);
  if (!answer) {
    return is_forbidden(answer.error()) ? "" : std::string(stage::kStopped);
  }
  const Result<admin::Status> status = admin::parse_status(*answer);
  if (!status) {
    return "";
  }
  if (status->observing) {
    return std::string(stage::kObserving);
  }
  if (!status->redirecting) {
    return std::string(stage::kNotRedirecting);
  }
  return std::string(waagent::is_present(waagent::places_of(config)) ? stage::kRedirecting : stage::kRetired);
}

std::string find_extension_state(const config::Config& config) {
  const auto extension = waagent::find_extension(config.waagent.root);
  if (!extension) {
    return "";
  }
  return *extension ? waagent::to_string((*extension)->state) : std::string(kAbsent);
}

}  // namespace

Machine look_at_machine(const config::Config& config) {
  Machine machine;
  machine.stage = find_stage(config);
  machine.extension = find_extension_state(config);
  config::Imds imds = config.imds;
  imds.request_timeout = std::min(imds.request_timeout, kNamesTime);
  if (Result<migration::Instance> instance = migration::ask_instance(imds)) {
    machine.subscription = std::move(instance->subscription);
    machine.resource_group = std::move(instance->resource_group);
    machine.vm = std::move(instance->name);
    machine.scale_set = std::move(instance->scale_set);
  }
  return machine;
}

}  // namespace msi2imds::cli

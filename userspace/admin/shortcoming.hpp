// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What does not work as it should while callers are served.
namespace msi2imds::admin {

// By these names the metrics know them; docs/monitoring.md says what each means.
inline constexpr std::string_view kAudit = "audit";
inline constexpr std::string_view kCallers = "callers";
inline constexpr std::string_view kContainers = "containers";
inline constexpr std::string_view kDescriptors = "descriptors";
inline constexpr std::string_view kDiscovery = "discovery";
inline constexpr std::string_view kFailures = "failures";
inline constexpr std::string_view kIdentification = "identification";
inline constexpr std::string_view kLog = "log";
inline constexpr std::string_view kMetrics = "metrics";
inline constexpr std::string_view kNames = "names";
inline constexpr std::string_view kObservation = "observation";
inline constexpr std::array kShortcomings = {kAudit,     kCallers,  kContainers,     kDescriptors,
                                             kDiscovery, kFailures, kIdentification, kLog,
                                             kMetrics,   kNames,    kObservation};

// What the text of kContainers begins with.
inline constexpr std::string_view kContainersFailure = "legacy.container_networks: ";

struct Shortcoming {
  std::string_view name;  // one of kShortcomings
  std::string text;       // for people
};

using Shortcomings = std::vector<Shortcoming>;

// Adds one, where there is something to say of it.
inline void add(Shortcomings& all, std::string_view name, std::string text) {
  if (!text.empty()) {
    all.push_back({name, std::move(text)});
  }
}

}  // namespace msi2imds::admin

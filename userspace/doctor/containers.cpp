// SPDX-License-Identifier: MIT
#include "doctor/containers.hpp"

#include <string>
#include <vector>

#include "config/closure.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kContainersCheck = "containers";

std::string joined(const std::vector<std::string>& names, const char* mark) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + (mark + name) + mark;
  }
  return text;
}

}  // namespace

Findings check_containers(const Host& host) {
  if (host.config.legacy.container_networks.empty()) {
    return {};
  }
  const std::string opened = "every process in the network of a container named " +
                             joined(host.config.legacy.container_networks, "\"") + " may ask for tokens";
  const std::string who = !host.status.is_known ? "which ones there are is not known"
                          : host.status.container_networks.empty()
                              ? "none is there at present"
                              : "at present " + joined(host.status.container_networks, "");
  const std::string text = "By legacy.container_networks " + opened + ": " + who + ".";
  if (!host.status.containers_failure.empty()) {
    const char* const how =
        host.status.container_networks.empty() ? " They are not served: " : " Not all is well: ";
    return {error(kContainersCheck, text + how + host.status.containers_failure + ".",
                  "docs/CONTAINERS.md says what this takes.")};
  }
  if (!config::refuses_somebody(host.config)) {
    return {warning(kContainersCheck, text + " No rule restricts them.",
                    "Set policy.mode = \"enforce\", with [[allow]] rules by container_name.")};
  }
  return {ok(kContainersCheck, text + " The rules decide who gets one.")};
}

}  // namespace msi2imds::doctor

// SPDX-License-Identifier: MIT
#include "config/check.hpp"

#include <algorithm>
#include <string>

#include "config/endpoint.hpp"

namespace msi2imds::config {
namespace {

constexpr std::string_view kPorts = "legacy.ports";
constexpr std::string_view kListenPort = "redirect.listen_port";
constexpr std::string_view kEndpoint = "imds.endpoint";
constexpr std::string_view kMetricsPort = "metrics.port";
constexpr std::string_view kCgroups = "redirect.cgroups";
constexpr std::string_view kBackend = "redirect.backend";
constexpr std::string_view kChoosesCallers = "cgroup_connect";

// "legacy.ports (FILE:2:1)"
std::string describe(std::string_view key, const Origins& origins) {
  const auto origin = origins.find(key);
  const std::string place = origin == origins.end() ? "the default" : to_string(origin->second);
  return std::string(key) + " (" + place + ")";
}

bool is_legacy_port(const Config& config, std::uint16_t port) {
  return std::ranges::find(config.legacy.ports, port) != config.legacy.ports.end();
}

// The redirection would lead back to itself.
void check_listen_port(const Config& config, const Origins& origins, Problems& problems) {
  if (!problems.is_sound(kPorts) || !problems.is_sound(kListenPort) ||
      !is_legacy_port(config, config.redirect.listen_port)) {
    return;
  }
  // One of the two was set: the defaults agree.
  const bool blame_listen_port = origins.contains(kListenPort);
  const std::string_view key = blame_listen_port ? kListenPort : kPorts;
  const std::string_view other = blame_listen_port ? kPorts : kListenPort;
  problems.add(origins.find(key)->second, key,
               "port " + std::to_string(config.redirect.listen_port) + " is also in " +
                   describe(other, origins) + "; expected different ports");
}

// We would ask ourselves.
void check_endpoint(const Config& config, const Origins& origins, Problems& problems) {
  const Endpoint& endpoint = config.imds.endpoint;
  const auto set = origins.find(kEndpoint);
  if (set == origins.end() || !problems.is_sound(kEndpoint) || !is_loopback(endpoint)) {
    return;
  }
  const auto complain = [&](std::string_view other) {
    problems.add(set->second, kEndpoint,
                 endpoint.text + " leads back to msi2imds itself: port " + std::to_string(endpoint.port) +
                     " is in " + describe(other, origins) +
                     "; expected the address of IMDS, or another port");
  };
  if (problems.is_sound(kPorts) && is_legacy_port(config, endpoint.port)) {
    complain(kPorts);
  } else if (problems.is_sound(kListenPort) && endpoint.port == config.redirect.listen_port) {
    complain(kListenPort);
  }
}

void check_metrics_port(const Config& config, const Origins& origins, Problems& problems) {
  const std::uint16_t port = config.metrics.port;
  const auto set = origins.find(kMetricsPort);
  if (port == 0 || set == origins.end() || !problems.is_sound(kMetricsPort)) {
    return;
  }
  const auto complain = [&](std::string_view other) {
    problems.add(set->second, kMetricsPort,
                 "port " + std::to_string(port) + " is also in " + describe(other, origins) +
                     "; expected another one, or 0 for none");
  };
  if (problems.is_sound(kPorts) && is_legacy_port(config, port)) {
    complain(kPorts);
  } else if (problems.is_sound(kListenPort) && port == config.redirect.listen_port) {
    complain(kListenPort);
  }
}

// Where only some callers are to be redirected, a backend that redirects all of them is none to fall back to.
void check_cgroups(const Config& config, const Origins& origins, Problems& problems) {
  const Redirect& redirect = config.redirect;
  if (redirect.cgroups.empty() || redirect.backend == kAutomatic || redirect.backend == kChoosesCallers ||
      !problems.is_sound(kCgroups) || !problems.is_sound(kBackend)) {
    return;
  }
  problems.add(origins.find(kCgroups)->second, kCgroups,
               redirect.backend + ", in " + describe(kBackend, origins) +
                   ", redirects all callers; expected " + std::string(kChoosesCallers) + " or " +
                   std::string(kAutomatic) + " there, or []");
}

}  // namespace

void check(const Config& config, const Origins& origins, Problems& problems) {
  check_endpoint(config, origins, problems);  // first: the other check may put its blame on legacy.ports
  check_listen_port(config, origins, problems);
  check_metrics_port(config, origins, problems);
  check_cgroups(config, origins, problems);
}

}  // namespace msi2imds::config

// SPDX-License-Identifier: MIT
#include "waagent/ports.hpp"

#include <algorithm>
#include <sstream>

#include "config/endpoint.hpp"
#include "waagent/discovery_file.hpp"
#include "waagent/extension.hpp"
#include "waagent/note.hpp"
#include "waagent/process.hpp"

namespace msi2imds::waagent {
namespace {

constexpr const char* kPortsNote = "legacy-ports";

// One port a line.
std::vector<std::uint16_t> noted_ports(const Places& places) {
  std::vector<std::uint16_t> ports;
  std::istringstream lines(read_note(places.state, kPortsNote));
  for (std::string line; std::getline(lines, line);) {
    if (const auto port = parse_port(line)) {
      ports.push_back(*port);
    }
  }
  return ports;
}

void add_settings(const Places& places, bool is_running, std::vector<PortEvidence>& evidence) {
  const auto extension = find_extension(places.root);
  if (!extension || !*extension || !(*extension)->settings || !(*extension)->settings->port) {
    return;
  }
  const Settings& settings = *(*extension)->settings;
  evidence.push_back({*settings.port, "the extension's " + settings.file + " names it"});
  if (settings.is_protected && !is_running) {
    evidence.push_back({kDefaultPort, "the extension ignores the port of protected settings, at times"});
  }
}

}  // namespace

std::vector<PortEvidence> find_port_evidence(const Places& places) {
  std::vector<PortEvidence> evidence;
  for (const ExtensionProcess& process : find_processes(places.proc)) {
    for (const SocketAddress& address : process.listens) {
      evidence.push_back({address.port(), "process " + std::to_string(process.pid) + " (" +
                                              std::string(kProcessName) + ") listens there"});
    }
  }
  const bool is_running = !evidence.empty();
  if (const auto file = read_discovery_file(places); file && *file && (*file)->port) {
    evidence.push_back({*(*file)->port, std::string(kDiscoveryFile) + " leads there"});
  }
  add_settings(places, is_running, evidence);
  for (const std::uint16_t port : noted_ports(places)) {
    evidence.push_back({port, "it was found earlier"});
  }
  return evidence;
}

std::vector<std::uint16_t> ports_of(const std::vector<PortEvidence>& evidence, std::size_t most) {
  std::vector<std::uint16_t> ports;
  for (const PortEvidence& one : evidence) {
    if (std::ranges::find(ports, one.port) == ports.end() && ports.size() < most) {
      ports.push_back(one.port);
    }
  }
  return ports;
}

std::vector<std::string> settle_ports(config::Config& config) {
  std::vector<std::string> told;
  if (!config.legacy.find_ports) {
    return told;
  }
  std::vector<PortEvidence> evidence = find_port_evidence(places_of(config));
  std::erase_if(evidence, [&config](const PortEvidence& one) {
    return one.port == config.redirect.listen_port || one.port == config.metrics.port ||
           (config::is_loopback(config.imds.endpoint) && one.port == config.imds.endpoint.port);
  });
  if (evidence.empty()) {
    evidence.push_back({kDefaultPort, "it is the documented port"});
  }
  config.legacy.find_ports = false;
  config.legacy.ports = ports_of(evidence, config::kMaxLegacyPorts);
  for (const std::uint16_t port : config.legacy.ports) {
    const auto first = std::ranges::find(evidence, port, &PortEvidence::port);
    told.push_back("legacy port " + std::to_string(port) + ": " + first->source);
  }
  return told;
}

Result<void> note_ports(const Places& places, const std::vector<std::uint16_t>& ports) {
  std::string text;
  for (const std::uint16_t port : ports) {
    text += std::to_string(port) + "\n";
  }
  return text == read_note(places.state, kPortsNote) ? Result<void>()
                                                     : write_note(places.state, kPortsNote, text);
}

}  // namespace msi2imds::waagent

// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "waagent/places.hpp"

// On which ports applications dial the extension: legacy.ports = "auto".
namespace msi2imds::waagent {

inline constexpr std::uint16_t kDefaultPort = 50342;

struct PortEvidence {
  std::uint16_t port = 0;
  std::string source;  // "process 812 (msi-extension) listens there"
};

// The evidence for ports, the most trusted first: the extension's listening socket, the discovery file,
// the extension's settings, what was found earlier and noted. A port may be there more than once.
[[nodiscard]] std::vector<PortEvidence> find_port_evidence(const Places& places);

// Its ports, each once, `most` of them.
[[nodiscard]] std::vector<std::uint16_t> ports_of(const std::vector<PortEvidence>& evidence,
                                                  std::size_t most);

// Replaces legacy.ports = "auto" by the ports that were found, except those that we use ourselves, or by the
// documented port if there are none; returns lines that say where each comes from. Any other configuration
// stays as it is, and nothing is said.
std::vector<std::string> settle_ports(config::Config& config);

// Notes ports for later, when the extension and its files are gone.
[[nodiscard]] Result<void> note_ports(const Places& places, const std::vector<std::uint16_t>& ports);

}  // namespace msi2imds::waagent

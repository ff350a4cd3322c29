// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "waagent/places.hpp"

// The file in which older clients look up the endpoint before they connect (go-autorest 8.x to 10.5,
// Kubernetes, the OMS agent): {"url":"http://localhost:50342"}.
namespace msi2imds::waagent {

inline constexpr const char* kDiscoveryFile = "ManagedIdentity-Settings";

struct DiscoveryFile {
  std::string content;
  std::optional<std::uint16_t> port;  // of its url, if that leads to this machine's loopback
  ino_t inode = 0;
  bool is_noted = false;  // as the one that we made
  bool is_ours = false;   // that, or made by us and not noted yet
};

// What was done about it.
struct Kept {
  bool made = false;  // or changed
  bool is_ours = false;
  // Why it could not be noted as ours, for instance for want of room. It is known by its second name until
  // then.
  std::optional<Error> not_noted = {};
  std::vector<std::filesystem::path> unlabelled = {};
};

// Nothing, if it is not there. A link, a directory or a file that is too large is an error.
[[nodiscard]] Result<std::optional<DiscoveryFile>> read_discovery_file(const Places& places);

// Makes the file if there is none, with the agent's directory if need be; one that we made is brought to this
// port, anybody else's stays as it is. Whoever calls it has to restore_labels() after that.
[[nodiscard]] Result<Kept> keep_discovery_file(const Places& places, std::uint16_t port);

// Gives new files the label that the SELinux policy wants for them, where there is one; that of their
// directory, with which they are made, need not be it.
[[nodiscard]] asio::awaitable<void> restore_labels(std::vector<std::filesystem::path> paths);

// Removes the file if we made it, nobody has changed it since, and the agent does not have the extension,
// which would need it. True: it was removed.
[[nodiscard]] Result<bool> remove_discovery_file(const Places& places);

// Becomes readable (inotify) when the file may have been removed or replaced, or its directory; then a new
// watch is due. Fails while there is no directory.
[[nodiscard]] Result<UniqueFd> watch_discovery_file(const Places& places);

}  // namespace msi2imds::waagent

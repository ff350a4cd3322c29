// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

// Network namespaces of others.
namespace msi2imds::supervisor {

// Which one it is. Nobody has the same name as long as it is there.
struct NetworkName {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  friend bool operator==(const NetworkName&, const NetworkName&) = default;
};

// That of this process.
[[nodiscard]] std::optional<NetworkName> own_network();
// That of a process; nothing where it has ended, or we may not look.
[[nodiscard]] std::optional<NetworkName> network_of(pid_t pid);
[[nodiscard]] std::optional<NetworkName> network_of(const UniqueFd& open_one);
// Open, of which network_of() tells which one it is; as long as it is, so is the namespace.
[[nodiscard]] UniqueFd open_network(pid_t pid);

// The calling thread is in that network meanwhile: sockets that it makes there stay there. A process that
// could not come back would go on in a stranger's network, and ends.
class NetworkVisit {
 public:
  explicit NetworkVisit(const UniqueFd& network);
  NetworkVisit(const NetworkVisit&) = delete;
  NetworkVisit& operator=(const NetworkVisit&) = delete;
  ~NetworkVisit();

  // An error: we are still at home.
  [[nodiscard]] const Result<void>& entered() const {
    return entered_;
  }

 private:
  UniqueFd home_;
  Result<void> entered_;
};

// Whether networks may be entered at all, tried with our own.
[[nodiscard]] Result<void> may_enter_networks();

}  // namespace msi2imds::supervisor

// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/asio.hpp"
#include "supervisor/container_scan.hpp"
#include "supervisor/identity_service.hpp"

namespace msi2imds::supervisor {

// What container runtimes call the containers that were found. Each is asked about until it is known, ever
// more rarely, since a runtime may have its notes written a moment later.
class ContainerNames {
 public:
  explicit ContainerNames(IdentityService& identities) : identities_(identities) {}

  // Asks about those whose names are not known, and forgets all that were not found.
  asio::awaitable<void> learn(const std::vector<ContainerNetwork>& found);

  // Of the container with that cgroup; empty: it is not known, or not to be believed.
  [[nodiscard]] std::string of(std::uint64_t cgroup) const;

  void forget() {
    containers_.clear();
  }

 private:
  // By its cgroup, which is never used again.
  struct Container {
    std::uint64_t cgroup = 0;
    std::string name;
    int questions = 0;
    std::chrono::steady_clock::time_point next_question;
  };

  IdentityService& identities_;
  std::vector<Container> containers_;  // as the last look has found them
};

}  // namespace msi2imds::supervisor

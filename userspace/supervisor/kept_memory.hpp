// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "supervisor/service_manager.hpp"

namespace msi2imds::supervisor {

// Anonymous memory that outlasts each responder, which keeps tokens there, and with a service manager that
// holds descriptors for us (systemd 219) this process, too. Nothing is read from it here, nor is it mapped.
class KeptMemory {
 public:
  // Takes what the service manager has held for us out of `inherited`.
  // `manager`, which has to outlive this, is given it to hold.
  KeptMemory(ServiceManager& manager, std::vector<UniqueFd>& inherited);

  // For the next responder: a file with room for tokens of so many bytes at least, made where there is none
  // yet, and given to the service manager to hold. Kernels without memfd (before 3.17) need a `directory` on
  // a tmpfs. What a responder does to its descriptor concerns no other one.
  [[nodiscard]] Result<UniqueFd> prepare(std::uint64_t tokens_bytes, const std::string& directory);

  // Overwrites what is kept. No responder may have it.
  void wipe();

  // Overwrites it, and gives the memory back.
  void give_up();

 private:
  ServiceManager& manager_;
  UniqueFd memory_;
};

}  // namespace msi2imds::supervisor

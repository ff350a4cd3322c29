// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "caller/clues.hpp"
#include "caller/identity.hpp"

namespace msi2imds::responder {

// Who the processes are that have called lately, each for a second after the supervisor has told, who may
// have known that for a second: within two, an exec of the same program may go unnoticed where no rule
// depends on it.
class RememberedCallers {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Keeps it only where the clues tell the process from every other one, and agree with the socket's.
  void keep(const caller::Clues& clues, std::shared_ptr<const caller::Identity> identity, Time now);

  // Null, if that process is not known, or the clues of this connection are others.
  [[nodiscard]] std::shared_ptr<const caller::Identity> find(const caller::Clues& clues, Time now) const;

  void forget_all() {
    by_process_.clear();
  }

 private:
  struct Remembered {
    caller::Clues clues;
    std::shared_ptr<const caller::Identity> identity;
    Time until;
  };

  std::unordered_map<std::int32_t, Remembered> by_process_;
};

}  // namespace msi2imds::responder

// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>

#include "redirect/redirector.hpp"

namespace msi2imds::supervisor {

// What an earlier process has left, and whether it is still to be looked for.
class Leavings {
 public:
  [[nodiscard]] bool are_possible() const {
    return are_possible_ && std::chrono::steady_clock::now() >= next_look_;
  }

  // Logs what was removed, and what could not be looked for, which is tried again some seconds later; the
  // latter once, until it is another one.
  void tell(const redirect::Leftovers& leftovers);

 private:
  bool are_possible_ = true;
  std::chrono::steady_clock::time_point next_look_;  // not before: each look may run several programs
  std::string failures_;
};

}  // namespace msi2imds::supervisor

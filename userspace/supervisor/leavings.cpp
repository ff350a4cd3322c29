// SPDX-License-Identifier: MIT
#include "supervisor/leavings.hpp"

#include <utility>

#include "base/log.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::chrono::seconds kRest{3};

}  // namespace

void Leavings::tell(const redirect::Leftovers& leftovers) {
  for (const std::string& removed : leftovers.removed) {
    log::info("removed what an earlier msi2imds has left: {}", removed);
  }
  are_possible_ = !leftovers.failures.empty();
  next_look_ = std::chrono::steady_clock::now() + kRest;
  std::string failures;
  for (const std::string& failure : leftovers.failures) {
    failures += (failures.empty() ? "" : "; ") + failure;
  }
  if (failures_ != failures && !failures.empty()) {
    log::warn("cannot look for what an earlier msi2imds may have left: {}", failures);
  }
  failures_ = std::move(failures);
}

}  // namespace msi2imds::supervisor

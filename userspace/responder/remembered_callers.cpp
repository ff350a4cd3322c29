// SPDX-License-Identifier: MIT
#include "responder/remembered_callers.hpp"

#include <cstddef>
#include <utility>

#include "caller/caller.hpp"

namespace msi2imds::responder {
namespace {

constexpr std::size_t kMost = 256;
constexpr std::chrono::seconds kAge{1};

bool tell_the_process(const caller::Clues& clues) {
  return clues.pid != 0 && clues.started != 0 && clues.agreement == caller::Agreement::agreed;
}

}  // namespace

void RememberedCallers::keep(const caller::Clues& clues, std::shared_ptr<const caller::Identity> identity,
                             Time now) {
  const bool is_known =
      identity->pid == clues.pid && !identity->is_in_doubt && identity->unknown_because.empty();
  if (!tell_the_process(clues) || !is_known) {
    return;
  }
  if (by_process_.size() >= kMost) {
    by_process_.clear();
  }
  by_process_[clues.pid] = {.clues = clues, .identity = std::move(identity), .until = now + kAge};
}

std::shared_ptr<const caller::Identity> RememberedCallers::find(const caller::Clues& clues, Time now) const {
  const auto known = by_process_.find(clues.pid);
  const bool is_valid = known != by_process_.end() && now < known->second.until &&
                        caller::are_of_one_caller(known->second.clues, clues);
  return is_valid ? known->second.identity : nullptr;
}

}  // namespace msi2imds::responder

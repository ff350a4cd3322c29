// SPDX-License-Identifier: MIT
#include "broker/assignments.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace msi2imds::broker {
namespace {

constexpr std::chrono::seconds kHope{60};
constexpr std::size_t kMaxIdentities = 4096;  // a VM has a thousand at most, with three names each

// IMDS compares without regard to letter case.
std::string name_of(const token::IdentitySelector& identity) {
  std::string name(1, static_cast<char>('0' + static_cast<int>(identity.kind)));
  std::transform(identity.value.begin(), identity.value.end(), std::back_inserter(name),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  return name;
}

}  // namespace

void Assignments::name(const token::IdentitySelector& identity, SteadyTime now) {
  (void)find_or_add(identity, now);
}

void Assignments::confirm(const token::IdentitySelector& identity, SteadyTime now) {
  find_or_add(identity, now).hope_ends = SteadyTime::max();
}

bool Assignments::may_come(const token::IdentitySelector& identity, SteadyTime now) {
  Entry& entry = find_or_add(identity, now);
  if (entry.hope_ends == SteadyTime::max()) {
    entry.hope_ends = now + kHope;
  }
  return now < entry.hope_ends;
}

Assignments::Entry& Assignments::find_or_add(const token::IdentitySelector& identity, SteadyTime now) {
  std::string name = name_of(identity);
  if (const auto found = index_.find(name); found != index_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front();
  }
  if (entries_.size() == kMaxIdentities) {
    index_.erase(entries_.back().name);
    entries_.pop_back();
  }
  entries_.push_front({.name = std::move(name), .hope_ends = now + kHope});
  index_.emplace(entries_.front().name, entries_.begin());
  return entries_.front();
}

}  // namespace msi2imds::broker

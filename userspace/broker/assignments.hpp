// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "token/token.hpp"

namespace msi2imds::broker {

// Which identities may be missing for a moment only. IMDS says "Identity not found" of one that was assigned
// just now, and now and then of one that it knows; of a wrong one it says so for ever. Bounded; who was not
// named for the longest time is forgotten first.
class Assignments {
 public:
  // A caller names an identity.
  void name(const token::IdentitySelector& identity, SteadyTime now);

  // IMDS has issued a token for it.
  void confirm(const token::IdentitySelector& identity, SteadyTime now);

  // IMDS does not find it: whether it may do so soon. For a while after an identity was named for the first
  // time, or was first missed since it was confirmed.
  [[nodiscard]] bool may_come(const token::IdentitySelector& identity, SteadyTime now);

 private:
  struct Entry {
    std::string name;
    SteadyTime hope_ends;  // max: confirmed
  };
  using Entries = std::list<Entry>;  // the latest first

  Entry& find_or_add(const token::IdentitySelector& identity, SteadyTime now);

  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> index_;  // keys refer to the entries
};

}  // namespace msi2imds::broker

// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "caller/identity.hpp"
#include "token/token.hpp"
#include "usage/row.hpp"

namespace msi2imds::usage {

inline constexpr std::size_t kMaxGrants = 1000;
inline constexpr std::size_t kMaxGroups = 32;
inline constexpr std::size_t kMaxGrantsJson = std::size_t{384} * 1024;
inline constexpr std::int64_t kGrantsKept = 7 * kSecondsPerDay;

// A token that a caller got: exactly what for, and when last.
struct Grant {
  // What rules may go by: uid, gids, unit, cgroup, program and whether it was verified. The rest is empty.
  caller::Identity caller;
  std::string resource;
  token::IdentitySelector named;  // by the caller itself; none where settings or IMDS chose
  std::int64_t last_used = 0;
};

// The grants of the last seven days. Unlike a row, which is for people, one is a request that can be made and
// judged again; so what is too long to be kept whole is not kept. Bounded whatever callers do: when there is
// no room, of the caller with the most grants the oldest one goes.
class Grants {
 public:
  Grants() = default;
  Grants(const Grants&) = delete;
  Grants& operator=(const Grants&) = delete;
  Grants(Grants&&) = default;
  Grants& operator=(Grants&&) = default;
  ~Grants() = default;

  // Costs less than a microsecond, and no allocation, where the grant is known.
  void add(const caller::Identity& caller, std::string_view resource, const token::IdentitySelector& named,
           std::int64_t time);

  // Drops grants that have expired by `now`, and moves times that lie in the future back to it.
  void bring_to(std::int64_t now);

  // Without those that have expired by `now`.
  [[nodiscard]] std::vector<const Grant*> latest_first(std::int64_t now) const;

  // The latest ones as a JSON array of at most kMaxGrantsJson bytes.
  [[nodiscard]] std::string to_json() const;
  // Throws Damage. `where` names the array.
  [[nodiscard]] static Grants parse(const boost::json::array& array, const std::string& where);

 private:
  struct Entry {
    Grant grant;
    std::size_t hash = 0;
    std::size_t hash_of_caller = 0;
  };
  using Entries = std::list<Entry>;  // what was used last comes first

  void insert(Entries::iterator place, Grant grant);
  void erase(Entries::iterator entry);
  void make_room();

  Entries entries_;
  std::unordered_multimap<std::size_t, Entries::iterator> index_;  // by hash
  std::unordered_map<std::size_t, std::size_t> shares_;            // how many a caller has, by its hash
};

}  // namespace msi2imds::usage

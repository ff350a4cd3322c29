// SPDX-License-Identifier: MIT
#include "usage/grants.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "usage/clean_text.hpp"

namespace msi2imds::usage {
namespace {

// What makes two grants the same one.
struct GrantKey {
  std::optional<uid_t> uid;
  std::string_view unit;
  std::string_view program;
  std::string_view resource;
  token::SelectorKind kind = token::SelectorKind::none;
  std::string_view identity;

  friend bool operator==(const GrantKey&, const GrantKey&) = default;
};

GrantKey key_of(const Grant& grant) {
  return {.uid = grant.caller.uid,
          .unit = grant.caller.unit,
          .program = grant.caller.program,
          .resource = grant.resource,
          .kind = grant.named.kind,
          .identity = grant.named.value};
}

std::size_t hash_of_caller(const GrantKey& key) {
  const std::hash<std::string_view> hash;
  return (hash(key.unit) * 31 + hash(key.program)) * 31 + key.uid.value_or(0);
}

std::size_t hash_of(const GrantKey& key) {
  const std::hash<std::string_view> hash;
  return (hash_of_caller(key) * 31 + hash(key.resource)) * 31 + hash(key.identity) +
         static_cast<std::size_t>(key.kind);
}

// What cannot be kept whole is not known: a part of it would be something else.
std::string_view whole_or_nothing(std::string_view text) {
  return is_clean(text) ? text : std::string_view();
}

template <typename T, typename U>
void assign_if_new(T& known, const U& value) {
  if (known != value) {
    known = value;
  }
}

void take_over(const caller::Identity& seen, caller::Identity& known) {
  assign_if_new(known.cgroup, whole_or_nothing(seen.cgroup));
  if (seen.gids.size() > kMaxGroups) {
    known.gids.clear();
  } else {
    assign_if_new(known.gids, seen.gids);
  }
  known.program_is_verified = seen.program_is_verified && !known.program.empty();
}

}  // namespace

void Grants::add(const caller::Identity& caller, std::string_view resource,
                 const token::IdentitySelector& named, std::int64_t time) {
  if (!is_clean(resource) || !is_clean(named.value)) {
    return;
  }
  time = std::clamp<std::int64_t>(time, 0, kMaxTime);
  const GrantKey key{.uid = caller.uid,
                     .unit = whole_or_nothing(caller.unit),
                     .program = whole_or_nothing(caller.program),
                     .resource = resource,
                     .kind = named.kind,
                     .identity = named.value};
  const auto [first, last] = index_.equal_range(hash_of(key));
  const auto known =
      std::find_if(first, last, [&key](const auto& place) { return key_of(place.second->grant) == key; });
  if (known == last) {
    make_room();
    Grant grant{.caller = {}, .resource = std::string(resource), .named = named, .last_used = time};
    grant.caller.uid = caller.uid;
    grant.caller.unit = key.unit;
    grant.caller.program = key.program;
    take_over(caller, grant.caller);
    insert(entries_.begin(), std::move(grant));
    return;
  }
  Grant& grant = known->second->grant;
  grant.last_used = std::max(grant.last_used, time);
  take_over(caller, grant.caller);
  entries_.splice(entries_.begin(), entries_, known->second);
}

void Grants::insert(Entries::iterator place, Grant grant) {
  const GrantKey key = key_of(grant);
  const std::size_t hash = hash_of(key);
  const std::size_t caller = hash_of_caller(key);
  index_.emplace(hash, entries_.insert(place, {std::move(grant), hash, caller}));
  ++shares_[caller];
}

void Grants::erase(Entries::iterator entry) {
  const auto [first, last] = index_.equal_range(entry->hash);
  index_.erase(std::find_if(first, last, [entry](const auto& place) { return place.second == entry; }));
  const auto share = shares_.find(entry->hash_of_caller);
  if (--share->second == 0) {
    shares_.erase(share);
  }
  entries_.erase(entry);
}

void Grants::make_room() {
  if (entries_.size() < kMaxGrants) {
    return;
  }
  const auto share_of = [this](const Entry& entry) { return shares_.at(entry.hash_of_caller); };
  const std::size_t largest =
      std::ranges::max_element(shares_, {}, [](const auto& share) { return share.second; })->second;
  const auto oldest = std::find_if(entries_.rbegin(), entries_.rend(),
                                   [&](const Entry& entry) { return share_of(entry) == largest; });
  erase(std::prev(oldest.base()));
}

void Grants::bring_to(std::int64_t now) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto current = entry++;
    current->grant.last_used = std::min(current->grant.last_used, now);
    if (now - current->grant.last_used > kGrantsKept) {
      erase(current);
    }
  }
}

std::vector<const Grant*> Grants::latest_first(std::int64_t now) const {
  std::vector<const Grant*> grants;
  for (const Entry& entry : entries_) {
    if (now - entry.grant.last_used <= kGrantsKept) {
      grants.push_back(&entry.grant);
    }
  }
  std::ranges::stable_sort(grants, std::ranges::greater(), &Grant::last_used);
  return grants;
}

}  // namespace msi2imds::usage

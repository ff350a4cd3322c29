// SPDX-License-Identifier: MIT
#include "broker/token_cache.hpp"

#include <algorithm>
#include <utility>

namespace msi2imds::broker {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// IMDS caches as well: what it gives out may have less left than our margin. Asking again for each caller
// would only spend the quota.
constexpr seconds kLeastUse{30};
constexpr seconds kRefreshLead{600};
constexpr seconds kRetryRefresh{60};
constexpr std::chrono::hours kStillUsed{1};
constexpr std::size_t kEntryOverhead = 512;  // list and map nodes, string headers, the allocator's own
constexpr seconds kLatest{9'000'000'000};    // 2255: nanoseconds do not go much further
constexpr nanoseconds kNever = nanoseconds::max();

// The clock that went further is believed: the steady one stands still in a suspend, the wall clock can be
// set back.
nanoseconds age_of(const Moment& fetched, const Moment& now) {
  return std::max<nanoseconds>(now.steady - fetched.steady, now.wall - fetched.wall);
}

nanoseconds time_left(const token::Token& token, WallTime now) {
  return std::min(seconds(token.expires_on), kLatest) - now.time_since_epoch();
}

std::size_t bytes_of(const token::TokenRequest& request, const token::Token& token) {
  return kEntryOverhead + request.resource.size() + request.identity.value.size() +
         token.access_token.size() + token.resource.size() + token.client_id.size();
}

}  // namespace

std::chrono::nanoseconds TokenCache::oldest(const Moment& now) const {
  std::chrono::nanoseconds oldest{};
  for (const Entry& entry : entries_) {
    oldest = std::max<std::chrono::nanoseconds>(oldest, now.steady - entry.fetched.steady);
  }
  return oldest;
}

TokenCache::Entry* TokenCache::find(const Key& key) {
  Key any_bypass = key;
  any_bypass.bypass = false;
  const auto found = index_.find(any_bypass);
  return found == index_.end() ? nullptr : &*found->second;
}

TokenPtr TokenCache::find_fresh(const Key& key, const Moment& now) {
  const auto found = index_.find(key);
  if (found == index_.end()) {
    return nullptr;
  }
  Entry& entry = *found->second;
  entry.last_used = now.steady;
  entries_.splice(entries_.begin(), entries_, found->second);
  return age_of(entry.fetched, now) < entry.serve_for ? entry.token : nullptr;
}

TokenPtr TokenCache::find_valid(const Key& key, const Moment& now) {
  const Entry* entry = find(key);
  return entry != nullptr && age_of(entry->fetched, now) < entry->lifetime ? entry->token : nullptr;
}

void TokenCache::store(const token::TokenRequest& request, TokenPtr token, const Moment& now,
                       const Settings& settings) {
  Key key = key_of(request);
  key.bypass = false;
  SteadyTime last_used = now.steady;
  if (const auto old = index_.find(key); old != index_.end()) {
    last_used = old->second->last_used;  // a refresh is no use
    erase(old->second);
  }
  Entry entry{.request = request,
              .token = std::move(token),
              .fetched = now,
              .lifetime = {},
              .serve_for = {},
              .refresh_at = {},
              .last_used = last_used};
  entry.request.bypass_cache = false;
  entry.lifetime = time_left(*entry.token, now.wall);
  entry.serve_for = std::max<nanoseconds>(entry.lifetime - settings.expiry_margin,
                                          std::min<nanoseconds>(kLeastUse, entry.lifetime));
  entry.refresh_at = refresh_age(entry, settings);
  entry.bytes = bytes_of(entry.request, *entry.token);
  bytes_ += entry.bytes;
  entries_.push_front(std::move(entry));
  index_.emplace(key_of(entries_.front().request), entries_.begin());
  evict(settings.max_bytes);
}

// Early enough that all tokens, should they expire together, fit into the quota; spread so that they do not
// ask together. A token that does not live that long is replaced in the second half of its use.
nanoseconds TokenCache::refresh_age(const Entry& entry, const Settings& settings) {
  const nanoseconds for_all = seconds(3 * entries_.size() / std::max(settings.max_rate, 1U));
  const nanoseconds lead = std::min({std::max<nanoseconds>(kRefreshLead, for_all), entry.serve_for / 2});
  std::uniform_real_distribution<double> jitter(0.5, 1.0);
  const auto early = static_cast<nanoseconds::rep>(static_cast<double>(lead.count()) * jitter(random_));
  return entry.serve_for - nanoseconds(early);
}

void TokenCache::keep_serving(const Key& key, const Moment& now) {
  Entry* entry = find(key);
  if (entry == nullptr) {
    return;
  }
  const nanoseconds age = age_of(entry->fetched, now);
  entry->serve_for = std::max(entry->serve_for, std::min<nanoseconds>(entry->lifetime, age + kRetryRefresh));
  entry->refresh_at = age + kRetryRefresh / 2;
}

std::vector<token::TokenRequest> TokenCache::due_for_refresh(const Moment& now) {
  std::vector<Entry*> due;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto current = entry++;
    const nanoseconds age = age_of(current->fetched, now);
    if (age >= current->lifetime) {
      erase(current);
    } else if (age >= current->refresh_at && now.steady - current->last_used <= kStillUsed) {
      due.push_back(&*current);
    }
  }
  std::sort(due.begin(), due.end(),
            [](const Entry* a, const Entry* b) { return a->token->expires_on < b->token->expires_on; });
  std::vector<token::TokenRequest> requests;
  for (Entry* entry : due) {
    entry->refresh_at = kNever;
    requests.push_back(entry->request);
  }
  return requests;
}

std::size_t TokenCache::flush(std::string_view resource, std::string_view identity) {
  const std::size_t before = entries_.size();
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto current = entry++;
    if (is_named(current->request, resource, identity)) {
      erase(current);
    }
  }
  return before - entries_.size();
}

void TokenCache::erase(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  index_.erase(key_of(entry->request));
  entries_.erase(entry);
}

void TokenCache::evict(std::size_t max_bytes) {
  while (bytes_ > max_bytes && !entries_.empty()) {
    erase(std::prev(entries_.end()));
  }
}

}  // namespace msi2imds::broker

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
constexpr nanoseconds kSoonestRetry = seconds(60);
constexpr nanoseconds kLatestRetry = seconds(300);
constexpr std::chrono::hours kStillUsed{1};
constexpr std::size_t kEntryOverhead = 512;  // list and map nodes, string headers, the allocator's own
constexpr nanoseconds kNever = nanoseconds::max();

std::size_t bytes_of(const token::TokenRequest& request, const token::Token& token) {
  return kEntryOverhead + request.resource.size() + request.identity.value.size() +
         token.access_token.size() + token.token_type.size() + token.resource.size() + token.client_id.size();
}

}  // namespace

void TokenCache::configure(const Settings& settings) {
  settings_ = settings;
  for (Entry& entry : entries_) {
    judge(entry);
  }
  evict();
  keep_or_wipe();
}

nanoseconds TokenCache::oldest(BootTime now) const {
  nanoseconds oldest{};
  for (const Entry& entry : entries_) {
    oldest = std::max<nanoseconds>(oldest, now - entry.received);
  }
  return oldest;
}

TokenCache::Entry* TokenCache::find(const Key& key) {
  Key any_bypass = key;
  any_bypass.bypass = false;
  const auto found = index_.find(any_bypass);
  return found == index_.end() ? nullptr : &*found->second;
}

const LivingToken* TokenCache::find_fresh(const Key& key, const Moment& now) {
  const auto found = index_.find(key);
  if (found == index_.end()) {
    return nullptr;
  }
  Entry& entry = *found->second;
  entry.last_used = now.boot;
  entries_.splice(entries_.begin(), entries_, found->second);
  return entry.living.life.age(now) < entry.serve_for ? &entry.living : nullptr;
}

const LivingToken* TokenCache::find_valid(const Key& key, const Moment& now) {
  const Entry* entry = find(key);
  return entry != nullptr && entry->living.life.left(now) > nanoseconds(0) ? &entry->living : nullptr;
}

void TokenCache::store(const token::TokenRequest& request, LivingToken token, const Moment& now) {
  TokenRecord record{.request = request, .living = std::move(token), .received = now.boot};
  record.request.bypass_cache = false;
  BootTime last_used = now.boot;
  // The new one is there before the old one goes, so that whoever comes after a crash finds one of them.
  std::optional<TokenMemory::Place> place = put(record);
  if (const auto old = index_.find(key_of(record.request)); old != index_.end()) {
    last_used = old->second->last_used;  // a refresh is no use
    erase(old->second);
    place = place ? place : put(record);
  }
  add(std::move(record), last_used, place);
  evict();
}

// Where there is no room, the least recently used give theirs: they stay as long as this process.
std::optional<TokenMemory::Place> TokenCache::put(const TokenRecord& record) {
  if (!is_to_outlast() || !memory_.is_open()) {
    return std::nullopt;
  }
  std::optional<TokenMemory::Place> place = memory_.put(record);
  for (auto entry = entries_.rbegin(); !place && entry != entries_.rend(); ++entry) {
    if (entry->place) {
      memory_.wipe(*std::exchange(entry->place, std::nullopt));
      place = memory_.put(record);
    }
  }
  return place;
}

Result<void> TokenCache::keep_in(UniqueFd file, std::string_view issuer, const Moment& now) {
  for (Entry& entry : entries_) {
    entry.place.reset();
  }
  Result<std::vector<TokenMemory::Found>> found = memory_.open(std::move(file), issuer, now);
  if (!found) {
    return found.error();
  }
  for (TokenMemory::Found& one : *found) {
    take_over(std::move(one), now);
  }
  keep_or_wipe();
  evict();
  return {};
}

// As far as it is not there already, or newer.
void TokenCache::take_over(TokenMemory::Found found, const Moment& now) {
  const auto same = index_.find(key_of(found.record.request));
  const bool is_news =
      same == index_.end() || same->second->living.life.asked() < found.record.living.life.asked();
  if (!is_to_outlast() || !is_news) {
    memory_.wipe(found.place);
    return;
  }
  if (same != index_.end()) {
    erase(same->second);
  }
  add(std::move(found.record), now.boot, found.place);  // it may have been used a moment ago
  Entry& entry = entries_.front();
  const bool is_old = entry.living.life.age(now) >= entry.serve_for;
  if (is_old) {  // it is served as before, until IMDS was asked
    keep_serving(key_of(entry.request), now);
    entry.refresh_at = {};
  }
}

void TokenCache::keep_or_wipe() {
  for (Entry& entry : entries_) {
    if (is_to_outlast() && !entry.place) {
      entry.place =
          memory_.put({.request = entry.request, .living = entry.living, .received = entry.received});
    } else if (!is_to_outlast() && entry.place) {
      memory_.wipe(*std::exchange(entry.place, std::nullopt));
    }
  }
}

void TokenCache::add(TokenRecord record, BootTime last_used, std::optional<TokenMemory::Place> place) {
  Entry entry{.request = std::move(record.request),
              .living = std::move(record.living),
              .received = record.received,
              .serve_for = {},
              .refresh_at = {},
              .last_used = last_used,
              .place = place};
  judge(entry);
  entry.bytes = bytes_of(entry.request, *entry.living.token);
  bytes_ += entry.bytes;
  entries_.push_front(std::move(entry));
  index_.emplace(key_of(entries_.front().request), entries_.begin());
}

void TokenCache::judge(Entry& entry) {
  const nanoseconds length = entry.living.life.length();
  const nanoseconds useful =
      std::max<nanoseconds>(length - settings_.expiry_margin, std::min<nanoseconds>(kLeastUse, length));
  entry.serve_for = std::min<nanoseconds>(useful, settings_.max_age);
  entry.refresh_at = refresh_age(entry);
}

// Early enough that all tokens, should they come to their end together, fit into the quota; spread so that
// they do not ask together. A token that does not live that long is replaced in the second half of its use.
nanoseconds TokenCache::refresh_age(const Entry& entry) {
  const nanoseconds for_all = seconds(3 * entries_.size() / std::max(settings_.max_rate, 1U));
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
  const Life& life = entry->living.life;
  const nanoseconds age = life.age(now);
  const nanoseconds wait = std::clamp(life.left(now) / 10, kSoonestRetry, kLatestRetry);
  entry->serve_for = std::max(entry->serve_for, std::min(life.length(), age + wait));
  entry->refresh_at = age + wait / 2;
}

std::vector<token::TokenRequest> TokenCache::due_for_refresh(const Moment& now) {
  std::vector<Entry*> due;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto current = entry++;
    const Life& life = current->living.life;
    const nanoseconds age = life.age(now);
    if (age >= life.length()) {
      erase(current);
    } else if (age >= current->refresh_at && now.boot - current->last_used <= kStillUsed) {
      due.push_back(&*current);
    }
  }
  std::sort(due.begin(), due.end(), [&now](const Entry* a, const Entry* b) {
    return a->living.life.left(now) < b->living.life.left(now);
  });
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
  if (entry->place) {
    memory_.wipe(*entry->place);
  }
  bytes_ -= entry->bytes;
  index_.erase(key_of(entry->request));
  entries_.erase(entry);
}

void TokenCache::evict() {
  while (bytes_ > settings_.max_bytes && !entries_.empty()) {
    erase(std::prev(entries_.end()));
  }
}

}  // namespace msi2imds::broker

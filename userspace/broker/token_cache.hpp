// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <random>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "broker/key.hpp"
#include "broker/life.hpp"
#include "broker/settings.hpp"
#include "broker/token_memory.hpp"
#include "broker/token_record.hpp"
#include "token/token.hpp"

namespace msi2imds::broker {

// Tokens by key, bounded by bytes; the least recently used go first. Pointers to them are good until the
// cache changes.
class TokenCache {
 public:
  // What is cached is kept in `memory`, too, as far as that has room; it must outlive this.
  explicit TokenCache(TokenMemory& memory) : memory_(memory) {}

  // Keeps all tokens in `file` from here on, if they are to outlast this process, and takes over those of the
  // same issuer that another one has left there. Fails where it cannot be used; what is cached stays.
  [[nodiscard]] Result<void> keep_in(UniqueFd file, std::string_view issuer, const Moment& now);

  // Tokens stay, and are judged anew.
  void configure(const Settings& settings);

  // A token that may be given out without asking IMDS, or nullptr. Counts as a use of the key.
  [[nodiscard]] const LivingToken* find_fresh(const Key& key, const Moment& now);

  // A token that has not expired yet, fresh or not, or nullptr.
  [[nodiscard]] const LivingToken* find_valid(const Key& key, const Moment& now);

  // Keeps a token that was just received.
  void store(const token::TokenRequest& request, LivingToken token, const Moment& now);

  // The token could not be replaced: until it expires it may be given out, and the next attempt waits, the
  // longer the more time there is.
  void keep_serving(const Key& key, const Moment& now);

  // The requests whose tokens should be replaced before anybody has to wait for it, the most urgent first.
  // Drops what has expired. A request is named once until store() or keep_serving().
  [[nodiscard]] std::vector<token::TokenRequest> due_for_refresh(const Moment& now);

  // Drops tokens, all or those of one resource or identity (empty: any); returns how many.
  std::size_t flush(std::string_view resource, std::string_view identity);

  [[nodiscard]] std::size_t count() const {
    return entries_.size();
  }
  // How long ago the oldest of the tokens came; 0 without any.
  [[nodiscard]] std::chrono::nanoseconds oldest(BootTime now) const;
  [[nodiscard]] std::size_t bytes() const {
    return bytes_;
  }

 private:
  struct Entry {
    token::TokenRequest request;
    LivingToken living;
    BootTime received;
    std::chrono::nanoseconds serve_for;   // age up to which it is given out without asking
    std::chrono::nanoseconds refresh_at;  // age at which to replace it
    BootTime last_used;
    std::size_t bytes = 0;
    std::optional<TokenMemory::Place> place;  // in the memory
  };
  using Entries = std::list<Entry>;  // most recently used first

  [[nodiscard]] bool is_to_outlast() const {
    return settings_.cache && settings_.survive_restart;
  }
  std::optional<TokenMemory::Place> put(const TokenRecord& record);
  void take_over(TokenMemory::Found found, const Moment& now);
  void keep_or_wipe();
  void add(TokenRecord record, BootTime last_used, std::optional<TokenMemory::Place> place);
  Entry* find(const Key& key);
  void erase(Entries::iterator entry);
  void evict();
  void judge(Entry& entry);
  std::chrono::nanoseconds refresh_age(const Entry& entry);

  TokenMemory& memory_;
  Settings settings_;
  Entries entries_;
  std::unordered_map<Key, Entries::iterator, KeyHash> index_;  // keys refer to the entries
  std::size_t bytes_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace msi2imds::broker

// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace msi2imds::resolver {

// Items that wait, by key. The keys take turns with one item each, so that no key waits for the many items of
// another one.
template <typename Key, typename Item>
class FairQueue {
 public:
  void push(const Key& key, Item item) {
    std::deque<Item>& items = items_[key];
    if (items.empty()) {
      turns_.push_back(key);
    }
    items.push_back(std::move(item));
    ++size_;
  }

  // The next item, of the first key in turn for which `may_have_one` is true.
  template <typename MayHaveOne>
  [[nodiscard]] std::optional<std::pair<Key, Item>> pop_if(MayHaveOne may_have_one) {
    for (auto turn = turns_.begin(); turn != turns_.end(); ++turn) {
      const Key key = *turn;
      if (!may_have_one(key)) {
        continue;
      }
      turns_.erase(turn);
      const auto items = items_.find(key);
      Item item = std::move(items->second.front());
      items->second.pop_front();
      --size_;
      if (items->second.empty()) {
        items_.erase(items);
      } else {
        turns_.push_back(key);
      }
      return std::pair(key, std::move(item));
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::pair<Key, Item>> pop() {
    return pop_if([](const Key&) { return true; });
  }

  // How many items of one key wait.
  [[nodiscard]] std::size_t size_of(const Key& key) const {
    const auto items = items_.find(key);
    return items == items_.end() ? 0 : items->second.size();
  }
  [[nodiscard]] std::size_t size() const {
    return size_;
  }
  [[nodiscard]] bool empty() const {
    return size_ == 0;
  }

 private:
  std::map<Key, std::deque<Item>> items_;  // none of them empty
  std::deque<Key> turns_;                  // the next one first
  std::size_t size_ = 0;
};

}  // namespace msi2imds::resolver

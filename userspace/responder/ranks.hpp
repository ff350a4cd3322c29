// SPDX-License-Identifier: MIT
#pragma once

#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <tuple>

namespace msi2imds::responder {

// What somebody has.
struct Amounts {
  std::size_t places = 0;
  std::size_t idle_places = 0;
  std::size_t queued = 0;  // waiting for a place
  std::size_t input_bytes = 0;
};

// The orders in which owners and uids are kept: what includes them, and by what they are compared.
struct ByPlaces {
  static bool includes(const Amounts& amounts) {
    return amounts.places > 0;
  }
  static std::size_t rank(const Amounts& amounts) {
    return amounts.places;
  }
};
struct ByPlacesIfIdle : ByPlaces {
  static bool includes(const Amounts& amounts) {
    return amounts.idle_places > 0;
  }
};
struct ByPlacesIfQueued : ByPlaces {
  static bool includes(const Amounts& amounts) {
    return amounts.queued > 0;
  }
};
struct ByQueued {
  static bool includes(const Amounts& amounts) {
    return amounts.queued > 0;
  }
  static std::size_t rank(const Amounts& amounts) {
    return amounts.queued;
  }
};
struct ByInput {
  static bool includes(const Amounts& amounts) {
    return amounts.input_bytes > 0;
  }
  static std::size_t rank(const Amounts& amounts) {
    return amounts.input_bytes;
  }
};

template <typename Order>
using RankHook = boost::intrusive::set_base_hook<boost::intrusive::tag<Order>>;

struct Ranked : Amounts,
                RankHook<ByPlaces>,
                RankHook<ByPlacesIfIdle>,
                RankHook<ByPlacesIfQueued>,
                RankHook<ByQueued>,
                RankHook<ByInput> {};

// Items in all of these orders. Among equals, the first is the one whose amounts have not changed for
// longest.
template <typename Item>
class Ranks {
 public:
  // The amounts of what is in here must not change.
  void put(Item& item) {
    std::apply([&item](auto&... orders) { (orders.put(item), ...); }, orders_);
  }
  void take_out(Item& item) {
    std::apply([&item](auto&... orders) { (orders.take_out(item), ...); }, orders_);
  }
  // For changes that concern one order only.
  template <typename Order>
  void put_in(Item& item) {
    std::get<Ordered<Order>>(orders_).put(item);
  }
  template <typename Order>
  void take_out_of(Item& item) {
    std::get<Ordered<Order>>(orders_).take_out(item);
  }

  template <typename Order>
  [[nodiscard]] Item* most() {
    auto& items = std::get<Ordered<Order>>(orders_).items;
    return items.empty() ? nullptr : &*items.lower_bound(*items.rbegin());
  }
  template <typename Order>
  [[nodiscard]] Item* least() {
    auto& items = std::get<Ordered<Order>>(orders_).items;
    return items.empty() ? nullptr : &*items.begin();
  }

 private:
  template <typename Order>
  struct Less {
    bool operator()(const Item& one, const Item& other) const {
      return Order::rank(one) < Order::rank(other);
    }
  };
  template <typename Order>
  struct Ordered {
    void put(Item& item) {
      if (Order::includes(item)) {
        items.insert(item);
      }
    }
    void take_out(Item& item) {
      if (static_cast<RankHook<Order>&>(item).is_linked()) {
        items.erase(items.iterator_to(item));
      }
    }
    boost::intrusive::multiset<Item, boost::intrusive::base_hook<RankHook<Order>>,
                               boost::intrusive::compare<Less<Order>>,
                               boost::intrusive::constant_time_size<false>>
        items;
  };

  std::tuple<Ordered<ByPlaces>, Ordered<ByPlacesIfIdle>, Ordered<ByPlacesIfQueued>, Ordered<ByQueued>,
             Ordered<ByInput>>
      orders_;
};

}  // namespace msi2imds::responder

// SPDX-License-Identifier: MIT
#include "responder/shares.hpp"

#include <utility>

#include "responder/accept.hpp"

namespace msi2imds::responder {
namespace {

template <typename Item>
void count_idle(Ranks<Item>& ranks, Item& item, bool is_one_more) {
  if (is_one_more) {
    if (++item.idle_places == 1) {
      ranks.template put_in<ByPlacesIfIdle>(item);
    }
  } else if (--item.idle_places == 0) {
    ranks.template take_out_of<ByPlacesIfIdle>(item);
  }
}

// What is there for that key, made of what was taken out last where there is nothing yet: whoever comes alone
// would have it made anew each time.
template <typename Map>
typename Map::mapped_type& get_or_put(Map& map, std::uint32_t key, typename Map::node_type& spare) {
  const auto place = map.lower_bound(key);
  if (place != map.end() && place->first == key) {
    return place->second;
  }
  if (!spare) {
    return map.try_emplace(place, key)->second;
  }
  spare.key() = key;
  return map.insert(place, std::move(spare))->second;
}

}  // namespace

// Who waits for a place keeps himself alive.
Shares::~Shares() {
  while (take_next_in_queue()) {
  }
}

Share& Shares::share_of(const Holder& holder) {
  Owner& owner = get_or_put(owners_, holder.owner, spare_owner_);
  Share& share = get_or_put(owner.uids, holder.uid, spare_share_);
  share.owner = &owner;
  return share;
}

Share* Shares::find(const Holder& holder) {
  const auto owner = owners_.find(holder.owner);
  if (owner == owners_.end()) {
    return nullptr;
  }
  const auto share = owner->second.uids.find(holder.uid);
  return share == owner->second.uids.end() ? nullptr : &share->second;
}

// Applies `change` to the amounts of the uid, of its owner, and of all together.
template <typename Change>
void Shares::change(Share& share, const Holder& holder, const Change& change) {
  Owner& owner = *share.owner;
  owner.ranks.take_out(share);
  ranks_.take_out(owner);
  for (Amounts* amounts : {static_cast<Amounts*>(&share), static_cast<Amounts*>(&owner), &all_}) {
    change(*amounts);
  }
  if (share.places == 0 && share.queued == 0) {
    spare_share_ = owner.uids.extract(holder.uid);
    if (owner.uids.empty()) {
      spare_owner_ = owners_.extract(holder.owner);
      return;
    }
  } else {
    owner.ranks.put(share);
  }
  ranks_.put(owner);
}

void Shares::add(Sharer& sharer) {
  Share& share = share_of(sharer.holder_);
  sharer.share_ = &share;
  sharer.is_idle_ = true;
  share.idle.push_back(sharer);
  change(share, sharer.holder_, [](Amounts& amounts) {
    ++amounts.places;
    ++amounts.idle_places;
  });
}

void Shares::remove(Sharer& sharer) {
  Share* const share = std::exchange(sharer.share_, nullptr);
  if (share == nullptr) {
    return;
  }
  sharer.PlaceHook::unlink();
  sharer.InputHook::unlink();
  change(*share, sharer.holder_,
         [idle = std::size_t{sharer.is_idle_ ? 1U : 0U},
          bytes = std::exchange(sharer.input_bytes_, 0)](Amounts& amounts) {
           --amounts.places;
           amounts.idle_places -= idle;
           amounts.input_bytes -= bytes;
         });
}

void Shares::set_idle(Sharer& sharer) {
  set_idle(sharer, true);
}

void Shares::set_busy(Sharer& sharer) {
  set_idle(sharer, false);
}

void Shares::set_idle(Sharer& sharer, bool is_idle) {
  if (sharer.share_ == nullptr) {
    return;
  }
  Share& share = *sharer.share_;
  sharer.PlaceHook::unlink();
  (is_idle ? share.idle : share.busy).push_back(sharer);
  if (std::exchange(sharer.is_idle_, is_idle) != is_idle) {
    count_idle(share.owner->ranks, share, is_idle);
    count_idle(ranks_, *share.owner, is_idle);
  }
}

void Shares::set_input_bytes(Sharer& sharer, std::size_t bytes) {
  if (sharer.share_ == nullptr) {
    return;
  }
  const std::size_t had = std::exchange(sharer.input_bytes_, bytes);
  if (bytes == 0) {
    sharer.InputHook::unlink();
  } else if (had == 0) {
    sharer.share_->with_input.push_back(sharer);
  }
  change(*sharer.share_, sharer.holder_, [had, bytes](Amounts& amounts) {
    amounts.input_bytes += bytes - had;  // unsigned: a negative difference wraps, and the sum wraps back
  });
  while (all_.input_bytes > kMostInputBytes) {
    end(ranks_.most<ByInput>()->ranks.most<ByInput>()->with_input.front());
  }
}

// Whoever has most in that order, if he has more than `more` places beyond those of `holder`.
template <typename Order>
Share* Shares::biggest_for(const Holder& holder, std::size_t more) {
  const auto own = owners_.find(holder.owner);
  Owner* const owner = ranks_.most<Order>();
  if (own == owners_.end()) {
    return owner != nullptr && owner->places > more ? owner->ranks.template most<Order>() : nullptr;
  }
  if (owner != nullptr && owner->places > own->second.places + more) {
    return owner->ranks.template most<Order>();
  }
  Share* const share = own->second.ranks.template most<Order>();
  const auto of_uid = own->second.uids.find(holder.uid);
  const std::size_t places = of_uid == own->second.uids.end() ? 0 : of_uid->second.places;
  return share != nullptr && share->places > places + more ? share : nullptr;
}

bool Shares::has_less_than_others(const Holder& holder) {
  return biggest_for<ByPlaces>(holder, 0) != nullptr;
}

bool Shares::end_idle_for(const Holder& holder) {
  return end_idle_of(biggest_for<ByPlacesIfIdle>(holder, 0));
}

bool Shares::end_own_idle(const Holder& holder) {
  return end_idle_of(find(holder));
}

bool Shares::end_idle_of(Share* share) {
  if (share == nullptr) {
    return false;
  }
  std::size_t looked_at = 0;  // more cannot have unread input that came while a batch was accepted
  for (Sharer& oldest : share->idle) {
    if (!oldest.has_unread_input()) {
      end(oldest);
      return true;
    }
    if (++looked_at >= kAcceptBatch) {
      return false;
    }
  }
  return false;
}

bool Shares::end_busy_for(const Holder& holder) {
  Share* const biggest = biggest_for<ByPlaces>(holder, 1);
  if (biggest == nullptr) {
    return false;
  }
  end(biggest->busy.empty() ? biggest->idle.front() : biggest->busy.front());
  return true;
}

void Shares::end(Sharer& sharer) {
  remove(sharer);
  ++gave_way_;
  sharer.give_way();
}

void Shares::enqueue(std::shared_ptr<Sharer> sharer) {
  Sharer& last = *sharer;
  last.self_ = std::move(sharer);
  Share& share = share_of(last.holder_);
  share.queue.push_back(last);
  change(share, last.holder_, [](Amounts& amounts) { ++amounts.queued; });
}

std::shared_ptr<Sharer> Shares::take_next_in_queue() {
  Owner* const owner = ranks_.least<ByPlacesIfQueued>();
  return owner == nullptr ? nullptr : dequeue(owner->ranks.least<ByPlacesIfQueued>()->queue.front());
}

std::shared_ptr<Sharer> Shares::take_last_in_queue() {
  Owner* const owner = ranks_.most<ByQueued>();
  return owner == nullptr ? nullptr : dequeue(owner->ranks.most<ByQueued>()->queue.back());
}

std::shared_ptr<Sharer> Shares::dequeue(Sharer& sharer) {
  sharer.PlaceHook::unlink();
  change(*find(sharer.holder_), sharer.holder_, [](Amounts& amounts) { --amounts.queued; });
  return std::move(sharer.self_);
}

}  // namespace msi2imds::responder

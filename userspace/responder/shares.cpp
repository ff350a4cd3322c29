// SPDX-License-Identifier: MIT
#include "responder/shares.hpp"

namespace msi2imds::responder {
namespace {

// So many connections are accepted before those already there get their turn (listener.cpp).
constexpr int kMostUnread = 64;

}  // namespace

void Shares::add(Sharer& sharer) {
  Share& share = shares_[sharer.holder_];
  share.waiting.push_back(sharer);
  ++share.places;
  ++places_;
}

void Shares::remove(Sharer& sharer) {
  if (!sharer.is_linked()) {
    return;
  }
  const auto place = shares_.find(sharer.holder_);
  Share& share = place->second;
  sharer.unlink();
  --share.places;
  --places_;
  share.input_bytes -= sharer.input_bytes_;
  input_bytes_ -= sharer.input_bytes_;
  sharer.input_bytes_ = 0;
  if (share.places == 0) {
    shares_.erase(place);
  }
}

void Shares::set_waiting(Sharer& sharer) {
  if (sharer.is_linked()) {
    sharer.unlink();
    shares_[sharer.holder_].waiting.push_back(sharer);
  }
}

void Shares::set_busy(Sharer& sharer) {
  if (sharer.is_linked()) {
    sharer.unlink();
    shares_[sharer.holder_].busy.push_back(sharer);
  }
}

void Shares::set_input_bytes(Sharer& sharer, std::size_t bytes) {
  if (!sharer.is_linked()) {
    return;
  }
  Share& share = shares_[sharer.holder_];
  share.input_bytes += bytes - sharer.input_bytes_;  // what wraps around wraps back
  input_bytes_ += bytes - sharer.input_bytes_;
  sharer.input_bytes_ = bytes;
  while (input_bytes_ > kMostInputBytes && take_from(biggest(&Share::input_bytes))) {
  }
}

bool Shares::make_room() {
  return take_from(biggest(&Share::places));
}

// The owner who has most, and of his uids the one that has most.
Shares::Biggest Shares::biggest(Amount amount) {
  Biggest most;
  Biggest candidate;
  for (auto& [holder, share] : shares_) {
    if (candidate.share == nullptr || candidate.holder.owner != holder.owner) {
      candidate = {.holder = holder, .share = &share, .of_owner = 0};
    }
    candidate.of_owner += share.*amount;
    if (share.*amount > candidate.share->*amount) {
      candidate.holder = holder;
      candidate.share = &share;
    }
    if (candidate.of_owner > most.of_owner) {
      most = candidate;
    }
  }
  return most;
}

// Owners are compared first, and the uids of one owner with each other.
bool Shares::has_less_than_others(const Holder& holder) {
  const Biggest most = biggest(&Share::places);
  std::size_t of_owner = 0;
  std::size_t of_uid = 0;
  for (auto place = shares_.lower_bound({.owner = holder.owner, .uid = 0});
       place != shares_.end() && place->first.owner == holder.owner; ++place) {
    of_owner += place->second.places;
    of_uid += place->first == holder ? place->second.places : 0;
  }
  return holder.owner == most.holder.owner ? most.share != nullptr && of_uid < most.share->places
                                           : of_owner < most.of_owner;
}

bool Shares::take_from(const Biggest& biggest) {
  if (biggest.share == nullptr) {
    return false;
  }
  int looked_at = 0;
  for (Sharer& oldest : biggest.share->waiting) {
    if (!oldest.has_unread_input()) {
      remove(oldest);
      ++gave_way_;
      oldest.give_way();
      return true;
    }
    if (++looked_at >= kMostUnread) {
      return false;
    }
  }
  return false;
}

}  // namespace msi2imds::responder

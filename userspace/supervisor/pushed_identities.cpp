// SPDX-License-Identifier: MIT
#include "supervisor/pushed_identities.hpp"

namespace msi2imds::supervisor {

std::uint64_t PushedIdentities::push(control::Channel& channel, std::string_view identity) {
  const auto known = by_identity_.find(identity);
  if (known != by_identity_.end()) {
    pushed_.splice(pushed_.begin(), pushed_, known->second);
    return known->second->number;
  }
  if (identity.size() > control::kMostBody) {
    return 0;
  }
  make_room(channel, identity.size());
  control::Message message;
  message.kind = control::Kind::identity;
  message.number = ++last_number_;
  message.body = identity;
  (void)channel.send(message);  // a responder that does not take it is replaced
  pushed_.push_front({.number = last_number_, .identity = std::move(message.body)});
  by_identity_.emplace(pushed_.front().identity, pushed_.begin());
  bytes_ += identity.size();
  return last_number_;
}

std::uint64_t PushedIdentities::number_of(std::string_view identity) const {
  const auto known = by_identity_.find(identity);
  return known == by_identity_.end() ? 0 : known->second->number;
}

void PushedIdentities::make_room(control::Channel& channel, std::size_t bytes) {
  while (!pushed_.empty() && (pushed_.size() >= limits_.count || bytes_ + bytes > limits_.bytes)) {
    const Pushed& oldest = pushed_.back();
    control::Message message;
    message.kind = control::Kind::forget_identity;
    message.number = oldest.number;
    (void)channel.send(message);
    bytes_ -= oldest.identity.size();
    by_identity_.erase(oldest.identity);
    pushed_.pop_back();
  }
}

void PushedIdentities::start_anew() {
  by_identity_.clear();
  pushed_.clear();
  bytes_ = 0;
}

}  // namespace msi2imds::supervisor

// SPDX-License-Identifier: MIT
#include "broker/turns.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/spawn.hpp"

namespace msi2imds::broker {
namespace {

// IMDS counts arrivals, which a busy machine may push together: keep a tenth below the limit.
constexpr double kSafety = 0.9;

// The entry whose turn it is after the last one, in the order of their numbers.
template <typename Map>
typename Map::iterator following(Map& entries, std::uint32_t last) {
  const auto next = entries.upper_bound(last);
  return next == entries.end() ? entries.begin() : next;
}

}  // namespace

// How many wait, of whom so many are counted at most.
std::size_t Turns::Owner::count_up_to(std::size_t most) const {
  std::size_t count = 0;
  for (auto queue = queues.begin(); queue != queues.end() && count < most; ++queue) {
    count += queue->second.size();
  }
  return std::min(count, most);
}

Turns::Turns(asio::io_context& io, Clock& clock, TokenMemory& memory)
    : io_(io), clock_(clock), memory_(memory), next_start_(clock.steady()), wake_up_(clock.make_alarm()) {}

void Turns::go_on() {
  constexpr std::chrono::seconds kLongestSpacing{2};
  if (const std::optional<SteadyTime> noted = memory_.next_request()) {
    next_start_ = std::max(next_start_, std::min(*noted, clock_.steady() + kLongestSpacing));
  }
}

void Turns::configure(unsigned max_rate, unsigned max_in_flight) {
  spacing_ = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(1.0 / (std::max(max_rate, 1U) * kSafety)));
  max_in_flight_ = std::max(max_in_flight, 1U);
  wake_up_->ring();
}

void Turns::join(const std::shared_ptr<Ticket>& ticket, const Holder& asker) {
  if (ticket->askers_.insert(asker).second && ticket->waiting_) {
    queue_of(asker).push_back(ticket);
    wake_up_->ring();
  }
}

asio::awaitable<token::Turn> Turns::wait(std::shared_ptr<Ticket> ticket, token::Place place) {
  ticket->waiting_ = true;
  for (const Holder& asker : ticket->askers_) {
    put(queue_of(asker), ticket, place);
  }
  if (ticket->askers_.empty()) {
    put(refreshes_, ticket, place);
  }
  if (!giving_) {
    giving_ = true;
    spawn(io_, "hand out the turns to ask IMDS", give_turns());
  }
  while (ticket->waiting_) {
    co_await ticket->alarm_->wait_until(SteadyTime::max());
  }
  co_return std::exchange(ticket->turn_, nullptr);
}

void Turns::withdraw(Ticket& ticket) {
  ticket.waiting_ = false;
  ticket.alarm_->ring();
}

token::Turn Turns::take_turn() {
  ++in_flight_;
  return {this, [alive = std::weak_ptr<void>(alive_)](Turns* turns) {
            if (!alive.expired()) {
              --turns->in_flight_;
              turns->wake_up_->ring();
            }
          }};
}

void Turns::demote(const std::shared_ptr<Ticket>& ticket) {
  for (const Holder& asker : std::exchange(ticket->askers_, {})) {
    const auto owner = owners_.find(asker.owner);
    if (owner == owners_.end()) {
      continue;
    }
    auto& queues = owner->second.queues;
    const auto queue = queues.find(asker.uid);
    if (queue != queues.end() && std::erase(queue->second, ticket) > 0 && queue->second.empty()) {
      queues.erase(queue);
    }
    if (queues.empty()) {
      owners_.erase(owner);
    }
  }
  if (ticket->waiting_) {
    refreshes_.push_back(ticket);
  }
}

// Runs as long as somebody waits.
asio::awaitable<void> Turns::give_turns() {
  while (!owners_.empty() || !refreshes_.empty()) {
    if (in_flight_ >= max_in_flight_) {
      co_await wake_up_->wait_until(SteadyTime::max());
      continue;
    }
    const SteadyTime now = clock_.steady();
    if (now < next_start_) {
      co_await wake_up_->wait_until(next_start_);
      continue;
    }
    const std::shared_ptr<Ticket> ticket = next();
    if (!ticket) {
      continue;
    }
    next_start_ = now + spacing_;
    memory_.note_next_request(next_start_);
    ticket->turn_ = take_turn();
    withdraw(*ticket);
  }
  giving_ = false;
}

void Turns::put(Queue& queue, const std::shared_ptr<Ticket>& ticket, token::Place place) {
  queue.insert(place == token::Place::before ? queue.begin() : queue.end(), ticket);
}

// The first of a queue that still waits; a ticket in several queues is served from one of them.
std::shared_ptr<Turns::Ticket> Turns::pop(Queue& queue) {
  while (!queue.empty()) {
    std::shared_ptr<Ticket> ticket = std::move(queue.front());
    queue.pop_front();
    if (ticket->waiting_) {
      return ticket;
    }
  }
  return nullptr;
}

// One from each owner in turn.
std::shared_ptr<Turns::Ticket> Turns::next() {
  while (!owners_.empty()) {
    const auto owner = following(owners_, last_served_);
    last_served_ = owner->first;
    std::shared_ptr<Ticket> ticket = pop_next(owner->second);
    if (owner->second.queues.empty()) {
      owners_.erase(owner);
    }
    if (ticket) {
      return ticket;
    }
  }
  return pop(refreshes_);
}

// One from each of his uids in turn.
std::shared_ptr<Turns::Ticket> Turns::pop_next(Owner& owner) {
  while (!owner.queues.empty()) {
    const auto user = following(owner.queues, owner.last_served);
    owner.last_served = user->first;
    std::shared_ptr<Ticket> ticket = pop(user->second);
    if (user->second.empty()) {
      owner.queues.erase(user);
    }
    if (ticket) {
      return ticket;
    }
  }
  return nullptr;
}

// Until the asker's last one is served, any other uid of his owner is served as often at most, and only as
// often as it waits; and so it is with other owners.
std::chrono::milliseconds Turns::expected_wait(const Holder& asker) const {
  std::size_t before = 0;
  const auto own = owners_.find(asker.owner);
  if (own != owners_.end()) {
    const auto queue = own->second.queues.find(asker.uid);
    const std::size_t waiting = queue == own->second.queues.end() ? 0 : queue->second.size();
    before = waiting;
    for (const auto& [uid, other] : own->second.queues) {
      before += uid == asker.uid ? 0 : std::min(other.size(), waiting + 1);
    }
  }
  const std::size_t rounds = before + 1;  // of the owners, the asker's own turn among them
  for (const auto& [number, owner] : owners_) {
    before += number == asker.owner ? 0 : owner.count_up_to(rounds);
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(spacing_ * before);
}

}  // namespace msi2imds::broker

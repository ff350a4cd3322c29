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

}  // namespace

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

void Turns::join(const std::shared_ptr<Ticket>& ticket, std::uint32_t uid) {
  if (ticket->uids_.insert(uid).second && ticket->waiting_) {
    queues_[uid].push_back(ticket);
    wake_up_->ring();
  }
}

asio::awaitable<token::Turn> Turns::wait(std::shared_ptr<Ticket> ticket, token::Place place) {
  ticket->waiting_ = true;
  for (const std::uint32_t uid : ticket->uids_) {
    put(queues_[uid], ticket, place);
  }
  if (ticket->uids_.empty()) {
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
  for (const std::uint32_t uid : std::exchange(ticket->uids_, {})) {
    const auto queue = queues_.find(uid);
    if (queue == queues_.end()) {
      continue;
    }
    std::erase(queue->second, ticket);
    if (queue->second.empty()) {
      queues_.erase(queue);
    }
  }
  if (ticket->waiting_) {
    refreshes_.push_back(ticket);
  }
}

// Runs as long as somebody waits.
asio::awaitable<void> Turns::give_turns() {
  while (!queues_.empty() || !refreshes_.empty()) {
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

// One from each user in turn, in the order of their numbers.
std::shared_ptr<Turns::Ticket> Turns::next() {
  while (!queues_.empty()) {
    auto user = queues_.upper_bound(last_served_);
    if (user == queues_.end()) {
      user = queues_.begin();
    }
    last_served_ = user->first;
    std::shared_ptr<Ticket> ticket = pop(user->second);
    if (user->second.empty()) {
      queues_.erase(user);
    }
    if (ticket) {
      return ticket;
    }
  }
  return pop(refreshes_);
}

std::chrono::milliseconds Turns::expected_wait(std::uint32_t uid) const {
  const auto own = queues_.find(uid);
  const std::size_t ahead = own == queues_.end() ? 0 : own->second.size();
  const std::size_t users = queues_.size() + (own == queues_.end() ? 1 : 0);
  return std::chrono::duration_cast<std::chrono::milliseconds>(spacing_ * ahead * users);
}

}  // namespace msi2imds::broker

// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "base/clock.hpp"
#include "broker/token_memory.hpp"
#include "token/upstream.hpp"

namespace msi2imds::broker {

// Whose turn it is to ask IMDS. At most so many requests in any second, evenly spaced, and so many at a time.
// Users take turns, so that one who asks for endlessly many things delays only himself, under however many
// uids he does: first owners of uids take turns, then the uids of each. Refreshes come after all of them.
class Turns {
 public:
  // A place in the queue.
  class Ticket {
   public:
    explicit Ticket(std::unique_ptr<Alarm> alarm) : alarm_(std::move(alarm)) {}

   private:
    friend class Turns;
    std::unique_ptr<Alarm> alarm_;
    std::set<Holder> askers_;  // whose turns it may take
    bool waiting_ = false;
    token::Turn turn_;
  };

  // When the next turn is to be is noted in `memory`, which must outlive this.
  Turns(asio::io_context& io, Clock& clock, TokenMemory& memory);

  // Takes over what a process before this one has noted there.
  void go_on();

  void configure(unsigned max_rate, unsigned max_in_flight);

  // Waits for a turn, behind or before whatever else the ticket's askers wait for. Nothing: the ticket was
  // withdrawn. The turn may outlive this.
  asio::awaitable<token::Turn> wait(std::shared_ptr<Ticket> ticket, token::Place place);

  // Nobody needs the turn any more.
  static void withdraw(Ticket& ticket);

  // None of its askers waits for it any more: it comes after all who wait, like a refresh.
  void demote(const std::shared_ptr<Ticket>& ticket);

  // Lets a ticket, waiting now or later, also take that asker's turns.
  void join(const std::shared_ptr<Ticket>& ticket, const Holder& asker);

  // How long a new request of that asker would have to wait, roughly.
  [[nodiscard]] std::chrono::milliseconds expected_wait(const Holder& asker) const;

 private:
  using Queue = std::deque<std::shared_ptr<Ticket>>;
  struct Owner {
    std::map<std::uint32_t, Queue> queues;  // of his uids that wait
    std::uint32_t last_served = 0;

    [[nodiscard]] std::size_t count_up_to(std::size_t most) const;
  };

  asio::awaitable<void> give_turns();
  std::shared_ptr<Ticket> next();
  std::shared_ptr<Ticket> pop_next(Owner& owner);
  Queue& queue_of(const Holder& asker) {
    return owners_[asker.owner].queues[asker.uid];
  }
  static void put(Queue& queue, const std::shared_ptr<Ticket>& ticket, token::Place place);
  static std::shared_ptr<Ticket> pop(Queue& queue);
  token::Turn take_turn();

  asio::io_context& io_;
  Clock& clock_;
  TokenMemory& memory_;
  std::chrono::nanoseconds spacing_{};
  unsigned max_in_flight_ = 1;
  unsigned in_flight_ = 0;
  SteadyTime next_start_;
  std::map<std::uint32_t, Owner> owners_;  // who wait
  std::uint32_t last_served_ = 0;
  Queue refreshes_;
  std::unique_ptr<Alarm> wake_up_;
  bool giving_ = false;
  std::shared_ptr<void> alive_ = std::make_shared<char>();
};

}  // namespace msi2imds::broker

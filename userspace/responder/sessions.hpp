// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "responder/session.hpp"

namespace msi2imds::responder {

// All clients' connections, at most so many at a time. When there are as many, whoever has less than others
// takes the place of an idle connection of whoever has most of them, else one of some places more, else the
// place of one that is busy. Whoever has most himself waits until there is a place.
class Sessions {
 public:
  // Everything referred to must outlive the io_context's run().
  Sessions(asio::io_context& io, const Settings& settings, token::TokenSource& tokens);

  // From here on callers are known by the socket diagnosis, a NETLINK_SOCK_DIAG socket.
  void identify_callers_with(UniqueFd sock_diag) {
    services_.sock_diag.emplace(std::move(sock_diag));
  }

  // The same for a container's network.
  void identify_callers_with(std::uint64_t network, UniqueFd sock_diag) {
    services_.of_networks.emplace_back(network, netlink::SockDiag(std::move(sock_diag)));
  }
  void forget_network(std::uint64_t network) {
    std::erase_if(services_.of_networks, [network](const auto& one) { return one.first == network; });
  }

  // From here on whoever has called lately is known again by what the kernel notes of his connections in this
  // array, without a question; with none, nobody.
  void recognize_callers_by(UniqueFd noted_connections);

  [[nodiscard]] IdentityBook& callers() {
    return services_.callers;
  }
  [[nodiscard]] Warnings& warnings() {
    return services_.warnings;
  }
  [[nodiscard]] Recorder& recorder() {
    return services_.recorder;
  }

  // Serves accepted connections of one network until they end, each at once or once there is a place. All
  // clients are asked about before the first is served: what they send a moment after they have connected has
  // come by then.
  void take(std::vector<Arrived>& arrived);

  // Serves all who wait for a place: nobody comes after them.
  void serve_all_waiting();

  // No connection waits for another request any more.
  void close_when_idle();

  // No connection waits for a request any more, and no request for what is not known of its caller.
  void stop_waiting();

  // Ends all sessions, even in the middle of an answer.
  void close();

  // Returns once the last session has ended and what it did is recorded.
  asio::awaitable<void> wait_until_empty();

  // Whether a connection from `peer` in our own network is open here.
  [[nodiscard]] bool contains(const SocketAddress& peer) const;

  // How many may be accepted before the first of them is taken, which may close others.
  [[nodiscard]] std::size_t spare_descriptors() const {
    return services_.settings.spare_connections;
  }

  // Those that are served.
  [[nodiscard]] std::size_t count() const {
    return services_.shares.places();
  }
  // How many were closed, or not served at all, so that somebody else could be.
  [[nodiscard]] std::uint64_t gave_way() const {
    return services_.shares.gave_way() + turned_away_;
  }
  [[nodiscard]] std::uint64_t accepted() const {
    return accepted_;
  }

 private:
  void recognize(Arrived& one);
  void take(std::shared_ptr<Session> session);
  [[nodiscard]] bool find_place_for(const Holder& holder);
  void serve(std::shared_ptr<Session> session);
  void serve_waiting(std::size_t most);

  Services services_;
  std::vector<netlink::SockDiag::Ends> asked_;
  std::vector<std::shared_ptr<Session>> opened_;
  boost::intrusive::list<Session, boost::intrusive::constant_time_size<false>> sessions_;
  asio::steady_timer ended_;  // never fires: cancelled when a session ends
  std::size_t running_ = 0;   // with those that gave way and are not over yet
  std::uint64_t accepted_ = 0;
  std::uint64_t turned_away_ = 0;
  bool draining_ = false;
  bool is_serving_waiting_ = false;
};

}  // namespace msi2imds::responder

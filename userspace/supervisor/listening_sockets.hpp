// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"
#include "redirect/redirector.hpp"

namespace msi2imds::supervisor {

// The sockets that clients' connections wait in. They stay open across the responder's death.
class ListeningSockets {
 public:
  // `inherited` from the service manager are used where their address is wanted; those of another network
  // namespace, or that do not listen for TCP, are refused with a warning.
  explicit ListeningSockets(std::vector<UniqueFd> inherited);

  // A listening socket for each address, the ones already open again. IPv6 is left out on a host without it.
  [[nodiscard]] Result<std::vector<redirect::Listener>> open(const std::vector<SocketAddress>& addresses);

  // Those of `addresses` that open() left out and that can be had by now; listens there.
  [[nodiscard]] std::vector<SocketAddress> open_missing(const std::vector<SocketAddress>& addresses);

  // Listens anew where a socket does not accept any more, which whoever else holds it can bring about;
  // returns these addresses. One that cannot be had now is left to open_missing().
  [[nodiscard]] std::vector<SocketAddress> replace_dead();

  // The sockets to accept from: those of `listeners`, and whatever else on the loopback the service manager
  // holds for us. An earlier process may have led callers there, who must not wait for nobody.
  [[nodiscard]] std::vector<int> to_serve(const std::vector<redirect::Listener>& listeners) const;

  // Whether the service manager holds a socket on that address as well: connections wait there while we are
  // away.
  [[nodiscard]] bool is_held_by_others(const SocketAddress& address) const;
  [[nodiscard]] bool are_some_held_by_others() const;

  // Whether a successor can take over what leads to `listeners`. Whoever dials ::1 where nobody holds that
  // socket, as where systemd began without IPv6, is refused until then, redirected or not: no reason to
  // refuse everybody.
  [[nodiscard]] bool can_be_handed_over(const std::vector<redirect::Listener>& listeners) const;

  // Closes what is not in `wanted`.
  void keep_only(const std::vector<redirect::Listener>& wanted);

  void close_all() {
    sockets_.clear();
  }

  // For failing open. Those that the service manager holds as well are kept for later.
  void close_own();

  // Ends the connections that wait to be accepted.
  void turn_callers_away() const;

 private:
  struct Socket {
    SocketAddress address;
    UniqueFd fd;
    bool inherited = false;
  };
  [[nodiscard]] const Socket* find(const SocketAddress& address) const;

  std::vector<Socket> sockets_;
  bool ipv6_was_missed_ = false;  // logged once
};

}  // namespace msi2imds::supervisor

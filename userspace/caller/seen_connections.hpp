// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"
#include "caller/clues.hpp"

struct seen_connection;

namespace msi2imds::caller {

// What an acceptor knows of a connection. None of it is a proof: a client can have the same port again, and
// choose its first sequence number (by AF_UNSPEC, and over a port in TIME_WAIT).
struct Handshake {
  SocketAddress client;
  SocketAddress server;              // as the client sees it
  std::uint32_t first_sequence = 0;  // of the client's SYN
};

struct SeenConnection {
  Clues clues;  // who dialled; his agreement with the socket is one of those that join() tells
  SocketAddress dialled;
};

// The kernel's notes of who dialled the last thousand connections to the legacy ports. Looking takes no
// system call. A note is about the connection that was accepted for the reasons that docs/ARCHITECTURE.md
// has: each is good once, and for a second.
class SeenConnections {
 public:
  // Maps the observer's array, which stays the observer's to fill; what is noted already is good for nobody.
  // Fails where it is none.
  static Result<SeenConnections> map(const UniqueFd& array);

  // The note of what has just been accepted. Nothing where the observer has seen nothing of it, or others
  // since whose notes take the same place.
  [[nodiscard]] std::optional<SeenConnection> take(const Handshake& connection);

  // From here on a note of that port is good for nobody: whose connection was accepted is not known well
  // enough.
  void drop(std::uint16_t client_port);

 private:
  struct Unmap {
    void operator()(const seen_connection* first) const noexcept;
  };
  using Slots = std::unique_ptr<const seen_connection, Unmap>;

  explicit SeenConnections(Slots slots);

  Slots slots_;
  std::vector<std::uint64_t> taken_;  // of each slot the version up to which it is good for nobody
};

}  // namespace msi2imds::caller

// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds {

inline void require(bool success, const char* what) {
  if (!success) {
    throw std::system_error(errno, std::generic_category(), what);
  }
}

inline UniqueFd tcp_socket(int family, int flags = 0) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  require(static_cast<bool>(fd), "socket");
  return fd;
}

// A socket that listens on a free port of `address`.
inline UniqueFd listen_on(const char* address, int backlog = 8) {
  const auto wanted = *SocketAddress::parse(address, 0);
  UniqueFd fd = tcp_socket(wanted.family());
  require(::bind(fd.get(), wanted.get(), wanted.size()) == 0, "bind");
  require(::listen(fd.get(), backlog) == 0, "listen");
  return fd;
}

// A client and the server that accepted it, with the addresses that the server knows.
struct LoopbackConnection {
  // `listen_address` and `dialled_address` are literals.
  explicit LoopbackConnection(const char* listen_address = "127.0.0.1", const char* dialled_address = nullptr)
      : listener(listen_on(listen_address)) {
    const auto dialled = *SocketAddress::parse(dialled_address != nullptr ? dialled_address : listen_address,
                                               SocketAddress::local_of(listener.get())->port());
    client = tcp_socket(dialled.family());
    connect_client(dialled);
  }

  // Dials with a socket that the caller has prepared.
  explicit LoopbackConnection(UniqueFd prepared_client)
      : listener(listen_on("127.0.0.1")), client(std::move(prepared_client)) {
    connect_client(*SocketAddress::local_of(listener.get()));
  }

  UniqueFd listener;
  UniqueFd client;
  UniqueFd accepted;
  SocketAddress peer;
  SocketAddress local;

 private:
  void connect_client(const SocketAddress& address) {
    require(::connect(client.get(), address.get(), address.size()) == 0, "connect");
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    accepted =
        UniqueFd(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&storage), &size, SOCK_CLOEXEC));
    require(static_cast<bool>(accepted), "accept");
    peer = SocketAddress::from_sockaddr(storage, size);
    local = *SocketAddress::local_of(accepted.get());
  }
};

}  // namespace msi2imds

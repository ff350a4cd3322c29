// SPDX-License-Identifier: MIT
#include "supervisor/listening_sockets.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "base/network_namespace.hpp"
#include "supervisor/listen_on.hpp"
#include "supervisor/still_accepts.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::string_view kTakenHint =
    " (another program listens there: `msi2imds doctor` says which; redirect.listen_port may be any port "
    "below 1024 that is free)";

int int_option(int socket, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(socket, level, name, &value, &size) == 0 ? value : -1;
}

bool is_of_our_namespace(int socket) {
  const UniqueFd own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return !own || namespace_cookie_of(socket) == namespace_cookie_of(own.get());
}

// Why an inherited descriptor is of no use, or nullptr.
const char* fault_of(int socket) {
  if (int_option(socket, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP ||
      int_option(socket, SOL_SOCKET, SO_ACCEPTCONN) != 1) {
    return "it is no listening TCP socket";
  }
  if (!is_of_our_namespace(socket)) {
    return "it belongs to another network namespace";
  }
  return nullptr;
}

bool is_on_loopback(const SocketAddress& address) {
  return address == SocketAddress::ipv4_loopback(address.port()) ||
         address == SocketAddress::ipv6_loopback(address.port());
}

bool is_missing_ipv6(const SocketAddress& address, int err) {
  return address.family() == AF_INET6 && (err == EADDRNOTAVAIL || err == EAFNOSUPPORT);
}

// Whether a socket that was shut down can listen on its address again. The kernel may have freed a port that
// it had chosen itself: then the socket would listen on another one.
bool listens_again(int socket, const SocketAddress& address) {
  if (::listen(socket, kBacklog) != 0 || !still_accepts(socket)) {
    return false;
  }
  const Result<SocketAddress> now = SocketAddress::local_of(socket);
  return now && *now == address;
}

}  // namespace

ListeningSockets::ListeningSockets(std::vector<UniqueFd> inherited) {
  for (UniqueFd& fd : inherited) {
    const Result<SocketAddress> address = SocketAddress::local_of(fd.get());
    if (!address) {
      log::warn("ignored inherited descriptor {}: {}", fd.get(), address.error().message());
    } else if (const char* fault = fault_of(fd.get()); fault != nullptr) {
      log::warn("ignored the inherited socket on {}: {}", address->to_string(), fault);
    } else {
      (void)::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
      prepare_to_accept(fd.get());
      sockets_.push_back({.address = *address, .fd = std::move(fd), .inherited = true});
    }
  }
}

const ListeningSockets::Socket* ListeningSockets::find(const SocketAddress& address) const {
  const auto found = std::find_if(sockets_.begin(), sockets_.end(),
                                  [&address](const Socket& socket) { return socket.address == address; });
  return found == sockets_.end() ? nullptr : &*found;
}

Result<std::vector<redirect::Listener>> ListeningSockets::open(const std::vector<SocketAddress>& addresses) {
  std::vector<redirect::Listener> listeners;
  for (const SocketAddress& address : addresses) {
    if (find(address) == nullptr) {
      Result<UniqueFd> fd = listen_on(address);
      if (!fd && is_missing_ipv6(address, fd.error().code().value())) {
        if (!std::exchange(ipv6_was_missed_, true)) {
          log::info("nobody listens on {}: this host has no IPv6 loopback address", address.to_string());
        }
        continue;
      }
      if (!fd && fd.error().code() == boost::system::errc::address_in_use) {
        return Error(fd.error().code(), "listen on " + address.to_string() + std::string(kTakenHint));
      }
      if (!fd) {
        return fd.error();
      }
      sockets_.push_back({.address = address, .fd = std::move(*fd)});
    }
    listeners.push_back({.address = address, .fd = find(address)->fd.get()});
  }
  return listeners;
}

std::vector<SocketAddress> ListeningSockets::open_missing(const std::vector<SocketAddress>& addresses) {
  std::vector<SocketAddress> opened;
  for (const SocketAddress& address : addresses) {
    if (find(address) != nullptr) {
      continue;
    }
    if (Result<UniqueFd> fd = listen_on(address); fd) {
      sockets_.push_back({.address = address, .fd = std::move(*fd)});
      opened.push_back(address);
      ipv6_was_missed_ = false;
    }
  }
  return opened;
}

std::vector<SocketAddress> ListeningSockets::replace_dead() {
  std::vector<SocketAddress> dead;
  for (Socket& socket : sockets_) {
    if (still_accepts(socket.fd.get())) {
      continue;
    }
    dead.push_back(socket.address);
    // The service manager has the same socket, and gives it to the next process.
    if (socket.inherited && listens_again(socket.fd.get(), socket.address)) {
      continue;
    }
    socket.fd.reset();
    socket.inherited = false;
    if (Result<UniqueFd> fd = listen_on(socket.address); fd) {
      socket.fd = std::move(*fd);
    } else {
      log::error("cannot {}", fd.error().message());
    }
  }
  std::erase_if(sockets_, [](const Socket& socket) { return !socket.fd; });
  return dead;
}

std::vector<int> ListeningSockets::to_serve(const std::vector<redirect::Listener>& listeners) const {
  std::vector<int> all;
  all.reserve(listeners.size() + sockets_.size());
  for (const redirect::Listener& listener : listeners) {
    all.push_back(listener.fd);
  }
  for (const Socket& socket : sockets_) {
    if (socket.inherited && is_on_loopback(socket.address) &&
        std::find(all.begin(), all.end(), socket.fd.get()) == all.end()) {
      all.push_back(socket.fd.get());
    }
  }
  return all;
}

bool ListeningSockets::is_held_by_others(const SocketAddress& address) const {
  const Socket* socket = find(address);
  return socket != nullptr && socket->inherited;
}

bool ListeningSockets::are_some_held_by_others() const {
  return std::any_of(sockets_.begin(), sockets_.end(), [](const Socket& socket) { return socket.inherited; });
}

bool ListeningSockets::can_be_handed_over(const std::vector<redirect::Listener>& listeners) const {
  const auto is_held = [this](const redirect::Listener& listener) {
    return is_held_by_others(listener.address);
  };
  const auto may_go = [&is_held](const redirect::Listener& listener) {
    return is_held(listener) || listener.address.family() == AF_INET6;
  };
  return std::ranges::all_of(listeners, may_go) && std::ranges::any_of(listeners, is_held);
}

void ListeningSockets::keep_only(const std::vector<redirect::Listener>& wanted) {
  std::erase_if(sockets_, [&wanted](const Socket& socket) {
    return !socket.inherited &&
           std::none_of(wanted.begin(), wanted.end(), [&socket](const redirect::Listener& listener) {
             return listener.fd == socket.fd.get();
           });
  });
}

void ListeningSockets::close_own() {
  std::erase_if(sockets_, [](const Socket& socket) { return !socket.inherited; });
}

void ListeningSockets::turn_callers_away() const {
  for (const Socket& socket : sockets_) {
    int caller = -1;
    while ((caller = ::accept4(socket.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      ::close(caller);
    }
  }
}

}  // namespace msi2imds::supervisor

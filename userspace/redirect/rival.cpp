// SPDX-License-Identifier: MIT
#include "redirect/rival.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "netlink/tcp_sockets.hpp"
#include "redirect/errors.hpp"

namespace msi2imds::redirect {
namespace {

// The inodes of all that this process has open.
std::set<ino_t> own_inodes() {
  std::set<ino_t> inodes;
  std::error_code ec;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", ec), end; !ec && entry != end;
       entry.increment(ec)) {
    struct stat open {};
    if (::stat(entry->path().c_str(), &open) == 0) {
      inodes.insert(open.st_ino);
    }
  }
  return inodes;
}

}  // namespace

Result<bool> does_another_listen_on(std::uint16_t port) {
  const auto listening = netlink::listening_sockets();
  if (!listening) {
    return listening.error();
  }
  const std::set<ino_t> own = own_inodes();
  return std::ranges::any_of(*listening, [&own, port](const netlink::TcpSocket& socket) {
    return socket.local == SocketAddress::ipv4_loopback(port) && !own.contains(socket.socket.inode);
  });
}

asio::awaitable<bool> serves_others(NatRules& rules, std::uint16_t listen_port) {
  const Result<std::optional<std::uint16_t>> port = co_await rules.port_of_others();
  if (!port || !port->has_value() || **port == listen_port) {
    co_return false;
  }
  const Result<bool> is_served = does_another_listen_on(**port);
  co_return is_served ? *is_served : false;
}

Error rival_error() {
  return {Errc::rival, "put rules"};
}

}  // namespace msi2imds::redirect

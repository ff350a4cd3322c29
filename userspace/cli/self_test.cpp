// SPDX-License-Identifier: MIT
#include "cli/self_test.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "admin/client.hpp"
#include "admin/status.hpp"
#include "base/unique_fd.hpp"
#include "cli/cgroup_visit.hpp"
#include "netlink/conntrack.hpp"

namespace msi2imds::cli {
namespace {

// A firewall that is reloaded may drop the first packet, which Linux sends again after a second.
constexpr std::chrono::milliseconds kConnectTime{2000};
constexpr std::chrono::milliseconds kArrivalTime{1000};
constexpr std::chrono::milliseconds kSelfTestTime{1000};
constexpr std::chrono::milliseconds kAskAgain{20};

bool is_missing_ipv6(const SocketAddress& address, int err) {
  return address.family() == AF_INET6 && (err == EADDRNOTAVAIL || err == EAFNOSUPPORT || err == ENETUNREACH);
}

Result<UniqueFd> dial(const SocketAddress& address) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd) {
    return Error::from_errno(errno, "make a socket");
  }
  if (::connect(fd.get(), address.get(), address.size()) == 0) {
    return fd;
  }
  int err = errno;
  if (err == EINPROGRESS) {
    pollfd writable{.fd = fd.get(), .events = POLLOUT, .revents = 0};
    socklen_t size = sizeof err;
    if (::poll(&writable, 1, static_cast<int>(kConnectTime.count())) != 1) {
      err = ETIMEDOUT;
    } else if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &err, &size) != 0) {
      err = errno;
    }
  }
  if (err != 0) {
    return Error::from_errno(err, "connect");
  }
  return fd;
}

// As whom the responder may see the client: NAT gives it another port where another client of that port is
// served already. Only root learns of it. What was dialled may have been replaced before NAT.
std::vector<SocketAddress> peers_of(const SocketAddress& own, const SocketAddress& dialled,
                                    std::uint16_t listen_port) {
  std::vector<SocketAddress> peers = {own};
  const SocketAddress replaced = dialled.family() == AF_INET6 ? SocketAddress::ipv6_loopback(listen_port)
                                                              : SocketAddress::ipv4_loopback(listen_port);
  for (const SocketAddress& server : {dialled, replaced}) {
    const auto end = netlink::servers_end(own, server);
    if (end && !(end->remote == own)) {
      peers.push_back(end->remote);
    }
  }
  return peers;
}

Result<bool> has_arrived(const SocketAddress& peer, const std::string& admin_socket) {
  const std::string target = std::string(admin::kArrivedTarget) + peer.to_string();
  const Result<std::string> answer = admin::get(admin_socket, target, kSelfTestTime);
  return answer ? Result<bool>(answer->find("true") != std::string::npos) : answer.error();
}

SelfTest follow(const SocketAddress& dialled, const UniqueFd& connection, std::uint16_t listen_port,
                const std::string& admin_socket) {
  SelfTest test{.dialled = dialled, .arrived = false, .failure = {}};
  const Result<SocketAddress> own = SocketAddress::local_of(connection.get());
  if (!own) {
    test.failure = "cannot " + own.error().message();
    return test;
  }
  const std::vector<SocketAddress> peers = peers_of(*own, dialled, listen_port);
  const auto deadline = std::chrono::steady_clock::now() + kArrivalTime;
  do {
    for (const SocketAddress& peer : peers) {
      const Result<bool> arrived = has_arrived(peer, admin_socket);
      if (!arrived) {
        test.failure = "cannot " + arrived.error().message();
        return test;
      }
      if (*arrived) {
        test.arrived = true;
        return test;
      }
    }
    std::this_thread::sleep_for(kAskAgain);
  } while (std::chrono::steady_clock::now() < deadline);
  test.failure = "connected, but not to msi2imds";
  return test;
}

std::optional<SelfTest> dial_and_follow(const SocketAddress& address, std::uint16_t listen_port,
                                        const std::string& admin_socket) {
  const Result<UniqueFd> connection = dial(address);
  if (connection) {
    return follow(address, *connection, listen_port, admin_socket);
  }
  if (is_missing_ipv6(address, connection.error().code().value())) {
    return std::nullopt;
  }
  return SelfTest{.dialled = address, .arrived = false, .failure = "cannot " + connection.error().message()};
}

}  // namespace

std::vector<SelfTest> dial_legacy_ports(const SelfTestPlan& plan, const std::string& admin_socket) {
  const CgroupVisit visit(plan.cgroup);
  std::vector<SelfTest> tests;
  for (const std::uint16_t port : plan.ports) {
    for (const SocketAddress& address :
         {SocketAddress::ipv4_loopback(port), SocketAddress::ipv6_loopback(port)}) {
      if (address.family() == AF_INET6 && !plan.with_ipv6) {
        continue;
      }
      if (auto test = dial_and_follow(address, plan.listen_port, admin_socket); test) {
        tests.push_back(std::move(*test));
      }
    }
  }
  return tests;
}

}  // namespace msi2imds::cli

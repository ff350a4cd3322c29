// SPDX-License-Identifier: MIT
#include "doctor/ports.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/text.hpp"
#include "doctor/files.hpp"
#include "doctor/processes.hpp"
#include "netlink/tcp_sockets.hpp"
#include "resolver/holders.hpp"
#include "waagent/process.hpp"

namespace msi2imds::doctor {
namespace {

constexpr const char* kPortsCheck = "ports";

using netlink::TcpSocket;

struct Sockets {
  std::vector<TcpSocket> listening;
  std::vector<TcpSocket> connected;
  resolver::SocketHolders holders;
};

// Whether a client that dials a loopback address may end there.
bool reaches_loopback(const SocketAddress& address) {
  if (address.family() == AF_INET) {
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, address.get(), sizeof ipv4);
    const std::uint32_t number = ntohl(ipv4.sin_addr.s_addr);
    return number == INADDR_ANY || (number >> 24U) == 127;
  }
  sockaddr_in6 ipv6{};
  std::memcpy(&ipv6, address.get(), sizeof ipv6);
  return IN6_IS_ADDR_UNSPECIFIED(&ipv6.sin6_addr) || IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr) ||
         (IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr) && ipv6.sin6_addr.s6_addr[12] == 127);
}

Result<Sockets> read_sockets(const Host& host) {
  auto listening = netlink::listening_sockets();
  auto connected = netlink::connected_sockets();
  if (!listening || !connected) {
    return listening ? connected.error() : listening.error();
  }
  Sockets sockets{.listening = std::move(*listening), .connected = std::move(*connected), .holders = {}};
  std::erase_if(sockets.listening, [&host](const TcpSocket& socket) {
    const std::uint16_t port = socket.local.port();
    return !reaches_loopback(socket.local) ||
           !(is_legacy_port(host, port) || port == host.config.redirect.listen_port);
  });
  std::erase_if(sockets.connected,
                [&host](const TcpSocket& socket) { return !is_legacy_port(host, socket.local.port()); });
  std::set<ino_t> inodes;
  for (const auto* some : {&sockets.listening, &sockets.connected}) {
    for (const TcpSocket& socket : *some) {
      inodes.insert(socket.socket.inode);
    }
  }
  inodes.erase(0);
  if (!inodes.empty()) {
    sockets.holders = resolver::find_holders(host.root.proc, std::nullopt, inodes);
  }
  return sockets;
}

enum class Holder { unknown, msi2imds, service_manager, extension, somebody };

// Anybody may call a process by our name: only root's sockets count.
Holder holder_of(const Host& host, const Sockets& sockets, const TcpSocket& socket) {
  const auto found = sockets.holders.find(socket.socket.inode);
  if (found == sockets.holders.end()) {
    return Holder::unknown;
  }
  for (const auto& [pid, fd] : found->second) {
    const std::string comm = read_text(host.root.proc + "/" + std::to_string(pid) + "/comm", 64);
    const bool is_roots = socket.socket.uid == 0;
    if (is_roots && trim(comm) == "msi2imds") {
      return Holder::msi2imds;
    }
    if (is_roots && trim(comm) == waagent::kProcessName) {
      return Holder::extension;
    }
    if (is_roots && pid == 1 && has_unit_file(host.root, "msi2imds.socket")) {
      return Holder::service_manager;
    }
  }
  return Holder::somebody;
}

std::string describe_holders(const Host& host, const Sockets& sockets, const TcpSocket& socket) {
  const auto found = sockets.holders.find(socket.socket.inode);
  if (found == sockets.holders.end() || found->second.empty()) {
    return "somebody";
  }
  const std::string more =
      found->second.size() > 1 ? " and " + std::to_string(found->second.size() - 1) + " more" : "";
  return describe_process(host.root.proc, found->second.front().pid) + more;
}

Finding unknown_holder(const Host& host, const std::string& address) {
  return not_seen(host, kPortsCheck, "Somebody listens on " + address + "; it is not known which process.",
                  "Look into the machine's containers, whose processes may stay unseen.");
}

Finding on_legacy_port(const Host& host, const Sockets& sockets, const TcpSocket& socket) {
  const std::string address = socket.local.to_string();
  switch (holder_of(host, sockets, socket)) {
    case Holder::msi2imds:
    case Holder::service_manager:
      return ok(kPortsCheck, "Msi2imds listens on " + address + ".");
    case Holder::extension:
      return ok(kPortsCheck, "The extension listens on " + address + ".");
    case Holder::unknown:
      return unknown_holder(host, address);
    case Holder::somebody:
      break;
  }
  return error(
      kPortsCheck,
      describe_holders(host, sockets, socket) + " listens on " + address + ", and is not the extension.",
      "Find out whether it is needed there: msi2imds would take over its connections. If the port is none of "
      "the extension's, set legacy.ports.");
}

// systemd cannot open the sockets of the unit while the port is taken, and the service does not start without
// them.
std::string how_to_listen_elsewhere(const Host& host) {
  const std::string elsewhere = "end it, or set redirect.listen_port to a port below 1024 that is free";
  return has_unit_file(host.root, "msi2imds.socket")
             ? "Either " + elsewhere +
                   " and ListenStream= of msi2imds.socket as well (docs/units.md, \"Another port\")."
             : "Either " + elsewhere + ".";
}

Finding on_listen_port(const Host& host, const Sockets& sockets, const TcpSocket& socket) {
  const std::string address = socket.local.to_string();
  switch (holder_of(host, sockets, socket)) {
    case Holder::msi2imds:
      return ok(kPortsCheck, "Msi2imds listens on " + address + " (redirect.listen_port).");
    case Holder::service_manager:
      return ok(kPortsCheck,
                "The service manager holds " + address + " (redirect.listen_port) for msi2imds.");
    case Holder::unknown:
      return unknown_holder(host, address);
    case Holder::extension:
    case Holder::somebody:
      break;
  }
  return error(kPortsCheck,
               describe_holders(host, sockets, socket) + " listens on " + address +
                   ", where msi2imds wants to listen.",
               how_to_listen_elsewhere(host));
}

// A port on which somebody listens is that of the accepted connections, too.
bool is_listened_on(const Sockets& sockets, std::uint16_t port) {
  return std::ranges::any_of(sockets.listening,
                             [port](const TcpSocket& socket) { return socket.local.port() == port; });
}

void add_outgoing(const Host& host, const Sockets& sockets, Findings& findings) {
  for (const TcpSocket& socket : sockets.connected) {
    if (is_listened_on(sockets, socket.local.port()) ||
        holder_of(host, sockets, socket) != Holder::somebody) {
      continue;
    }
    findings.push_back(warning(kPortsCheck,
                               "An outgoing connection of " + describe_holders(host, sockets, socket) +
                                   " has " + socket.local.to_string() + " as its own end, a legacy port.",
                               "This ends with the connection; while msi2imds runs, it reserves the port, so "
                               "that it does not happen again."));
  }
}

std::string list_of(const std::vector<std::uint16_t>& ports) {
  std::string text;
  for (const std::uint16_t port : ports) {
    text += (text.empty() ? "" : ", ") + std::to_string(port);
  }
  return text;
}

}  // namespace

Findings check_ports(const Host& host) {
  const Result<Sockets> sockets = read_sockets(host);
  if (!sockets) {
    return {warning(kPortsCheck, "Cannot see who listens: " + sockets.error().message() + ".",
                    "The kernel needs tcp_diag (CONFIG_INET_TCP_DIAG).")};
  }
  Findings findings;
  for (const TcpSocket& socket : sockets->listening) {
    findings.push_back(is_legacy_port(host, socket.local.port()) ? on_legacy_port(host, *sockets, socket)
                                                                 : on_listen_port(host, *sockets, socket));
  }
  const bool is_free = std::ranges::none_of(
      host.config.legacy.ports, [&sockets](std::uint16_t port) { return is_listened_on(*sockets, port); });
  if (is_free) {
    findings.push_back(
        ok(kPortsCheck, "Nobody listens on the legacy ports (" + list_of(host.config.legacy.ports) + ")."));
  }
  add_outgoing(host, *sockets, findings);
  return findings;
}

Findings check_port_of_extension(const Host& host, const std::string& backend) {
  const Result<Sockets> sockets = backend == "listen" ? read_sockets(host) : Result<Sockets>(Sockets());
  if (!sockets) {
    return {};  // check_ports() tells
  }
  for (const TcpSocket& socket : sockets->listening) {
    if (is_legacy_port(host, socket.local.port()) && holder_of(host, *sockets, socket) == Holder::extension) {
      return {
          error(kPortsCheck,
                "The extension has " + socket.local.to_string() +
                    ", where msi2imds itself has to listen with listen: it cannot start meanwhile.",
                "Stop the extension right before msi2imds is started (docs/MIGRATION.md, \"Where only listen "
                "works\").")};
    }
  }
  return {};
}

}  // namespace msi2imds::doctor

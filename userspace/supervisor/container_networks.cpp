// SPDX-License-Identifier: MIT
#include "supervisor/container_networks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "admin/shortcoming.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"
#include "loader/cgroup.hpp"
#include "netlink/link_events.hpp"
#include "netlink/sock_diag.hpp"
#include "policy/pattern.hpp"
#include "supervisor/listen_on.hpp"
#include "supervisor/still_accepts.hpp"

namespace msi2imds::supervisor {
namespace {

// Which a responder is given at its start, without waiting for it to take some: control::Outbox keeps 512.
constexpr std::size_t kMostPassedOn = 384;
constexpr std::chrono::milliseconds kInterval{1000};
// A device of a container's network is there before its first process: then it is looked for quickly.
constexpr std::chrono::milliseconds kQuickInterval{100};
constexpr int kQuickLooks = 20;

constexpr std::string_view kRemedy =
    " (systemd lets the service do so with CapabilityBoundingSet=CAP_SYS_ADMIN and RestrictNamespaces=net in "
    "a drop-in, and a restart: docs/CONTAINERS.md)";

std::vector<SocketAddress> addresses_of(const config::Legacy& wanted) {
  std::vector<SocketAddress> addresses;
  for (const std::uint16_t port : wanted.ports) {
    addresses.push_back(SocketAddress::ipv4_loopback(port));
    addresses.push_back(SocketAddress::ipv6_loopback(port));
  }
  return addresses;
}

std::size_t descriptors_of_network(const config::Legacy& wanted) {
  return addresses_of(wanted).size() + 1;
}

std::size_t most_networks(const config::Legacy& wanted) {
  return kMostPassedOn / descriptors_of_network(wanted);
}

// Such an address may come later, as a network is made step by step.
bool is_no_address(const Error& error) {
  const int err = error.code().value();
  return err == EADDRNOTAVAIL || err == EAFNOSUPPORT;
}

std::string cannot_serve(const std::string& container, const Error& why) {
  return fmt::format("cannot serve container {} in its own network: {}", container, why.message());
}

}  // namespace

ContainerNetworks::ContainerNetworks(asio::io_context& io, IdentityService& identities,
                                     FindChannel find_channel)
    : io_(io), names_(identities), find_channel_(std::move(find_channel)), timer_(io) {}

std::size_t ContainerNetworks::descriptors(const config::Legacy& wanted) {
  return wanted.container_networks.empty() ? 0 : most_networks(wanted) * descriptors_of_network(wanted);
}

void ContainerNetworks::follow(const config::Legacy& wanted) {
  if (wanted.container_networks.empty()) {
    close();
    return;
  }
  if (wanted == wanted_ && shortcoming_.empty()) {
    return;
  }
  ++turn_;
  if (wanted.ports != wanted_.ports) {
    leave_all();
  }
  wanted_ = wanted;
  if (const Result<void> may = may_enter_networks(); !may) {
    leave_all();
    report("cannot " + may.error().message() + std::string(kRemedy));
    return;
  }
  Result<UniqueFd> root = loader::open_cgroup("/");
  if (!root) {
    leave_all();
    report("cannot " + root.error().message());
    return;
  }
  cgroup_root_ = std::move(*root);
  if (!events_) {
    if (Result<UniqueFd> events = netlink::open_link_events(); events) {
      events_ = std::make_shared<asio::posix::stream_descriptor>(io_, events->release());
      spawn(io_, "listen for network devices", listen_for_devices(events_));
    }
  }
  timer_.cancel();
  spawn(io_, "serve containers in their networks", keep(turn_));
}

void ContainerNetworks::close() {
  ++turn_;
  timer_.cancel();
  if (events_) {
    boost::system::error_code ignored;
    events_->close(ignored);
    events_.reset();
  }
  leave_all();
  names_.forget();
  wanted_ = {};
  shortcoming_.clear();
  cgroup_root_.reset();
}

asio::awaitable<void> ContainerNetworks::keep(std::uint64_t turn) {
  while (turn == turn_) {
    co_await look(turn);
    if (turn != turn_) {
      co_return;
    }
    timer_.expires_after(quick_looks_ > 0 ? kQuickInterval : kInterval);
    quick_looks_ = std::max(0, quick_looks_ - 1);
    (void)co_await timer_.async_wait(kAsTuple);
  }
}

asio::awaitable<void> ContainerNetworks::listen_for_devices(
    std::shared_ptr<asio::posix::stream_descriptor> events) {
  while (true) {
    const auto [ec] = co_await events->async_wait(asio::posix::stream_descriptor::wait_read, kAsTuple);
    if (ec || events != events_) {
      co_return;
    }
    netlink::take_link_events(events->native_handle());
    if (std::exchange(quick_looks_, kQuickLooks) == 0) {
      timer_.cancel();
    }
  }
}

asio::awaitable<void> ContainerNetworks::look(std::uint64_t turn) {
  std::vector<NetworkName> known;
  for (const Network& network : networks_) {
    known.push_back(network.name);
  }
  std::vector<ContainerNetwork> found = find_container_networks(cgroup_root_.get(), known);
  co_await names_.learn(found);
  if (turn == turn_) {
    serve(std::move(found));
  }
}

ContainerNetworks::Network* ContainerNetworks::find_network(const NetworkName& name) {
  const auto found = std::ranges::find(networks_, name, &Network::name);
  return found == networks_.end() ? nullptr : &*found;
}

bool ContainerNetworks::is_chosen(const std::string& name) const {
  return !name.empty() &&
         std::ranges::any_of(wanted_.container_networks, [&name](const std::string& pattern) {
           return policy::matches(pattern, name, policy::Case::matters);
         });
}

void ContainerNetworks::serve(std::vector<ContainerNetwork> found) {
  for (Network& network : networks_) {
    network.containers.clear();
  }
  bool are_too_many = false;
  for (ContainerNetwork& one : found) {
    const std::string name = names_.of(one.cgroup);
    if (!is_chosen(name)) {
      continue;
    }
    Network* network = find_network(one.network);
    if (network == nullptr && networks_.size() >= most_networks(wanted_)) {
      are_too_many = true;
      continue;
    }
    if (network == nullptr) {
      network = &networks_.emplace_back();
      network->name = one.network;
      network->told = name;
      network->number = ++last_number_;
      network->ns = std::move(one.open_network);
      log::info("serve container {} in its own network", name);
    }
    network->containers.push_back(name);
  }
  for (std::size_t i = networks_.size(); i-- > 0;) {
    if (networks_[i].containers.empty()) {
      leave(networks_[i]);
      std::swap(networks_[i], networks_.back());
      networks_.pop_back();
    } else {
      complete(networks_[i]);
    }
  }
  report(describe_shortcoming(are_too_many));
}

void ContainerNetworks::complete(Network& network) {
  network.failure.clear();
  control::Channel* const channel = find_channel_();
  if (channel != nullptr && !network.has_sock_diag) {
    (void)hand_over_sock_diag(network, *channel);  // a responder that does not take it is replaced
  }
  open_what_is_missing(network);
}

// An address that was not there before, a port that another program has let go, a socket that an
// administrator of that network has ended.
void ContainerNetworks::open_what_is_missing(Network& network) {
  std::erase_if(network.sockets, [](const Socket& socket) { return !still_accepts(socket.fd.get()); });
  std::vector<Socket> opened;
  std::vector<SocketAddress> missing = addresses_of(wanted_);
  std::erase_if(missing, [&network](const SocketAddress& address) {
    return std::ranges::any_of(network.sockets,
                               [&address](const Socket& socket) { return socket.address == address; });
  });
  if (missing.empty()) {
    return;
  }
  {
    const NetworkVisit visit(network.ns);
    if (!visit.entered()) {
      network.failure = cannot_serve(network.told, visit.entered().error());
      missing.clear();
    }
    for (const SocketAddress& address : missing) {
      Result<UniqueFd> socket = listen_on(address);
      if (socket) {
        opened.push_back({.address = address, .fd = std::move(*socket)});
      } else if (!is_no_address(socket.error())) {
        network.failure = cannot_serve(network.told, socket.error());
      }
    }
  }
  control::Channel* const channel = find_channel_();
  for (Socket& socket : opened) {
    if (channel != nullptr) {
      (void)hand_over(network, socket, *channel);  // a responder that does not take it is replaced
    }
    network.sockets.push_back(std::move(socket));
  }
}

Result<void> ContainerNetworks::hand_over(const Network& network, const Socket& socket,
                                          control::Channel& channel) {
  control::Message message;
  message.kind = control::Kind::add_listener;
  message.number = network.number;
  return channel.send(message, socket.fd.get());
}

// Of its own for each responder. Without it callers stay unknown.
Result<void> ContainerNetworks::hand_over_sock_diag(Network& network, control::Channel& channel) {
  const NetworkVisit visit(network.ns);
  const Result<UniqueFd> sock_diag =
      visit.entered() ? netlink::SockDiag::open_socket() : visit.entered().error();
  network.has_sock_diag = bool(sock_diag);
  if (!sock_diag) {
    network.failure = fmt::format("callers in container {} cannot be identified: cannot {}", network.told,
                                  sock_diag.error().message());
    return {};
  }
  control::Message message;
  message.kind = control::Kind::sock_diag;
  message.number = network.number;
  return channel.send(message, sock_diag->get());
}

Result<void> ContainerNetworks::hand_over(control::Channel& channel) {
  for (Network& network : networks_) {
    Result<void> told = hand_over_sock_diag(network, channel);
    if (!told) {
      return told;
    }
    for (const Socket& socket : network.sockets) {
      Result<void> sent = hand_over(network, socket, channel);
      if (!sent) {
        return sent;
      }
    }
  }
  return {};
}

void ContainerNetworks::leave(const Network& network) const {
  log::info("leave the network of container {}", network.told);
  if (control::Channel* const channel = find_channel_()) {
    control::Message message;
    message.kind = control::Kind::leave_network;
    message.number = network.number;
    (void)channel->send(message);  // a responder that does not take it is replaced
  }
}

void ContainerNetworks::leave_all() {
  for (const Network& network : networks_) {
    leave(network);
  }
  networks_.clear();
}

std::string ContainerNetworks::describe_shortcoming(bool are_too_many) const {
  std::string shortcoming;
  std::size_t others = 0;
  if (are_too_many) {
    shortcoming = fmt::format("more than {} networks of containers are not served", most_networks(wanted_));
  }
  for (const Network& network : networks_) {
    if (shortcoming.empty()) {
      shortcoming = network.failure;
    } else if (!network.failure.empty()) {
      ++others;
    }
  }
  return others == 0 ? shortcoming
                     : fmt::format("{}; {} more cannot be served as a whole", shortcoming, others);
}

void ContainerNetworks::report(const std::string& shortcoming) {
  if (!shortcoming.empty() && shortcoming != shortcoming_) {
    log::warn("{}{}", admin::kContainersFailure, shortcoming);
  }
  shortcoming_ = shortcoming;
}

std::vector<std::string> ContainerNetworks::names() const {
  std::vector<std::string> all;
  for (const Network& network : networks_) {
    if (network.sockets.empty()) {
      continue;
    }
    all.insert(all.end(), network.containers.begin(), network.containers.end());
  }
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace msi2imds::supervisor

// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/asio.hpp"
#include "base/socket_address.hpp"
#include "base/unique_fd.hpp"
#include "config/config.hpp"
#include "control/channel.hpp"
#include "supervisor/container_names.hpp"
#include "supervisor/container_scan.hpp"
#include "supervisor/identity_service.hpp"
#include "supervisor/other_network.hpp"

namespace msi2imds::supervisor {

// Listens on the legacy ports in the networks of chosen containers (legacy.container_networks), as long as
// one of their processes is there: our sockets would keep the network otherwise. Chosen is who has a name in
// the files of a container runtime, and processes in a cgroup that only root could have made. Does nothing at
// all before follow(), nor where nobody is chosen.
class ContainerNetworks {
 public:
  // The channel to the responder; null while none is to be told anything.
  using FindChannel = std::function<control::Channel*()>;

  ContainerNetworks(asio::io_context& io, IdentityService& identities, FindChannel find_channel);

  // Serves whom these choose from here on.
  void follow(const config::Legacy& wanted);

  // Serves nobody from here on.
  void close();

  // Gives a responder all that there is to accept from.
  Result<void> hand_over(control::Channel& channel);

  // The containers that are served, at one of the addresses at least.
  [[nodiscard]] std::vector<std::string> names() const;

  // Why chosen containers are not served, or not at each address, or not known; empty: they are.
  [[nodiscard]] const std::string& shortcoming() const {
    return shortcoming_;
  }

  // How many descriptors the responder needs for it.
  [[nodiscard]] static std::size_t descriptors(const config::Legacy& wanted);

 private:
  struct Socket {
    SocketAddress address;
    UniqueFd fd;
  };
  struct Network {
    NetworkName name;
    std::uint64_t number = 0;  // which the responder knows it by; never used again
    UniqueFd ns;
    std::vector<Socket> sockets;
    std::string told;                     // the container whose it was when it was found
    std::vector<std::string> containers;  // names of those in it
    std::string failure;                  // what keeps it from being served as a whole; empty: nothing
    bool has_sock_diag = false;           // the responder has it, and knows callers by it
  };

  asio::awaitable<void> keep(std::uint64_t turn);
  asio::awaitable<void> listen_for_devices(std::shared_ptr<asio::posix::stream_descriptor> events);
  asio::awaitable<void> look(std::uint64_t turn);
  [[nodiscard]] Network* find_network(const NetworkName& name);
  [[nodiscard]] bool is_chosen(const std::string& name) const;
  void serve(std::vector<ContainerNetwork> found);
  void complete(Network& network);
  void open_what_is_missing(Network& network);
  void leave(const Network& network) const;
  void leave_all();
  [[nodiscard]] std::string describe_shortcoming(bool are_too_many) const;
  void report(const std::string& shortcoming);
  static Result<void> hand_over(const Network& network, const Socket& socket, control::Channel& channel);
  static Result<void> hand_over_sock_diag(Network& network, control::Channel& channel);

  asio::io_context& io_;
  ContainerNames names_;
  FindChannel find_channel_;
  config::Legacy wanted_;
  UniqueFd cgroup_root_;
  asio::steady_timer timer_;
  std::shared_ptr<asio::posix::stream_descriptor> events_;  // of network devices
  int quick_looks_ = 0;
  std::uint64_t turn_ = 0;  // counts follow() and close(): what began before ends
  std::uint64_t last_number_ = 0;
  std::vector<Network> networks_;
  std::string shortcoming_;
};

}  // namespace msi2imds::supervisor

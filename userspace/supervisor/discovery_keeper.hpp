// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "base/asio.hpp"
#include "waagent/places.hpp"

namespace msi2imds::supervisor {

// Keeps the file in which older clients look up the endpoint, from the cut-over on. It stays when we stop:
// whoever is there then answers on the same port.
class DiscoveryKeeper {
 public:
  explicit DiscoveryKeeper(asio::io_context& io) : io_(io) {}

  // Makes the file if it is not there, and goes on watching for its removal; asked once a second, too, for
  // what the watch cannot see. What fails is logged, once.
  void keep(const waagent::Places& places, std::uint16_t port);

  // What does not work about it at present; empty: nothing.
  [[nodiscard]] const std::string& shortcoming() const {
    return shortcoming_;
  }

  // Watches no more, until keep().
  void stop();

 private:
  bool watch();
  void look();
  void note(std::string shortcoming);
  asio::awaitable<void> wait_for_removal();

  asio::io_context& io_;
  waagent::Places places_;
  std::uint16_t port_ = 0;
  std::optional<asio::posix::stream_descriptor> watch_;
  bool is_labelled_ = false;
  std::string shortcoming_;
};

}  // namespace msi2imds::supervisor

// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "control/channel.hpp"

namespace msi2imds::supervisor {

// The identities that the responder has been sent, by number. Its own book is the same at any point of the
// channel: an identity goes before the first answer that names it, and what is forgotten here is forgotten
// there.
class PushedIdentities {
 public:
  // More than one message of answers names (control::kMostInMessage), so that none that a message has been
  // promised goes before the message does.
  struct Limits {
    std::size_t count = 8192;
    std::size_t bytes = std::size_t{8} * 1024 * 1024;
  };

  PushedIdentities() = default;
  explicit PushedIdentities(Limits limits) : limits_(limits) {}

  // The number of a serialized identity, which is sent if the responder does not have it. 0 if it is longer
  // than any message.
  std::uint64_t push(control::Channel& channel, std::string_view identity);

  // 0: the responder does not have it.
  [[nodiscard]] std::uint64_t number_of(std::string_view identity) const;

  // A new responder has none. Numbers go on: none is ever used again.
  void start_anew();

  [[nodiscard]] std::size_t size() const {
    return pushed_.size();
  }

 private:
  struct Pushed {
    std::uint64_t number = 0;
    std::string identity;
  };

  void make_room(control::Channel& channel, std::size_t bytes);

  Limits limits_;
  std::uint64_t last_number_ = 0;
  std::size_t bytes_ = 0;
  std::list<Pushed> pushed_;  // the last used first
  std::unordered_map<std::string_view, std::list<Pushed>::iterator> by_identity_;
};

}  // namespace msi2imds::supervisor

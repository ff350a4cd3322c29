// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::netlink {

// Receives notifications of changes to nftables' rules in this network namespace, including those made by
// iptables-nft.
class NftEvents {
 public:
  // Needs CAP_NET_ADMIN, here only. `table` is watched in all families.
  static Result<NftEvents> open(std::string table);

  // Whether `table` may have changed since the last call: also true when the kernel had to drop messages.
  // Never waits.
  [[nodiscard]] bool changed();

  // Readable while something is there that changed() has not seen, of any table.
  [[nodiscard]] int fd() const {
    return socket_.get();
  }

 private:
  NftEvents(UniqueFd socket, std::string table) : socket_(std::move(socket)), table_(std::move(table)) {}

  UniqueFd socket_;
  std::string table_;
};

// Whether one of the messages in a datagram, which must be aligned like a nlmsghdr, is about `table`, its
// chains or its rules.
[[nodiscard]] bool mentions_table(std::span<const std::byte> datagram, std::string_view table);

}  // namespace msi2imds::netlink

// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::netlink {

// What has changed in a table, the gravest last. A change of the table itself is ours.
enum class NftChange { none, others, ours };

// Receives notifications of changes to nftables' rules in this network namespace, including those made by
// iptables-nft.
class NftEvents {
 public:
  // Needs CAP_NET_ADMIN, here only. `table` is watched in all families. Where others use it as well, only
  // what is removed from one of `chains` is ours; without a name, any change is.
  static Result<NftEvents> open(std::string table, std::vector<std::string> chains = {});

  // The gravest that may have happened to `table`, its chains or its rules since the last call; ours, too,
  // when the kernel had to drop messages. Never waits.
  [[nodiscard]] NftChange gravest();

  // Readable while something is there that gravest() has not seen, of any table.
  [[nodiscard]] int fd() const {
    return socket_.get();
  }

 private:
  NftEvents(UniqueFd socket, std::string table, std::vector<std::string> chains)
      : socket_(std::move(socket)), table_(std::move(table)), chains_(std::move(chains)) {}

  UniqueFd socket_;
  std::string table_;
  std::vector<std::string> chains_;
};

// The gravest that the messages in a datagram, which must be aligned like a nlmsghdr, tell of `table`, its
// chains and its rules.
[[nodiscard]] NftChange gravest_in(std::span<const std::byte> datagram, std::string_view table,
                                   std::span<const std::string> chains = {});

}  // namespace msi2imds::netlink

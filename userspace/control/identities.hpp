// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "base/socket_address.hpp"
#include "control/message.hpp"

// Questions about callers travel many in a message: at high rates a message for each would cost more than the
// answers are worth.
namespace msi2imds::control {

struct IdentityAnswer {
  std::uint64_t identity = 0;  // its number, of a Kind::identity that came before; 0: nothing is known
  // What the client dialled, where only the supervisor can know it: the start of a sockaddr.
  std::array<std::uint8_t, 28> address{};
  std::uint8_t address_size = 0;
  std::array<std::uint8_t, 3> reserved{};
  std::int64_t dialled_at = 0;  // as in caller::Clues, of the connect() that it is about; 0: none was seen

  void set_dialled(const SocketAddress& dialled);
  [[nodiscard]] std::optional<SocketAddress> dialled() const;
};
static_assert(sizeof(IdentityAnswer) == 48);

// In one message.
inline constexpr std::size_t kMostInMessage = 32;

template <typename Record>
void set_records(Message& message, std::span<const Record> records) {
  static_assert(std::is_trivially_copyable_v<Record> && kMostInMessage * sizeof(Record) <= kMostBody);
  message.body.assign(reinterpret_cast<const char*>(records.data()), records.size_bytes());
}

// At most kMostInMessage of them.
template <typename Record>
void add_record(Message& message, const Record& record) {
  static_assert(std::is_trivially_copyable_v<Record> && kMostInMessage * sizeof(Record) <= kMostBody);
  message.body.append(reinterpret_cast<const char*>(&record), sizeof record);
}

// Nothing, if these are not at most kMostInMessage records.
template <typename Record>
[[nodiscard]] std::optional<std::vector<Record>> get_records(const Message& message) {
  static_assert(std::is_trivially_copyable_v<Record>);
  const std::size_t count = message.body.size() / sizeof(Record);
  if (message.body.size() % sizeof(Record) != 0 || count > kMostInMessage) {
    return std::nullopt;
  }
  std::vector<Record> records(count);
  if (count > 0) {  // of none, data() may be null
    std::memcpy(records.data(), message.body.data(), message.body.size());
  }
  return records;
}

}  // namespace msi2imds::control

// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/document.hpp"
#include "config/kinds.hpp"

namespace msi2imds::config {

// A key of the file and the field of Config that it sets.
struct Key {
  std::string_view name;  // "legacy.ports"; without a dot, a key outside all tables
  std::function<void(const Value&, Config&, const Complain&)> read;
  std::function<Value(const Config&)> write;
};

// All that may stand in the file; reading, suggestions and writing know no other list.
[[nodiscard]] std::span<const Key> keys();

[[nodiscard]] const Key* find_key(std::string_view name);

// The tables that the keys lie in, in their order.
[[nodiscard]] std::vector<std::string_view> tables();

struct KeyName {
  std::string_view table;
  std::string_view leaf;
};

[[nodiscard]] KeyName split(std::string_view name);

}  // namespace msi2imds::config

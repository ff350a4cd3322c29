// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// A TOML document as plain values, free of the library that reads and writes them.
namespace msi2imds::config {

// Both count from 1; line 0 means the file as a whole.
struct Position {
  std::size_t line = 0;
  std::size_t column = 0;
};

struct Value;
struct Member;
struct Date {};  // or time: no key takes one
using Array = std::vector<Value>;
using Table = std::vector<Member>;

struct Value {
  std::variant<bool, std::int64_t, double, std::string, Array, Table, Date> content;
  Position position = {};
};

struct Member {
  std::string name;
  Position position;  // of the name
  Value value;
};

struct SyntaxError {
  Position position;
  std::string reason;
};

// "an integer", "a table"
[[nodiscard]] std::string_view type_name(const Value& value);

// Members come in the order of the text.
[[nodiscard]] boost::system::result<Table, SyntaxError> read_toml(std::string_view text);

[[nodiscard]] std::string write_toml(const Table& table);

}  // namespace msi2imds::config

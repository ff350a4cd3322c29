// SPDX-License-Identifier: MIT
#include "config/document.hpp"

#define TOML_EXCEPTIONS 0
// toml++ asserts, and in a release has the compiler assume, what a text need not keep to ("[#"); behind that,
// it checks it all the same.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include <algorithm>
#include <array>
#include <sstream>
#include <type_traits>
#include <utility>

namespace msi2imds::config {
namespace {

// In the order of Value::content's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<decltype(Value::content)>> kTypeNames = {
    "a boolean", "an integer", "a float", "a string", "an array", "a table", "a date or time"};

Position to_position(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

Value to_value(const toml::node& node);

Table to_table(const toml::table& nodes) {
  Table table;
  for (const auto& [key, node] : nodes) {
    table.push_back({std::string(key.str()), to_position(key.source()), to_value(node)});
  }
  // toml++ sorts by name.
  std::ranges::stable_sort(table, {}, [](const Member& member) {
    return std::pair(member.position.line, member.position.column);
  });
  return table;
}

Array to_array(const toml::array& nodes) {
  Array array;
  for (const toml::node& node : nodes) {
    array.push_back(to_value(node));
  }
  return array;
}

Value to_value(const toml::node& node) {
  const Position position = to_position(node.source());
  switch (node.type()) {
    case toml::node_type::boolean:
      return {**node.as_boolean(), position};
    case toml::node_type::integer:
      return {**node.as_integer(), position};
    case toml::node_type::floating_point:
      return {**node.as_floating_point(), position};
    case toml::node_type::string:
      return {**node.as_string(), position};
    case toml::node_type::array:
      return {to_array(*node.as_array()), position};
    case toml::node_type::table:
      return {to_table(*node.as_table()), position};
    default:
      return {Date{}, position};
  }
}

toml::array to_toml(const Array& array);
toml::table to_toml(const Table& table);

// Hands `put` what toml++ would hold for the value.
template <typename Put>
void convert(const Value& value, Put put) {
  std::visit(
      [&](const auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, Array> || std::is_same_v<Content, Table>) {
          put(to_toml(content));
        } else if constexpr (!std::is_same_v<Content, Date>) {
          put(content);
        }
      },
      value.content);
}

toml::array to_toml(const Array& array) {
  toml::array nodes;
  for (const Value& value : array) {
    convert(value, [&](auto&& node) { nodes.push_back(std::forward<decltype(node)>(node)); });
  }
  return nodes;
}

toml::table to_toml(const Table& table) {
  toml::table nodes;
  for (const Member& member : table) {
    convert(member.value,
            [&](auto&& node) { nodes.insert_or_assign(member.name, std::forward<decltype(node)>(node)); });
  }
  return nodes;
}

// The value of a key stays in the line of the key.
void write_values_inline(toml::table& nodes) {
  for (auto&& [name, node] : nodes) {
    if (toml::table* table = node.as_table(); table != nullptr) {
      for (auto&& [key, value] : *table) {
        if (toml::table* inner = value.as_table(); inner != nullptr) {
          inner->is_inline(true);
        }
      }
    }
  }
}

}  // namespace

std::string_view type_name(const Value& value) {
  return kTypeNames.at(value.content.index());
}

boost::system::result<Table, SyntaxError> read_toml(std::string_view text) {
  const toml::parse_result result = toml::parse(text);
  if (!result) {
    return SyntaxError{to_position(result.error().source()), std::string(result.error().description())};
  }
  return to_table(result.table());
}

std::string write_toml(const Table& table) {
  toml::table nodes = to_toml(table);
  write_values_inline(nodes);
  std::ostringstream out;
  out << toml::toml_formatter(nodes, toml::format_flags::none) << '\n';
  return out.str();
}

}  // namespace msi2imds::config

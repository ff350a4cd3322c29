// SPDX-License-Identifier: MIT
#include "usage/document.hpp"

#include "base/json.hpp"
#include "usage/clean_text.hpp"

namespace msi2imds::usage {
namespace {

namespace json = boost::json;

}  // namespace

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, text);
}

void append_member(std::string& out, std::string_view name, std::uint64_t number) {
  out += ",\"";
  out += name;
  out += "\":";
  out += std::to_string(number);
}

void append_member(std::string& out, std::string_view name, std::int64_t number) {
  append_member(out, name, static_cast<std::uint64_t>(number));
}

const json::object& parse_object(const json::value& value, const std::string& where) {
  const json::object* object = value.if_object();
  if (object == nullptr) {
    throw Damage{where + " is not an object"};
  }
  return *object;
}

std::string parse_text(const json::value& value, const std::string& where) {
  if (!value.is_string()) {
    throw Damage{where + " is not a text"};
  }
  std::string text(value.get_string());
  if (!is_clean(text)) {
    throw Damage{where + " is longer than " + std::to_string(kMaxText) + " bytes"};
  }
  return text;
}

std::string member_text(const json::value& object, std::string_view name, const std::string& where) {
  return parse_text(member(object, name, where), where + "." + std::string(name));
}

bool member_bool(const json::value& object, std::string_view name, const std::string& where) {
  const json::value& value = member(object, name, where);
  if (!value.is_bool()) {
    throw Damage{where + "." + std::string(name) + " is neither true nor false"};
  }
  return value.get_bool();
}

std::int64_t member_number(const json::value& object, std::string_view name, std::int64_t most,
                           const std::string& where) {
  return parse_number(member(object, name, where), most, where + "." + std::string(name));
}

const json::value& member(const json::value& object, std::string_view name, const std::string& where) {
  const json::value* value = parse_object(object, where).if_contains(name);
  if (value == nullptr) {
    throw Damage{where + " has no \"" + std::string(name) + "\""};
  }
  return *value;
}

const json::array& member_array(const json::value& object, std::string_view name, std::size_t most,
                                const std::string& where) {
  const json::array* array = member(object, name, where).if_array();
  if (array == nullptr) {
    throw Damage{where + "." + std::string(name) + " is not an array"};
  }
  if (array->size() > most) {
    throw Damage{where + "." + std::string(name) + " has more than " + std::to_string(most) + " elements"};
  }
  return *array;
}

std::int64_t parse_number(const json::value& value, std::int64_t most, const std::string& where) {
  const std::int64_t* number = value.if_int64();
  if (number == nullptr || *number < 0 || *number > most) {
    throw Damage{where + " is not a number from 0 to " + std::to_string(most)};
  }
  return *number;
}

std::string element_of(std::string where, std::string_view name, std::size_t index) {
  where += '.';
  where += name;
  where += '[';
  where += std::to_string(index);
  where += ']';
  return where;
}

}  // namespace msi2imds::usage

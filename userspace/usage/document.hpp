// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

// Writing the table of callers as JSON, and reading JSON that may be damaged.
namespace msi2imds::usage {

// Why a document cannot be read, such as "callers[3].days[0] is not a day and a count".
struct Damage {
  std::string what;
};

// A member with a comma in front.
void append_member(std::string& out, std::string_view name, std::string_view text);
void append_member(std::string& out, std::string_view name, std::uint64_t number);
void append_member(std::string& out, std::string_view name, std::int64_t number);

// A member with a comma in front: elements in brackets, each by `append_one`.
template <typename Elements, typename AppendOne>
void append_array(std::string& out, std::string_view name, const Elements& elements, AppendOne append_one) {
  out += ",\"";
  out += name;
  out += "\":[";
  bool is_first = true;
  for (const auto& element : elements) {
    if (!is_first) {
      out += ',';
    }
    is_first = false;
    append_one(out, element);
  }
  out += ']';
}

// All that read throw Damage; `where` names the object or the value.
[[nodiscard]] const boost::json::object& parse_object(const boost::json::value& value,
                                                      const std::string& where);
[[nodiscard]] std::string parse_text(const boost::json::value& value, const std::string& where);
// A number of 0 to `most`.
[[nodiscard]] std::int64_t parse_number(const boost::json::value& value, std::int64_t most,
                                        const std::string& where);

[[nodiscard]] const boost::json::value& member(const boost::json::value& object, std::string_view name,
                                               const std::string& where);
[[nodiscard]] std::string member_text(const boost::json::value& object, std::string_view name,
                                      const std::string& where);
[[nodiscard]] bool member_bool(const boost::json::value& object, std::string_view name,
                               const std::string& where);
[[nodiscard]] std::int64_t member_number(const boost::json::value& object, std::string_view name,
                                         std::int64_t most, const std::string& where);
// An array of at most `most` elements.
[[nodiscard]] const boost::json::array& member_array(const boost::json::value& object, std::string_view name,
                                                     std::size_t most, const std::string& where);

// "callers[3].days[0]"
[[nodiscard]] std::string element_of(std::string where, std::string_view name, std::size_t index);

}  // namespace msi2imds::usage

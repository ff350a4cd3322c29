// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "usage/row.hpp"

namespace msi2imds::usage {

// What keeps a document from being read, such as "callers[3].days[0] is not a day and a count".
struct Damage {
  std::string what;
};

void append_json(std::string& out, const Row& row);

// Throws Damage. `where` names the row.
[[nodiscard]] Row parse_row(const boost::json::value& value, const std::string& where);

// A number of 0 to `most`, or Damage.
[[nodiscard]] std::int64_t parse_number(const boost::json::value& value, std::int64_t most,
                                        const std::string& where);

// The member of an object, or Damage.
[[nodiscard]] const boost::json::value& member(const boost::json::value& object, std::string_view name,
                                               const std::string& where);
// The member that is an array of at most `most` elements, or Damage.
[[nodiscard]] const boost::json::array& member_array(const boost::json::value& object, std::string_view name,
                                                     std::size_t most, const std::string& where);

}  // namespace msi2imds::usage

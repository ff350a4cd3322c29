// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "usage/document.hpp"
#include "usage/row.hpp"

namespace msi2imds::usage {

void append_json(std::string& out, const Row& row);

// Throws Damage. `where` names the row.
[[nodiscard]] Row parse_row(const boost::json::value& value, const std::string& where);

}  // namespace msi2imds::usage

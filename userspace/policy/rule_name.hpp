// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/escape.hpp"

namespace msi2imds::policy {

// How a rule is called: by its name, or by its place where it has none.
template <typename AnyRule>
const std::string& name_of(const AnyRule& rule) {
  return rule.name.empty() ? rule.origin : rule.name;
}

// "NAME (FILE:LINE)", for people.
template <typename AnyRule>
std::string name_and_place_of(const AnyRule& rule) {
  const std::string place = rule.name.empty() ? "" : " (" + rule.origin + ")";
  return escape::control_characters(name_of(rule) + place);
}

}  // namespace msi2imds::policy

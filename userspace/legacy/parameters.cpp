// SPDX-License-Identifier: MIT
#include "legacy/parameters.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "legacy/pairs.hpp"

namespace msi2imds::legacy {
namespace {

// What IMDS knows is far shorter. A value is kept while its token is waited for, and stands in records.
constexpr std::size_t kLongestResource = 2048;
constexpr std::size_t kLongestIdentity = 1024;

// The decoded value of each parameter that means something; empty: not given.
using Values = std::array<std::string, static_cast<std::size_t>(Parameter::noise)>;

std::string& value_of(Values& values, Parameter parameter) {
  return values.at(static_cast<std::size_t>(parameter));
}

Rejection invalid(const Pair& pair, std::string_view why) {
  std::string description = "The parameter '";
  description.append(excerpt(pair.name)).append("' ").append(why);
  return {.fault = Fault::invalid_parameter, .description = std::move(description)};
}

std::optional<Parameter> parameter_of(std::string_view name) {
  const bool encoded = name.find_first_of("%+") != std::string_view::npos;
  return encoded ? find_parameter(decode_form(name)) : find_parameter(name);
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

std::optional<Rejection> take(const Pair& pair, Values& values, std::string& room) {
  const std::optional<Parameter> parameter = parameter_of(pair.name);
  if (!parameter || parameter == Parameter::noise || pair.value.empty()) {
    return std::nullopt;
  }
  std::string decoded = decode_form(pair.value, std::move(room));
  if (std::ranges::any_of(decoded, is_control)) {
    return invalid(pair, "contains a control character");
  }
  std::string& value = value_of(values, *parameter);
  if (value.empty()) {
    value = std::move(decoded);
  } else if (value != decoded) {
    return invalid(pair, "is given twice with different values: give it once");
  }
  return std::nullopt;
}

std::optional<Rejection> take_all(std::string_view text, Values& values, std::string& room) {
  PairReader pairs(text);
  while (const std::optional<Pair> pair = pairs.next()) {
    if (auto rejection = take(*pair, values, room)) {
      return rejection;
    }
  }
  return std::nullopt;
}

void fill_gaps(Values& values, Values& others) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values.at(i).empty()) {
      values.at(i) = std::move(others.at(i));
    }
  }
}

Rejection too_long(std::string_view name, std::size_t size, std::size_t longest) {
  return {.fault = Fault::invalid_parameter,
          .description = "The parameter '" + std::string(name) + "' has " + std::to_string(size) +
                         " bytes: give at most " + std::to_string(longest)};
}

ParseResult to_request(Values& values) {
  token::TokenRequest request;
  request.resource = std::move(value_of(values, Parameter::resource));
  if (request.resource.empty()) {
    return Rejection{.fault = Fault::missing_resource,
                     .description =
                         "Required query variable 'resource' is missing: give it in the query, or in the "
                         "body as a form (resource=...)"};
  }
  if (request.resource.size() > kLongestResource) {
    return too_long("resource", request.resource.size(), kLongestResource);
  }
  request.bypass_cache = equal_ignoring_case(value_of(values, Parameter::bypass_cache), "true");
  for (const auto& [parameter, kind] :
       {std::pair(Parameter::client_id, token::SelectorKind::client_id),
        std::pair(Parameter::object_id, token::SelectorKind::object_id),
        std::pair(Parameter::resource_id, token::SelectorKind::resource_id)}) {
    std::string& value = value_of(values, parameter);
    if (value.empty()) {
      continue;
    }
    if (request.identity.kind != token::SelectorKind::none) {
      return Rejection{
          .fault = Fault::invalid_parameter,
          .description = "More than one identity is named: give one of client_id, object_id and msi_res_id"};
    }
    if (value.size() > kLongestIdentity) {
      return too_long(token::key_of(kind), value.size(), kLongestIdentity);
    }
    request.identity = {.kind = kind, .value = std::move(value)};
  }
  return request;
}

}  // namespace

ParseResult read_parameters(std::string_view query, std::string_view body, std::string room) {
  Values values;
  if (auto rejection = take_all(query, values, room)) {
    return *std::move(rejection);
  }
  if (!body.empty()) {
    Values others;
    if (auto rejection = take_all(body, others, room)) {
      return *std::move(rejection);
    }
    fill_gaps(values, others);
  }
  return to_request(values);
}

}  // namespace msi2imds::legacy

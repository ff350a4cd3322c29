// SPDX-License-Identifier: MIT
#include "imds_emulator/question.hpp"

#include <algorithm>
#include <vector>

#include "imds_emulator/query.hpp"
#include "imds_emulator/text.hpp"

namespace msi2imds::emulator {
namespace {

using Parameters = std::vector<Parameter>;

Reply invalid_request(std::string_view description, std::string_view problem) {
  return refuse(400, "invalid_request", description, problem);
}

SelectorKind selector_kind_of(std::string_view name) {
  if (name == "client_id") {
    return SelectorKind::client_id;
  }
  if (name == "object_id") {
    return SelectorKind::object_id;
  }
  return name == "msi_res_id" || name == "mi_res_id" ? SelectorKind::msi_res_id : SelectorKind::none;
}

const std::string* find(const Parameters& parameters, std::string_view name) {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [name](const Parameter& parameter) { return parameter.name == name; });
  return found == parameters.end() ? nullptr : &found->value;
}

bool has_duplicate(const Parameters& parameters) {
  for (auto first = parameters.begin(); first != parameters.end(); ++first) {
    if (std::any_of(first + 1, parameters.end(),
                    [first](const Parameter& other) { return other.name == first->name; })) {
      return true;
    }
  }
  return false;
}

std::optional<Reply> find_selector_fault(const Parameters& parameters) {
  std::size_t selectors = 0;
  for (const Parameter& parameter : parameters) {
    if (selector_kind_of(parameter.name) == SelectorKind::none) {
      continue;
    }
    if (parameter.value.empty()) {
      return invalid_request("The query variable '" + parameter.name + "' is empty", "empty_selector");
    }
    ++selectors;
  }
  if (selectors > 1) {
    return invalid_request("Only one of client_id, object_id and msi_res_id may be specified",
                           "several_selectors");
  }
  return std::nullopt;
}

std::optional<Reply> find_parameter_fault(const Parameters& parameters) {
  if (has_duplicate(parameters)) {
    return invalid_request("Duplicate query variables are not allowed", "duplicate_parameter");
  }
  const std::string* version = find(parameters, "api-version");
  if (version == nullptr || !is_known_api_version(*version)) {
    return refuse_api_version(version == nullptr ? "missing_api_version" : "unknown_api_version");
  }
  const std::string* resource = find(parameters, "resource");
  if (resource == nullptr || resource->empty()) {
    return invalid_request("Required query variable 'resource' is missing", "missing_resource");
  }
  return find_selector_fault(parameters);
}

void read_parameters(const Parameters& parameters, Question& question) {
  for (const Parameter& parameter : parameters) {
    const SelectorKind kind = selector_kind_of(parameter.name);
    if (parameter.name == "resource") {
      question.resource = parameter.value;
    } else if (parameter.name == "bypass_cache") {
      question.bypass_cache = equal_ignoring_case(parameter.value, "true");
    } else if (kind != SelectorKind::none) {
      question.selector_kind = kind;
      question.selector = parameter.value;
    }
  }
}

}  // namespace

bool is_known_api_version(std::string_view version) {
  constexpr std::string_view kOldest = "2018-02-01";
  constexpr std::string_view kShape = "0000-00-00";
  const bool is_date =
      std::equal(version.begin(), version.end(), kShape.begin(), kShape.end(),
                 [](char c, char shape) { return shape == '-' ? c == '-' : c >= '0' && c <= '9'; });
  return is_date && version >= kOldest;
}

std::optional<Reply> find_form_fault(const Request& request) {
  if (request.method != "GET") {
    Reply reply = refuse(405, "method_not_allowed", "Only GET is allowed", "method");
    reply.headers.push_back({.name = "Allow", .value = "GET"});
    return reply;
  }
  if (request.header("X-Forwarded-For") != nullptr) {
    return invalid_request("Requests with an X-Forwarded-For header are refused", "x_forwarded_for");
  }
  if (request.count("Host") != 1) {
    return invalid_request("Exactly one Host header is required", "host");
  }
  const std::string* metadata = request.header("Metadata");
  if (metadata == nullptr || request.count("Metadata") != 1 || !equal_ignoring_case(*metadata, "true")) {
    return invalid_request("Required metadata header not specified", "metadata_header");
  }
  if (request.chunked || !request.body.empty()) {
    return invalid_request("A GET request has no body", "body_on_get");
  }
  return std::nullopt;
}

Question parse_question(const Request& request) {
  Question question;
  question.refusal = find_form_fault(request);
  const auto parameters = parse_query(request.query());
  if (!parameters) {
    if (!question.refusal) {
      question.refusal = invalid_request(parameters.error().message(), "undecodable_query");
    }
    return question;
  }
  read_parameters(*parameters, question);
  if (!question.refusal) {
    question.refusal = find_parameter_fault(*parameters);
  }
  return question;
}

}  // namespace msi2imds::emulator

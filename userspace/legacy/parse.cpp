// SPDX-License-Identifier: MIT
#include "legacy/parse.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "legacy/host.hpp"
#include "legacy/target.hpp"

namespace msi2imds::legacy {
namespace {

using MaybeRejection = std::optional<Rejection>;

// Signs that somebody else's request was passed on to us: by a proxy, or by a browser for a web page.
constexpr std::array<std::string_view, 3> kForwardingHeaders = {"X-Forwarded-For", "Forwarded", "Origin"};

constexpr std::string_view kHeaderBlanks = " \t";

MaybeRejection reject(Fault fault, std::string description) {
  return Rejection{.fault = fault, .description = std::move(description)};
}

MaybeRejection check_method(const http::Request& request) {
  if (request.method == "GET" || request.method == "POST") {
    return std::nullopt;
  }
  return reject(Fault::method_not_allowed,
                "The method " + excerpt(request.method) + " is not allowed: use GET or POST");
}

MaybeRejection check_not_forwarded(const http::Request& request) {
  for (const std::string_view name : kForwardingHeaders) {
    if (request.header(name) != nullptr) {
      return reject(Fault::forwarded,
                    "The header " + std::string(name) +
                        " shows a forwarded request: ask from this machine, without a proxy");
    }
  }
  return std::nullopt;
}

// A browser says so itself when a page of another origin asks (W3C, Fetch Metadata).
MaybeRejection check_fetch_site(const http::Request& request) {
  for (const http::Header& header : request.headers) {
    const std::string_view site = trim(header.value, kHeaderBlanks);
    if (equal_ignoring_case(header.name, "Sec-Fetch-Site") && !equal_ignoring_case(site, "none") &&
        !equal_ignoring_case(site, "same-origin")) {
      return reject(Fault::forwarded, "The header Sec-Fetch-Site: " + excerpt(site) +
                                          " shows a request of a web page: ask with a program");
    }
  }
  return std::nullopt;
}

MaybeRejection check_host(std::string_view host, const Rules& rules) {
  if (is_allowed_host(host, rules.extra_hosts)) {
    return std::nullopt;
  }
  return reject(Fault::foreign_host, "The host '" + excerpt(host) +
                                         "' is not this machine's loopback: ask for localhost or 127.0.0.1");
}

MaybeRejection check_host_header(const http::Request& request, const Rules& rules) {
  const auto is_host = [](const http::Header& header) { return equal_ignoring_case(header.name, "Host"); };
  const auto count = std::ranges::count_if(request.headers, is_host);
  if (count > 1) {
    return reject(Fault::bad_host, "The header Host is given more than once");
  }
  if (count == 1) {
    return check_host(trim(*request.header("Host"), kHeaderBlanks), rules);
  }
  if (request.version >= 11) {
    return reject(Fault::bad_host, "The header Host is missing: HTTP/1.1 requires it");
  }
  return std::nullopt;
}

MaybeRejection check_target(const Target& target, const http::Request& request) {
  if (is_token_path(target.path)) {
    return std::nullopt;
  }
  return reject(Fault::unknown_source, "Unknown Source " + excerpt(request.target));
}

MaybeRejection check_metadata_header(const http::Request& request, const Rules& rules) {
  std::optional<std::string_view> value;
  for (const http::Header& header : request.headers) {
    if (!equal_ignoring_case(header.name, "Metadata")) {
      continue;
    }
    const std::string_view another = trim(header.value, kHeaderBlanks);
    if (value && !equal_ignoring_case(*value, another)) {
      return reject(Fault::invalid_parameter,
                    "The header Metadata is given twice with different values: give it once, as 'true'");
    }
    value = another;
  }
  const bool given = value && equal_ignoring_case(*value, "true");
  if (given || !rules.require_metadata_header) {
    return std::nullopt;
  }
  return reject(Fault::missing_metadata_header, "Required metadata header not specified");
}

}  // namespace

ParseResult parse(const http::Request& request, const Rules& rules, std::string room) {
  if (auto rejection = check_method(request)) {
    return *std::move(rejection);
  }
  if (auto rejection = check_not_forwarded(request)) {
    return *std::move(rejection);
  }
  if (auto rejection = check_fetch_site(request)) {
    return *std::move(rejection);
  }
  if (auto rejection = check_host_header(request, rules)) {
    return *std::move(rejection);
  }
  const Target target = split_target(request.target);
  if (target.authority) {
    if (auto rejection = check_host(*target.authority, rules)) {
      return *std::move(rejection);
    }
  }
  if (auto rejection = check_target(target, request)) {
    return *std::move(rejection);
  }
  if (auto rejection = check_metadata_header(request, rules)) {
    return *std::move(rejection);
  }
  return read_parameters(target.query, request.body, std::move(room));
}

}  // namespace msi2imds::legacy

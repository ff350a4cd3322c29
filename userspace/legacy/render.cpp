// SPDX-License-Identifier: MIT
#include "legacy/render.hpp"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "base/json.hpp"

namespace msi2imds::legacy {
namespace {

// Of an answer: all but the strings.
constexpr std::size_t kNamesAndNumbers = 256;

struct LegacyError {
  unsigned status;
  std::string_view code;
};

// Statuses are chosen here and nowhere else.
LegacyError error_of(Fault fault) {
  switch (fault) {
    case Fault::method_not_allowed:
      return {.status = 405, .code = "invalid_request"};
    case Fault::bad_host:
    case Fault::missing_resource:
    case Fault::invalid_parameter:
      return {.status = 400, .code = "invalid_request"};
    case Fault::foreign_host:
    case Fault::forwarded:
      // What the extension's table has for a caller who is not on the loopback; clients take it as final.
      return {.status = 401, .code = "unauthorized_client"};
    case Fault::unknown_source:
      return {.status = 401, .code = "unknown_source"};
    case Fault::missing_metadata_header:
      return {.status = 400, .code = "bad_request_102"};
  }
  return {.status = 500, .code = "unknown"};
}

// The table's word for a refusal that came without one; nothing for a status that IMDS never means as final.
std::optional<std::string_view> code_of_refusal(unsigned status) {
  switch (status) {
    case 400:
    case 405:
      return "invalid_request";
    case 401:
    case 403:
      return "unauthorized_client";
    default:
      return std::nullopt;
  }
}

void add_headers_of_status(http::Response& response) {
  if (response.status == 405) {
    response.headers.push_back({.name = "Allow", .value = "GET, POST"});
  }
}

http::Response error(LegacyError error, std::string_view description) {
  http::Response response;
  response.status = error.status;
  response.body = R"({"error":)";
  append_json_string(response.body, error.code);
  response.body += R"(,"error_description":)";
  append_json_string(response.body, description);
  response.body += '}';
  add_headers_of_status(response);
  return response;
}

http::Response try_again(std::string_view description, std::chrono::seconds later) {
  http::Response response = error({.status = 503, .code = "temporarily_unavailable"}, description);
  response.headers.push_back({.name = "Retry-After", .value = std::to_string(later.count())});
  return response;
}

// The refusal on one line, which is all that Java reads; nothing if it is not an error as clients know them.
std::optional<std::string> one_line_error(const std::string& body) {
  boost::json::error_code ec;
  const boost::json::value value = boost::json::parse(body, ec);
  if (ec || !value.is_object()) {
    return std::nullopt;
  }
  const boost::json::value* code = value.get_object().if_contains("error");
  if (code == nullptr || !code->is_string()) {
    return std::nullopt;
  }
  return body.find_first_of("\r\n") == std::string::npos ? body : boost::json::serialize(value);
}

void append_member(std::string& out, std::string_view opening, std::string_view value) {
  out += opening;
  append_json_string(out, value);
}

void append_member(std::string& out, std::string_view opening, std::int64_t number) {
  std::array<char, 24> digits{};
  const auto [end, ec] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out += opening;
  out += '"';
  out.append(digits.data(), end);
  out += '"';
}

// Moved together with the end, so that a client whose clock is wrong does not take the token for one of the
// future. 0 is none.
std::int64_t begin_of(const token::Token& token, const Times& times) {
  const std::int64_t moved = token.not_before + times.expires_on - token.expires_on;
  return token.not_before == 0 ? 0 : std::max<std::int64_t>(moved, 0);
}

}  // namespace

http::Response render(const token::Token& token, const Times& times, std::string memory) {
  http::Response response;
  response.body = std::move(memory);
  std::string& out = response.body;
  out.reserve(kNamesAndNumbers + token.access_token.size() + token.resource.size() + token.token_type.size() +
              token.client_id.size());
  if (token.is_plain) {
    out.append(R"({"access_token":")").append(token.access_token).append(1, '"');
  } else {
    append_member(out, R"({"access_token":)", token.access_token);
  }
  // Anything but an empty one would switch Go clients to another grant.
  append_member(out, R"(,"refresh_token":)", "");
  append_member(out, R"(,"expires_in":)", std::max<std::int64_t>(times.expires_on - times.now, 0));
  append_member(out, R"(,"expires_on":)", times.expires_on);
  append_member(out, R"(,"not_before":)", begin_of(token, times));
  append_member(out, R"(,"resource":)", token.resource);
  append_member(out, R"(,"token_type":)", token.token_type);
  if (!token.client_id.empty()) {
    append_member(out, R"(,"client_id":)", token.client_id);
  }
  out += '}';
  return response;
}

http::Response render(const token::Refusal& refusal) {
  const std::optional<std::string_view> code = code_of_refusal(refusal.status);
  if (!code) {
    return upstream_failure("IMDS answered " + std::to_string(refusal.status) + ".");
  }
  std::optional<std::string> body = one_line_error(refusal.body);
  if (!body) {
    return error({.status = refusal.status, .code = *code},
                 "IMDS answered " + std::to_string(refusal.status) + ": " + excerpt(refusal.body));
  }
  http::Response response;
  response.status = refusal.status;
  response.body = *std::move(body);
  add_headers_of_status(response);
  return response;
}

http::Response render(const Rejection& rejection) {
  return error(error_of(rejection.fault), rejection.description);
}

http::Response upstream_failure(std::string_view reason) {
  std::string description = "Failed to retrieve token from the Active directory. ";
  description += reason;
  return error({.status = 500, .code = "unknown"}, description);
}

http::Response unavailable(std::chrono::seconds retry_after) {
  return try_again("Too many requests are waiting for a token: try again later", retry_after);
}

http::Response imds_left_alone(std::chrono::seconds retry_after) {
  return try_again("IMDS asks to be left alone for " + std::to_string(retry_after.count()) +
                       " s, longer than this caller can wait: try again then",
                   retry_after);
}

http::Response not_allowed() {
  return error({.status = 403, .code = "access_denied"},
               "The policy of this machine does not allow the caller a token for this resource and identity");
}

http::Response bad_message(unsigned status, std::string_view description) {
  http::Response response = error({.status = status, .code = "invalid_request"}, description);
  response.close = true;
  return response;
}

}  // namespace msi2imds::legacy

// SPDX-License-Identifier: MIT
#include "imds/reply.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/json/parse.hpp>
#include <memory>
#include <optional>

#include "base/json.hpp"
#include "base/text.hpp"
#include "imds/errors.hpp"

namespace msi2imds::imds {
namespace {

namespace json = boost::json;

constexpr std::string_view kTokenPath = "/metadata/identity/oauth2/token?api-version=2018-02-01";

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

void append_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHexDigits[byte >> 4U];
    out += kHexDigits[byte & 0xfU];
  }
}

std::string_view parameter_of(token::SelectorKind kind) {
  switch (kind) {
    case token::SelectorKind::none:
      return {};
    case token::SelectorKind::client_id:
      return "&client_id=";
    case token::SelectorKind::object_id:
      return "&object_id=";
    case token::SelectorKind::resource_id:
      return "&msi_res_id=";
  }
  return {};
}

bool is_json(std::string_view content_type) {
  constexpr std::string_view kJson = "application/json";
  const std::string_view media_type = content_type.substr(0, content_type.find_first_of("; \t"));
  return boost::beast::iequals({media_type.data(), media_type.size()}, {kJson.data(), kJson.size()});
}

// All of the body as one object, or nothing.
std::optional<json::object> parse_object(std::string_view body) {
  json::error_code ec;
  json::value value = json::parse({body.data(), body.size()}, ec);
  if (ec || !value.is_object()) {
    return std::nullopt;
  }
  return std::move(value.as_object());
}

Error bad_token(const std::string& what) {
  return {Errc::bad_token, what};
}

Result<std::string> text_field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr) {
    return bad_token("field " + std::string(name) + " is missing");
  }
  const json::string* text = value->if_string();
  if (text == nullptr) {
    return bad_token("field " + std::string(name) + " is not a string");
  }
  if (text->empty()) {
    return bad_token("field " + std::string(name) + " is empty");
  }
  return std::string(text->data(), text->size());
}

Result<std::int64_t> seconds_field(const json::object& object, std::string_view name) {
  const Result<std::string> text = text_field(object, name);
  if (!text) {
    return text.error();
  }
  const auto seconds = parse_number<std::int64_t>(*text);
  if (!seconds || *seconds < 0 || *seconds > token::kLastSecond) {
    return bad_token("field " + std::string(name) + " is not a whole number of seconds");
  }
  return *seconds;
}

Result<token::TokenResponse> interpret_token(const Reply& reply) {
  if (!is_json(reply.content_type)) {
    return Error(Errc::not_json, "read a token of another content type than application/json");
  }
  const std::optional<json::object> object = parse_object(reply.body);
  if (!object) {
    return Error(Errc::not_json, "read a token");
  }
  auto token = std::make_shared<token::Token>();
  const Result<std::string> access_token = text_field(*object, "access_token");
  if (!access_token) {
    return access_token.error();
  }
  token->access_token = *access_token;
  token->is_plain = is_plain_in_json(*access_token);
  for (const auto& [name, field] :
       {std::pair("token_type", &token::Token::token_type), std::pair("resource", &token::Token::resource)}) {
    Result<std::string> text = text_field(*object, name);
    if (!text) {
      return text.error();
    }
    token.get()->*field = std::move(*text);
  }
  const Result<std::int64_t> expires_on = seconds_field(*object, "expires_on");
  if (!expires_on) {
    return expires_on.error();
  }
  token->expires_on = *expires_on;
  if (object->contains("not_before")) {
    const Result<std::int64_t> not_before = seconds_field(*object, "not_before");
    if (!not_before) {
      return not_before.error();
    }
    token->not_before = *not_before;
  }
  if (object->contains("expires_in")) {
    const Result<std::int64_t> expires_in = seconds_field(*object, "expires_in");
    if (!expires_in) {
      return expires_in.error();
    }
    token->expires_in = *expires_in;
  }
  if (const Result<std::string> client_id = text_field(*object, "client_id"); client_id) {
    token->client_id = *client_id;
  }
  return token::TokenResponse(std::shared_ptr<const token::Token>(std::move(token)));
}

bool may_work_later(unsigned status) {
  return status == 404 || status == 408 || status == 410 || status == 429 || status >= 500;
}

bool is_final(unsigned status) {
  return status == 400 || status == 401 || status == 403 || status == 405;
}

}  // namespace

token::FetchResult interpret(Reply reply) {
  if (reply.status == 200) {
    Result<token::TokenResponse> token = interpret_token(reply);
    if (token) {
      return std::move(*token);
    }
    return token::Failure{.error = token.error(), .remedy = token::Remedy::retry_briefly, .retry_after = {}};
  }
  if (is_final(reply.status)) {
    return token::TokenResponse(token::Refusal{.status = reply.status, .body = std::move(reply.body)});
  }
  const bool later = may_work_later(reply.status);
  return token::Failure{.error = Error(later ? Errc::unavailable : Errc::unexpected_status,
                                       "ask IMDS, which answered " + std::to_string(reply.status)),
                        .remedy = later ? token::Remedy::retry_later : token::Remedy::retry_briefly,
                        .retry_after = reply.retry_after};
}

std::string token_target(const token::TokenRequest& request) {
  std::string target(kTokenPath);
  target += "&resource=";
  append_encoded(target, request.resource);
  const std::string_view parameter = parameter_of(request.identity.kind);
  if (!parameter.empty()) {
    target += parameter;
    append_encoded(target, request.identity.value);
  }
  if (request.bypass_cache) {
    target += "&bypass_cache=true";
  }
  return target;
}

}  // namespace msi2imds::imds

// SPDX-License-Identifier: MIT
#include "migration/claims.hpp"

#include <fmt/core.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/escape.hpp"
#include "base/secret.hpp"
#include "config/selector.hpp"

namespace msi2imds::migration {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestShown = 200;

std::optional<unsigned> value_of(char digit) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const std::size_t place = kDigits.find(digit);
  return place == std::string_view::npos ? std::nullopt : std::optional(static_cast<unsigned>(place));
}

// RFC 4648, section 5, without padding.
std::optional<SecretString> decode_base64url(std::string_view text) {
  SecretString bytes;
  unsigned bits = 0;
  unsigned count = 0;
  for (const char digit : text) {
    const auto value = value_of(digit);
    if (!value) {
      return std::nullopt;
    }
    bits = (bits << 6U | *value) & 0xffffffU;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>(bits >> count & 0xffU));
    }
  }
  return bytes;
}

std::int64_t number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const std::int64_t* number = value != nullptr ? value->if_int64() : nullptr;
  return number != nullptr ? *number : 0;
}

std::string shown(const std::map<std::string, std::string, std::less<>>& names, std::string_view name) {
  const auto found = names.find(name);
  return found == names.end()
             ? "nothing"
             : "\"" + escape::control_characters(found->second.substr(0, kLongestShown)) + "\"";
}

// What becomes of applications when it differs.
std::string_view meaning_of(std::string_view claim) {
  if (claim == "aud" || claim == "iss") {
    return "services may refuse the token";
  }
  if (claim == "tid") {
    return "it is another tenant";
  }
  if (claim == "roles") {
    return "the rights of the application differ";
  }
  return "it is another identity, whose rights may differ";
}

}  // namespace

Result<Claims> read_claims(std::string_view token) {
  const Error damaged = Error::from_errno(EBADMSG, "read the claims of a token");
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) {
    return damaged;
  }
  const auto payload = decode_base64url(token.substr(first + 1, second - first - 1));
  if (!payload) {
    return damaged;
  }
  boost::system::error_code ec;
  const json::value document = json::parse({payload->data(), payload->size()}, ec);
  const json::object* object = ec ? nullptr : document.if_object();
  if (object == nullptr) {
    return damaged;
  }
  Claims claims;
  for (const std::string_view name : kComparedClaims) {
    if (const json::value* value = object->if_contains(name)) {
      const json::string* text = value->if_string();
      claims.names.emplace(name, text != nullptr ? std::string(*text) : json::serialize(*value));
    }
  }
  const std::int64_t issued =
      number_of(*object, "iat") != 0 ? number_of(*object, "iat") : number_of(*object, "nbf");
  claims.lifetime = issued != 0 ? number_of(*object, "exp") - issued : 0;
  return claims;
}

token::IdentitySelector identity_of(const Claims& claims) {
  using token::SelectorKind;
  // The client id goes first: with it, IMDS's answers are compared with what was asked.
  constexpr std::array<std::pair<std::string_view, SelectorKind>, 4> kClaims = {
      {{"appid", SelectorKind::client_id},
       {"azp", SelectorKind::client_id},
       {"oid", SelectorKind::object_id},
       {"xms_mirid", SelectorKind::resource_id}}};
  for (const auto& [claim, kind] : kClaims) {
    const auto found = claims.names.find(claim);
    if (found != claims.names.end()) {
      token::IdentitySelector identity{.kind = kind, .value = found->second};
      if (!config::check_identity(identity)) {
        return identity;
      }
    }
  }
  return {};
}

std::vector<std::string> differences(const Claims& extension, const Claims& imds) {
  std::vector<std::string> found;
  for (const std::string_view name : kComparedClaims) {
    const std::string ours = shown(imds.names, name);
    const std::string theirs = shown(extension.names, name);
    if (ours != theirs) {
      found.push_back(fmt::format("{} is {} from the extension and {} from IMDS: {}", name, theirs, ours,
                                  meaning_of(name)));
    }
  }
  return found;
}

}  // namespace msi2imds::migration

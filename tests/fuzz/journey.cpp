// SPDX-License-Identifier: MIT
#include "fuzz/journey.hpp"

#include <optional>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "broker/key.hpp"
#include "fuzz/require.hpp"
#include "http/client.hpp"
#include "imds/reply.hpp"
#include "legacy/parameters.hpp"
#include "policy/identity_choice.hpp"
#include "policy/policy.hpp"

namespace msi2imds::fuzz {
namespace {

constexpr std::string_view kHost = "169.254.169.254";
constexpr std::string_view kHexDigits = "0123456789ABCDEF";

const policy::IdentityChoice& identities() {
  static const policy::IdentityChoice choice(
      {}, {.kind = token::SelectorKind::client_id, .value = "00000000-0000-0000-0000-00000000000d"});
  return choice;
}

// The one request in these bytes, as strict a reader would understand it.
std::string_view target_of(std::string_view bytes) {
  require(bytes.ends_with("\r\n\r\n") && bytes.find("\r\n\r\n") == bytes.size() - 4);
  const std::string_view line = cut(bytes, "\r\n");
  require(line.starts_with("GET ") && line.ends_with(" HTTP/1.1"));
  const std::string_view target = line.substr(4, line.size() - 4 - 9);
  require(std::ranges::all_of(target, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           contains("-._~%/?&=", {&c, 1});
  }));
  return target;
}

std::string decode(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    require(at + 2 < text.size());
    const std::size_t high = kHexDigits.find(text[at + 1]);
    const std::size_t low = kHexDigits.find(text[at + 2]);
    require(high != std::string_view::npos && low != std::string_view::npos);
    decoded += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return decoded;
}

void set_identity(token::TokenRequest& request, token::SelectorKind kind, std::string value) {
  require(request.identity.kind == token::SelectorKind::none);
  request.identity = {.kind = kind, .value = std::move(value)};
}

// What IMDS would take the target for (RFC 3986), each parameter at most once.
token::TokenRequest read_target(std::string_view target) {
  require(cut(target, "?") == "/metadata/identity/oauth2/token");
  token::TokenRequest request;
  std::optional<std::string> resource;
  while (!target.empty()) {
    std::string_view pair = cut(target, "&");
    const std::string_view name = cut(pair, "=");
    if (name == "resource") {
      require(!resource);
      resource = decode(pair);
    } else if (const auto kind = token::selector_kind_of(name); kind != token::SelectorKind::none) {
      set_identity(request, kind, decode(pair));
    } else if (name == "bypass_cache") {
      require(pair == "true");
      request.bypass_cache = true;
    } else {
      require(name == "api-version");
    }
  }
  require(resource.has_value());
  request.resource = *resource;
  return request;
}

// Allows exactly this resource and identity, as far as patterns can say it.
policy::Policy policy_for(const token::TokenRequest& request) {
  const bool is_named = request.identity.kind != token::SelectorKind::none;
  policy::Rule rule;
  rule.conditions.resources = {request.resource};
  rule.conditions.identities = {is_named ? request.identity.value : "none"};
  return {policy::Mode::enforce, policy::Default::deny, {rule}};
}

bool is_allowed(const policy::Policy& policy, const token::TokenRequest& request) {
  caller::Identity somebody;
  somebody.uid = 1000;
  return policy.decide(somebody, request).is_allowed;
}

void follow_chosen(const token::TokenRequest& judged) {
  const std::string bytes = http::metadata_request(std::string(kHost), imds::token_target(judged));
  const std::string_view target = target_of(bytes);
  const token::TokenRequest asked = read_target(target);
  require(asked.resource == judged.resource && asked.identity == judged.identity);
  require(asked.bypass_cache == judged.bypass_cache);
  require(broker::key_of(asked) == broker::key_of(judged));
  require(broker::KeyHash()(broker::key_of(asked)) == broker::KeyHash()(broker::key_of(judged)));
  // In a rule, "none" stands for requests that name no identity: nobody passes for one of these by that name.
  const bool is_called_none =
      judged.identity.kind != token::SelectorKind::none && equal_ignoring_case(judged.identity.value, "none");
  require(is_allowed(policy_for(judged), asked) != is_called_none);
  require(is_allowed(policy_for(asked), judged) != is_called_none);

  // Our own reader, which is more lenient, understands the same.
  const auto again = legacy::read_parameters(target.substr(target.find('?') + 1), "");
  require(again.has_value() && *again == asked);

  // Another resource is another key, another question and another case for the rules.
  token::TokenRequest other = judged;
  other.resource += 'x';
  require(!(broker::key_of(other) == broker::key_of(judged)));
  require(imds::token_target(other) != imds::token_target(judged));
  require(contains(judged.resource, "*") || contains(judged.resource, "?") ||
          !is_allowed(policy_for(judged), other));
}

}  // namespace

void follow(token::TokenRequest request) {
  follow_chosen(request);
  const token::IdentitySelector named = request.identity;
  const policy::Choice choice = identities().choose({}, request);
  require(named.kind == token::SelectorKind::none
              ? choice.by == policy::ChosenBy::default_
              : choice.by == policy::ChosenBy::client && choice.identity == named);
  request.identity = choice.identity;
  follow_chosen(request);
}

}  // namespace msi2imds::fuzz

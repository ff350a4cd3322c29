// SPDX-License-Identifier: MIT
#include "imds/match.hpp"

#include <string>
#include <string_view>

#include "http/message.hpp"

namespace msi2imds::imds {
namespace {

std::string_view without_slash(std::string_view resource) {
  return resource.substr(0, resource.size() - (resource.ends_with('/') ? 1 : 0));
}

// "{0123...}", "0123..." and "0123-..." are one GUID to who reads them.
std::string digits_of(std::string_view guid) {
  std::string digits(guid);
  std::erase_if(digits, [](char c) { return std::string_view("-{}()").find(c) != std::string_view::npos; });
  return digits;
}

Match::Identity match_identity(const token::Token& token, const token::IdentitySelector& asked) {
  if (asked.kind != token::SelectorKind::client_id ||
      http::equal_ignoring_case(digits_of(token.client_id), digits_of(asked.value))) {
    return Match::Identity::same;
  }
  return token.client_id.empty() ? Match::Identity::unsaid : Match::Identity::other;
}

}  // namespace

bool is_same_resource(std::string_view one, std::string_view other) {
  return http::equal_ignoring_case(without_slash(one), without_slash(other));
}

Match match(const token::Token& token, const token::TokenRequest& request) {
  return {.identity = match_identity(token, request.identity),
          .is_same_resource = is_same_resource(token.resource, request.resource)};
}

}  // namespace msi2imds::imds

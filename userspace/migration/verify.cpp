// SPDX-License-Identifier: MIT
#include "migration/verify.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <utility>
#include <variant>

#include "base/escape.hpp"
#include "config/selector.hpp"
#include "http/message.hpp"
#include "migration/claims.hpp"
#include "migration/extension.hpp"
#include "migration/imds.hpp"

namespace msi2imds::migration {
namespace {

constexpr std::size_t kLongestText = 120;

using TokenPtr = std::shared_ptr<const token::Token>;

// "400 invalid_request": what clients decide on. The rest of the body is of no use here.
std::string describe(const token::Refusal& refusal) {
  boost::system::error_code ec;
  const boost::json::value document = boost::json::parse(refusal.body, ec);
  const boost::json::object* object = ec ? nullptr : document.if_object();
  const boost::json::value* error = object != nullptr ? object->if_contains("error") : nullptr;
  const boost::json::string* text = error != nullptr ? error->if_string() : nullptr;
  return std::to_string(refusal.status) +
         (text != nullptr ? " " + escape::control_characters(std::string(*text).substr(0, kLongestText))
                          : std::string());
}

std::string minutes(std::int64_t age) {
  return std::to_string(age / 60) + " minutes";
}

void compare_tokens(const token::Token& theirs, const token::Token& ours, Comparison& comparison) {
  const Result<Claims> extension = read_claims(theirs.access_token);
  const Result<Claims> imds = read_claims(ours.access_token);
  if (!extension || !imds) {
    comparison.reasons.emplace_back(!extension ? "the extension's token is not a JSON web token"
                                               : "IMDS's token is not a JSON web token");
    return;
  }
  comparison.reasons = differences(*extension, *imds);
  comparison.outcome =
      comparison.reasons.empty() ? Comparison::Outcome::same : Comparison::Outcome::different;
  if (extension->lifetime != imds->lifetime) {
    comparison.reasons.push_back("the lifetime differs, which is fine: " + minutes(extension->lifetime) +
                                 " from the extension, " + minutes(imds->lifetime) + " from IMDS");
  }
}

void compare_answers(const token::TokenResponse& theirs, const token::TokenResponse& ours,
                     Comparison& comparison) {
  const auto* their_token = std::get_if<TokenPtr>(&theirs);
  const auto* our_token = std::get_if<TokenPtr>(&ours);
  if (their_token != nullptr && our_token != nullptr) {
    compare_tokens(**their_token, **our_token, comparison);
  } else if (their_token != nullptr) {
    comparison.outcome = Comparison::Outcome::different;
    comparison.reasons.push_back("the extension gives a token, IMDS refuses: " +
                                 describe(std::get<token::Refusal>(ours)));
  } else if (our_token != nullptr) {
    comparison.outcome = Comparison::Outcome::same;
    comparison.reasons.push_back("the extension refuses (" + describe(std::get<token::Refusal>(theirs)) +
                                 "), IMDS gives a token");
  } else {
    comparison.outcome = Comparison::Outcome::same;
    comparison.reasons.push_back("both refuse: the extension with " +
                                 describe(std::get<token::Refusal>(theirs)) + ", IMDS with " +
                                 describe(std::get<token::Refusal>(ours)));
  }
}

// Where callers that name no identity would get another one than the extension's, or none: finds out which
// one that is, and whether IMDS gives it.
void advise(const config::Config& config, const token::TokenRequest& request,
            const token::TokenResponse& theirs, Comparison& comparison) {
  const auto* their_token = std::get_if<TokenPtr>(&theirs);
  const Result<Claims> extension =
      their_token != nullptr ? read_claims((*their_token)->access_token) : Result<Claims>(Error({}, ""));
  if (!extension) {
    return;
  }
  token::TokenRequest by_name = request;
  by_name.identity = identity_of(*extension);
  if (by_name.identity.kind == token::SelectorKind::none || by_name.identity == config.identity.default_) {
    return;
  }
  const std::string identity =
      std::string(token::key_of(by_name.identity.kind)) + " " + by_name.identity.value;
  const token::FetchResult ours = ask_token(config.imds, by_name);
  const auto* our_token = ours ? std::get_if<TokenPtr>(&*ours) : nullptr;
  if (our_token == nullptr) {
    comparison.reasons.push_back("the extension uses the identity of " + identity +
                                 ", for which IMDS gives no token either");
    return;
  }
  const Result<Claims> imds = read_claims((*our_token)->access_token);
  if (imds && differences(*extension, *imds).empty()) {
    comparison.setting = "identity.default = " + config::to_toml(by_name.identity);
    comparison.reasons.emplace_back(
        "callers that name no identity get the extension's with this line in "
        "/etc/msi2imds/conf.d/identity.toml:");
    comparison.reasons.push_back(comparison.setting);
  }
}

// Nobody listens on the extension's port, or nobody but msi2imds.
bool is_nobody(const Error& error) {
  return error.code() == boost::system::errc::connection_refused ||
         error.code() ==
             boost::system::errc::too_many_symbolic_link_levels;  // ELOOP: we have asked ourselves
}

bool is_refused(const token::FetchResult& result) {
  return result && std::holds_alternative<token::Refusal>(*result);
}

void add_once(std::vector<token::TokenRequest>& requests, const std::string& resource,
              const std::string& identity, std::size_t most) {
  token::TokenRequest request;
  request.resource = resource;
  request.identity = selector_of(identity);
  if (requests.size() < most && std::ranges::find(requests, request) == requests.end()) {
    requests.push_back(std::move(request));
  }
}

}  // namespace

const char* to_string(Comparison::Outcome outcome) {
  switch (outcome) {
    case Comparison::Outcome::same:
      return "same";
    case Comparison::Outcome::different:
      return "different";
    case Comparison::Outcome::nothing_to_compare:
      return "nothing_to_compare";
    case Comparison::Outcome::not_comparable:
      break;
  }
  return "not_comparable";
}

Comparison compare(const config::Config& config, const ExtensionSide& extension,
                   token::TokenRequest request) {
  Comparison comparison;
  comparison.resource = request.resource;
  comparison.identity = request.identity.value;
  comparison.port = extension.port;
  const bool names_none = request.identity.kind == token::SelectorKind::none;
  token::FetchResult ours = ask_token(config.imds, with_default(request, config.identity));
  if (request.identity.kind == token::SelectorKind::client_id && is_refused(ours)) {
    // Which kind of id it was the record of callers does not tell.
    token::TokenRequest by_object = request;
    by_object.identity.kind = token::SelectorKind::object_id;
    token::FetchResult again = ask_token(config.imds, by_object);
    if (again && !is_refused(again)) {
      request = std::move(by_object);
      ours = std::move(again);
    }
  }
  comparison.imds_gives_token = ours && !is_refused(ours);
  const token::FetchResult theirs = ask_extension(config, extension.port, request);
  if (ours && !theirs && !extension.is_present && is_nobody(theirs.error().error)) {
    comparison.outcome = Comparison::Outcome::nothing_to_compare;
    comparison.reasons.push_back(
        "the extension is not on this machine; IMDS " +
        (is_refused(ours) ? "refuses: " + describe(std::get<token::Refusal>(*ours)) : "gives a token"));
    return comparison;
  }
  if (!ours || !theirs) {
    // Whether IMDS answers matters more than why an extension that is not there does not.
    const Error& error =
        !theirs && (ours || extension.is_present) ? theirs.error().error : ours.error().error;
    comparison.reasons.push_back(error.message());
    return comparison;
  }
  compare_answers(*theirs, *ours, comparison);
  if (names_none && comparison.outcome == Comparison::Outcome::different) {
    advise(config, request, *theirs, comparison);
  }
  return comparison;
}

token::TokenRequest with_default(token::TokenRequest request, const config::Identity& identity) {
  if (request.identity.kind == token::SelectorKind::none) {
    request.identity = identity.default_;
  }
  return request;
}

std::vector<token::TokenRequest> requests_in_use(const usage::Table& table, std::size_t most,
                                                 const token::IdentitySelector& default_identity) {
  std::vector<token::TokenRequest> requests;
  for (const usage::Row* row : table.latest_first()) {
    for (const usage::Use& resource : row->resources.named) {
      if (resource.name.empty()) {
        continue;
      }
      if (row->identities.named.empty()) {
        add_once(requests, resource.name, "", most);
      }
      for (const usage::Use& identity : row->identities.named) {
        if (http::equal_ignoring_case(identity.name, default_identity.value)) {
          add_once(requests, resource.name, "", most);
        }
        add_once(requests, resource.name, identity.name, most);
      }
    }
  }
  if (requests.empty()) {
    add_once(requests, kUsualResource, "", 1);
  }
  return requests;
}

token::IdentitySelector selector_of(const std::string& identity) {
  if (identity.empty()) {
    return {};
  }
  const bool is_resource = identity.starts_with('/');
  return {is_resource ? token::SelectorKind::resource_id : token::SelectorKind::client_id, identity};
}

}  // namespace msi2imds::migration

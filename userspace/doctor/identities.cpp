// SPDX-License-Identifier: MIT
#include "doctor/identities.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <set>
#include <variant>
#include <vector>

#include "http/message.hpp"

namespace msi2imds::doctor {
namespace {

namespace json = boost::json;

constexpr const char* kIdentitiesCheck = "identity";
constexpr std::size_t kMostIdentities = 16;  // IMDS allows 20 requests a second
constexpr std::string_view kCut = "...";
constexpr std::string_view kAmbiguous = "Multiple user assigned identities exist";  // IMDS's words

using token::SelectorKind;

struct Outcome {
  bool answers = false;
  bool refused = false;       // by IMDS, for good
  bool is_ambiguous = false;  // since the machine has several identities
  std::string why = {};
};

// Nothing of the body but its `error`.
std::string error_of(const std::string& body) {
  boost::system::error_code ec;
  const json::value document = json::parse(body, ec);
  const json::object* object = ec ? nullptr : document.if_object();
  const json::value* found = object != nullptr ? object->if_contains("error") : nullptr;
  const json::string* text = found != nullptr ? found->if_string() : nullptr;
  constexpr std::size_t kLongest = 64;
  return text != nullptr ? std::string(*text).substr(0, kLongest) : "no error code";
}

Outcome ask(const Host& host, const token::IdentitySelector& identity) {
  token::TokenRequest request;
  request.resource = migration::kUsualResource;
  request.identity = identity;
  const token::FetchResult result = migration::ask_token(host.config.imds, request);
  if (!result) {
    return {.why = result.error().error.message()};
  }
  const auto* refusal = std::get_if<token::Refusal>(&*result);
  if (refusal == nullptr) {
    return {.answers = true};
  }
  return {.refused = true,
          .is_ambiguous = refusal->body.find(kAmbiguous) != std::string::npos,
          .why = "status " + std::to_string(refusal->status) + ", " + error_of(refusal->body)};
}

// The table does not tell whether a GUID is a client's or an object's.
Outcome ask_by_name(const Host& host, const std::string& name) {
  if (name.starts_with('/')) {
    return ask(host, {.kind = SelectorKind::resource_id, .value = name});
  }
  Outcome outcome = ask(host, {.kind = SelectorKind::client_id, .value = name});
  return outcome.refused ? ask(host, {.kind = SelectorKind::object_id, .value = name}) : outcome;
}

// An identity that the configuration names, and where.
struct Configured {
  std::string key;
  token::IdentitySelector identity;
};

// Those that the configuration names, each once.
std::vector<Configured> configured_identities(const config::Identity& settings) {
  std::vector<Configured> all;
  if (settings.default_.kind != SelectorKind::none) {
    all.push_back({"identity.default", settings.default_});
  }
  for (const config::IdentityRule& rule : settings.rules) {
    if (std::ranges::find(all, rule.identity, &Configured::identity) == all.end()) {
      all.push_back({"identity.rule " + (rule.name.empty() ? rule.origin : rule.name), rule.identity});
    }
  }
  return all;
}

// Those that callers have named, or got without naming one, without those that the configuration names.
std::set<std::string> named_identities(const usage::Table& callers,
                                       const std::vector<Configured>& configured) {
  std::set<std::string> names;
  for (const usage::Row& row : callers.rows()) {
    for (const usage::Use& use : row.identities.named) {
      const bool is_configured = std::ranges::any_of(configured, [&use](const Configured& one) {
        return http::equal_ignoring_case(one.identity.value, use.name);
      });
      if (!use.name.empty() && !use.name.ends_with(kCut) && !is_configured) {
        names.insert(use.name);
      }
    }
  }
  return names;
}

Finding judge_unnamed(const Outcome& outcome) {
  if (outcome.answers) {
    return ok(kIdentitiesCheck, "IMDS gives a token to callers that name no identity.");
  }
  if (outcome.is_ambiguous) {
    return warning(
        kIdentitiesCheck,
        "IMDS gives no token to callers that name no identity: this machine has several "
        "user-assigned identities, and identity.default is not set.",
        "Set identity.default to the identity that such callers are to have; msi2imds verify names "
        "the one that the extension uses.");
  }
  return warning(
      kIdentitiesCheck, "IMDS gives no token to callers that name no identity: " + outcome.why + ".",
      outcome.refused ? "Such callers need a system-assigned identity, or exactly one user-assigned."
                      : "Look at what else doctor says of IMDS.");
}

Finding judge_configured(const Configured& configured, const Outcome& outcome) {
  const std::string what = configured.key + " (" + std::string(token::key_of(configured.identity.kind)) +
                           " " + configured.identity.value + ")";
  if (outcome.answers) {
    return ok(kIdentitiesCheck, "IMDS gives a token for " + what + ".");
  }
  if (outcome.refused) {
    return error(kIdentitiesCheck, "IMDS gives no token for " + what + ": " + outcome.why + ".",
                 "Assign that identity to this machine, or correct the configuration.");
  }
  return warning(kIdentitiesCheck, "IMDS gives no token for " + what + ": " + outcome.why + ".",
                 "Look at what else doctor says of IMDS.");
}

Finding judge_named(const std::string& name, const Outcome& outcome) {
  if (outcome.answers) {
    return ok(kIdentitiesCheck,
              "IMDS gives a token for '" + name + "', which a caller has named or was given.");
  }
  return warning(
      kIdentitiesCheck,
      "IMDS gives no token for '" + name + "', which a caller has named or was given: " + outcome.why + ".",
      "Assign that identity to this machine, or correct the caller; msi2imds callers shows whose it is.");
}

}  // namespace

Findings check_identities(const Host& host) {
  Findings findings;
  bool any_answers = false;
  std::size_t asked = 0;
  const std::vector<Configured> configured = configured_identities(host.config.identity);
  if (host.config.identity.default_.kind == SelectorKind::none) {
    const Outcome unnamed = ask(host, {});
    findings.push_back(judge_unnamed(unnamed));
    any_answers = unnamed.answers;
  }
  for (const Configured& one : configured) {
    if (++asked <= kMostIdentities) {
      const Outcome outcome = ask(host, one.identity);
      any_answers = any_answers || outcome.answers;
      findings.push_back(judge_configured(one, outcome));
    }
  }
  for (const std::string& name : named_identities(host.callers, configured)) {
    if (++asked <= kMostIdentities) {
      const Outcome outcome = ask_by_name(host, name);
      any_answers = any_answers || outcome.answers;
      findings.push_back(judge_named(name, outcome));
    }
  }
  if (!host.knows_callers) {
    findings.push_back(unknown(kIdentitiesCheck, "Which identities callers have named is not known."));
  }
  if (asked > kMostIdentities) {
    findings.push_back(
        ok(kIdentitiesCheck, "More identities are named by rules and callers; only the first " +
                                 std::to_string(kMostIdentities) + " were asked for."));
  }
  const bool is_default_at_fault = host.config.identity.default_.kind != SelectorKind::none;
  if (!any_answers && !is_default_at_fault) {
    findings.push_back(
        error(kIdentitiesCheck, "IMDS gives no token at all.", "Assign a managed identity to this machine."));
  }
  return findings;
}

}  // namespace msi2imds::doctor

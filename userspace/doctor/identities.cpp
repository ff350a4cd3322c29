// SPDX-License-Identifier: MIT
#include "doctor/identities.hpp"

#include <boost/json/parse.hpp>
#include <set>
#include <variant>
#include <vector>

namespace msi2imds::doctor {
namespace {

namespace json = boost::json;

constexpr const char* kIdentitiesCheck = "identity";
constexpr const char* kResource = "https://management.azure.com/";
constexpr std::size_t kMostIdentities = 16;  // IMDS allows 20 requests a second
constexpr std::string_view kCut = "...";

using token::SelectorKind;

struct Outcome {
  bool answers = false;
  bool refused = false;  // by IMDS, for good
  std::string why;
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

Outcome ask(const Case& patient, SelectorKind kind, const std::string& name) {
  token::TokenRequest request;
  request.resource = kResource;
  request.identity = {.kind = kind, .value = name};
  const token::FetchResult result = migration::ask_token(patient.config.imds, request);
  if (!result) {
    return {.answers = false, .refused = false, .why = result.error().error.message()};
  }
  const auto* refusal = std::get_if<token::Refusal>(&*result);
  return refusal == nullptr
             ? Outcome{.answers = true, .refused = false, .why = {}}
             : Outcome{.answers = false,
                       .refused = true,
                       .why = "status " + std::to_string(refusal->status) + ", " + error_of(refusal->body)};
}

// The table does not tell whether a GUID is a client's or an object's.
Outcome ask_by_name(const Case& patient, const std::string& name) {
  if (name.starts_with('/')) {
    return ask(patient, SelectorKind::resource_id, name);
  }
  Outcome outcome = ask(patient, SelectorKind::client_id, name);
  return outcome.refused ? ask(patient, SelectorKind::object_id, name) : outcome;
}

std::set<std::string> named_identities(const usage::Table& callers) {
  std::set<std::string> names;
  for (const usage::Row& row : callers.rows()) {
    for (const usage::Use& use : row.identities.named) {
      if (!use.name.empty() && !use.name.ends_with(kCut)) {
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
  return warning(
      kIdentitiesCheck, "IMDS gives no token to callers that name no identity: " + outcome.why + ".",
      outcome.refused ? "Such callers need a system-assigned identity, or exactly one user-assigned."
                      : "Look at what else doctor says of IMDS.");
}

Finding judge_named(const std::string& name, const Outcome& outcome) {
  if (outcome.answers) {
    return ok(kIdentitiesCheck, "IMDS gives a token for '" + name + "', which a caller has named.");
  }
  return warning(kIdentitiesCheck,
                 "IMDS gives no token for '" + name + "', which a caller has named: " + outcome.why + ".",
                 "Assign that identity to this machine, or correct the caller.");
}

}  // namespace

Findings check_identities(const Case& patient) {
  const Outcome unnamed = ask(patient, SelectorKind::none, "");
  Findings findings{judge_unnamed(unnamed)};
  bool any_answers = unnamed.answers;
  std::size_t asked = 0;
  for (const std::string& name : named_identities(patient.callers)) {
    if (++asked > kMostIdentities) {
      findings.push_back(ok(kIdentitiesCheck, "Callers have named more identities; only the first " +
                                                  std::to_string(kMostIdentities) + " were asked for."));
      break;
    }
    const Outcome outcome = ask_by_name(patient, name);
    any_answers = any_answers || outcome.answers;
    findings.push_back(judge_named(name, outcome));
  }
  if (!any_answers) {
    findings.push_back(
        error(kIdentitiesCheck, "IMDS gives no token at all.", "Assign a managed identity to this machine."));
  }
  return findings;
}

}  // namespace msi2imds::doctor

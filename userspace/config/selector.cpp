// SPDX-License-Identifier: MIT
#include "config/selector.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/text.hpp"
#include "config/suggest.hpp"
#include "config/text.hpp"

namespace msi2imds::config {
namespace {

using token::IdentitySelector;
using token::SelectorKind;

constexpr std::string_view kNone = "none";
constexpr std::string_view kExpectedTable =
    "expected a table with one of client_id, object_id and msi_res_id, such as { client_id = "
    "\"01234567-89ab-cdef-0123-456789abcdef\" }, or \"none\"";

bool is_guid(std::string_view text) {
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  return std::ranges::equal(text, kShape, [](char c, char shape) {
    return shape == '-' ? c == '-' : std::isxdigit(static_cast<unsigned char>(c)) != 0;
  });
}

// Where the list below has "", any name may stand.
bool is_resource_id(std::string_view text) {
  for (const std::string_view word : {"subscriptions", "", "resourceGroups", "", "providers",
                                      "Microsoft.ManagedIdentity", "userAssignedIdentities", ""}) {
    if (!text.starts_with('/')) {
      return false;
    }
    text.remove_prefix(1);
    const std::string_view segment = text.substr(0, text.find('/'));
    text.remove_prefix(segment.size());
    const bool is_name = !segment.empty() && std::ranges::all_of(segment, [](unsigned char c) {
      return std::isgraph(c) != 0 &&
             std::string_view("?#%\"\\").find(static_cast<char>(c)) == std::string_view::npos;
    });
    if (word.empty() ? !is_name : !equal_ignoring_case(segment, word)) {
      return false;
    }
  }
  return text.empty();
}

std::string suggest_selector(std::string_view name) {
  const auto meant = nearest(name, token::kSelectorKeys);
  return meant ? "did you mean " + std::string(*meant) + "?"
               : "an identity is named by client_id, object_id or msi_res_id";
}

}  // namespace

std::optional<std::string> check_identity(const IdentitySelector& identity) {
  if (identity.kind == SelectorKind::resource_id) {
    return is_resource_id(identity.value)
               ? std::nullopt
               : std::optional(in_quotes(identity.value) +
                               " is not a resource id of a user-assigned identity; expected "
                               "\"/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.ManagedIdentity/"
                               "userAssignedIdentities/NAME\"");
  }
  return is_guid(identity.value)
             ? std::nullopt
             : std::optional(in_quotes(identity.value) +
                             " is not a GUID; expected one such as \"01234567-89ab-cdef-0123-456789abcdef\"");
}

std::optional<IdentitySelector> read_selector(const Member& member, const IdentitySelector& identity,
                                              const Complain& complain) {
  const SelectorKind kind = token::selector_kind_of(member.name);
  if (kind == SelectorKind::none) {
    complain(member.position, "unknown key; " + suggest_selector(member.name));
    return std::nullopt;
  }
  if (identity.kind != SelectorKind::none) {
    complain(member.position,
             std::string(token::key_of(identity.kind)) + " is given as well; expected only one of them");
    return std::nullopt;
  }
  const auto* text = std::get_if<std::string>(&member.value.content);
  if (text == nullptr) {
    complain(member.value.position, "expected a string, found " + std::string(type_name(member.value)));
    return std::nullopt;
  }
  IdentitySelector named{.kind = kind, .value = *text};
  if (const auto wrong = check_identity(named)) {
    complain(member.value.position, *wrong);
    return std::nullopt;
  }
  return named;
}

std::string to_toml(const IdentitySelector& identity) {
  return "{ " + std::string(token::key_of(identity.kind)) + " = " + in_quotes(identity.value) + " }";
}

std::optional<IdentitySelector> IdentityName::read(const Value& value, const Complain& complain) const {
  const auto* word = std::get_if<std::string>(&value.content);
  if (word != nullptr && *word == kNone) {
    return IdentitySelector();
  }
  const auto* table = std::get_if<Table>(&value.content);
  if (table == nullptr) {
    complain(value.position, std::string(kExpectedTable) + ", found " +
                                 (word != nullptr ? in_quotes(*word) : std::string(type_name(value))));
    return std::nullopt;
  }
  if (table->empty()) {
    complain(value.position, std::string(kExpectedTable) + ", found an empty table");
    return std::nullopt;
  }
  IdentitySelector identity;
  for (const Member& member : *table) {
    const Complain complain_of_member = [&](Position position, const std::string& what) {
      complain(position, member.name + ": " + what);
    };
    const auto named = read_selector(member, identity, complain_of_member);
    if (!named) {
      return std::nullopt;
    }
    identity = *named;
  }
  return identity;
}

Value IdentityName::write(const IdentitySelector& identity) const {
  if (identity.kind == SelectorKind::none) {
    return {std::string(kNone)};
  }
  return {Table{{std::string(token::key_of(identity.kind)), {}, {identity.value}}}};
}

}  // namespace msi2imds::config

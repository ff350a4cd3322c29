// SPDX-License-Identifier: MIT
#include <limits>

#include "base/json.hpp"
#include "usage/clean_text.hpp"
#include "usage/document.hpp"
#include "usage/grants.hpp"

namespace msi2imds::usage {
namespace {

namespace json = boost::json;

// What is not known is left out.
std::string json_of(const Grant& grant) {
  const caller::Identity& caller = grant.caller;
  std::string out = "{\"resource\":";
  append_json_string(out, grant.resource);
  if (grant.named.kind != token::SelectorKind::none) {
    append_member(out, token::key_of(grant.named.kind), grant.named.value);
  }
  if (caller.uid) {
    append_member(out, "uid", std::uint64_t{*caller.uid});
  }
  if (!caller.gids.empty()) {
    append_array(out, "gids", caller.gids, [](std::string& text, gid_t gid) { text += std::to_string(gid); });
  }
  for (const auto& [name, text] : {std::pair<std::string_view, std::string_view>("unit", caller.unit),
                                   {"cgroup", caller.cgroup},
                                   {"program", caller.program}}) {
    if (!text.empty()) {
      append_member(out, name, text);
    }
  }
  if (caller.program_is_verified) {
    out += ",\"program_is_verified\":true";
  }
  append_member(out, "last_used", grant.last_used);
  out += '}';
  return out;
}

token::IdentitySelector parse_named(const json::value& value, const std::string& where) {
  token::IdentitySelector named;
  for (const std::string_view key : token::kSelectorKeys) {
    if (!parse_object(value, where).contains(key)) {
      continue;
    }
    if (named.kind != token::SelectorKind::none) {
      throw Damage{where + " names two identities"};
    }
    named = {.kind = token::selector_kind_of(key), .value = member_text(value, key, where)};
  }
  return named;
}

caller::Identity parse_caller(const json::value& value, const std::string& where) {
  const json::object& members = parse_object(value, where);
  const auto text_of = [&](std::string_view name) {
    return members.contains(name) ? member_text(value, name, where) : std::string();
  };
  caller::Identity caller;
  if (members.contains("uid")) {
    caller.uid = static_cast<uid_t>(member_number(value, "uid", std::numeric_limits<uid_t>::max(), where));
  }
  if (members.contains("gids")) {
    for (const json::value& gid : member_array(value, "gids", kMaxGroups, where)) {
      caller.gids.push_back(static_cast<gid_t>(parse_number(gid, std::numeric_limits<gid_t>::max(),
                                                            element_of(where, "gids", caller.gids.size()))));
    }
  }
  caller.unit = text_of("unit");
  caller.cgroup = text_of("cgroup");
  caller.program = text_of("program");
  caller.program_is_verified =
      members.contains("program_is_verified") && member_bool(value, "program_is_verified", where);
  return caller;
}

}  // namespace

std::string Grants::to_json() const {
  std::string out = "[";
  for (const Grant* grant : latest_first(0)) {
    const std::string text = json_of(*grant);
    if (out.size() + text.size() + 2 > kMaxGrantsJson) {
      break;
    }
    out += out.size() == 1 ? "" : ",";
    out += text;
  }
  out += ']';
  return out;
}

Grants Grants::parse(const json::array& array, const std::string& where) {
  Grants grants;
  for (const json::value& value : array) {
    const std::string place = where + "[" + std::to_string(grants.entries_.size()) + "]";
    grants.insert(grants.entries_.end(), {.caller = parse_caller(value, place),
                                          .resource = member_text(value, "resource", place),
                                          .named = parse_named(value, place),
                                          .last_used = member_number(value, "last_used", kMaxTime, place)});
  }
  return grants;
}

}  // namespace msi2imds::usage

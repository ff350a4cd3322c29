// SPDX-License-Identifier: MIT
#include "config/reader.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "config/check.hpp"
#include "config/keys.hpp"
#include "config/rule.hpp"
#include "config/rules.hpp"
#include "config/unknown.hpp"

namespace msi2imds::config {
namespace {

bool is_bare(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

// The dotted name; one part with a dot of its own stays in quotes, as it is another key.
std::string join(std::string_view table, std::string_view name) {
  const std::string prefix = table.empty() ? "" : std::string(table) + ".";
  return prefix + (is_bare(name) ? std::string(name) : '"' + std::string(name) + '"');
}

bool is_table_name(std::string_view name) {
  const auto known = tables();
  return std::ranges::find(known, name) != known.end();
}

}  // namespace

void Reader::read(std::string_view text, const std::string& file_name) {
  const auto document = read_toml(text);
  if (!document) {
    problems_.add_file({file_name, document.error().position}, "syntax error: " + document.error().reason);
    return;
  }
  for (const Member& member : *document) {
    read_member("", member, file_name);
  }
}

void Reader::read_member(std::string_view table, const Member& member, const std::string& file_name) {
  const std::string name = join(table, member.name);
  const Complain complain = [&](Position position, const std::string& what) {
    problems_.add({file_name, position}, name, what);
  };
  const auto* members = std::get_if<Table>(&member.value.content);

  if (name == kAllowTable) {
    origins_.insert_or_assign(name, Origin{file_name, member.position});
    if (auto rules = read_allow(member.value, file_name, problems_)) {
      config_.allow = std::move(*rules);
    }
  } else if (name == kIdentityRuleTable) {
    origins_.insert_or_assign(name, Origin{file_name, member.position});
    if (auto rules = read_identity_rules(member.value, file_name, problems_)) {
      config_.identity.rules = std::move(*rules);
    }
  } else if (const Key* key = find_key(name)) {
    origins_.insert_or_assign(name, Origin{file_name, member.position});
    key->read(member.value, config_, complain);
  } else if (!is_table_name(name) && table.empty() && members != nullptr) {
    complain(member.position, "unknown table; " + suggest_table(name));
  } else if (!is_table_name(name)) {
    complain(member.position, "unknown key; " + suggest_key(name));
  } else if (members == nullptr) {
    complain(member.position, "expected a table, found " + std::string(type_name(member.value)));
  } else {
    for (const Member& inner : *members) {
      read_member(name, inner, file_name);
    }
  }
}

void Reader::cannot_read(const std::string& file_name, std::string_view why) {
  problems_.add_file({file_name, {}}, why);
}

Result<Sourced> Reader::finish() {
  check(config_, origins_, problems_);
  if (!problems_.empty()) {
    return problems_.to_error();
  }
  return Sourced{.config = std::move(config_), .origins = std::move(origins_)};
}

}  // namespace msi2imds::config

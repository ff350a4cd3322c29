// SPDX-License-Identifier: MIT
#include "config/rule.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "accounts/accounts.hpp"
#include "accounts/getent.hpp"
#include "base/text.hpp"
#include "config/keys.hpp"
#include "config/kinds.hpp"
#include "config/rule_values.hpp"
#include "config/selector.hpp"
#include "config/suggest.hpp"
#include "config/text.hpp"

namespace msi2imds::config {
namespace {

constexpr std::int64_t kLargestId = 4'294'967'294;
constexpr std::string_view kOrigin = "origin";  // in what is written here
constexpr std::array<std::string_view, 12> kKeys = {
    "name",    "uid",    "gid",       "user",           "group",           "unit",
    "program", "sha256", "container", "container_name", "container_image", "resource"};
constexpr std::string_view kIdentityPattern = "identity";

// Keys of the tables above, as they are written by mistake below a rule, to which they would belong then.
constexpr std::array<std::string_view, 4> kPolicyKeys = {"mode", "default", "close_imds", "policy"};
constexpr std::array<std::string_view, 1> kIdentityKeys = {"default"};

// The table that such a key belongs to. What is appended to a file (log.level = "debug") belongs to its last
// table.
std::optional<std::string> table_above(RuleKind kind, const Member& member) {
  const std::vector<std::string_view> all = tables();
  if (std::holds_alternative<Table>(member.value.content) && std::ranges::count(all, member.name) != 0) {
    return member.name;
  }
  const bool is_above = kind == RuleKind::allow ? std::ranges::count(kPolicyKeys, member.name) != 0
                                                : std::ranges::count(kIdentityKeys, member.name) != 0;
  return is_above ? std::optional(kind == RuleKind::allow ? "policy" : "identity") : std::nullopt;
}

std::string suggest_rule_key(RuleKind kind, const Member& member) {
  std::vector<std::string_view> known(kKeys.begin(), kKeys.end());
  if (kind == RuleKind::allow) {
    known.push_back(kIdentityPattern);
  } else {
    known.insert(known.end(), token::kSelectorKeys.begin(), token::kSelectorKeys.end());
  }
  if (const auto meant = nearest(member.name, known)) {
    return "did you mean " + std::string(table_of(kind)) + "." + std::string(*meant) + "?";
  }
  if (const auto table = table_above(kind, member)) {
    return "the keys of [" + *table + "] go above the first [[" + std::string(table_of(kind)) + "]]";
  }
  return "the keys of a rule are " + list(known);
}

// Reads one rule; complains of each thing that is wrong with it.
class RuleReader {
 public:
  RuleReader(RuleKind kind, const std::string& file, Problems& problems)
      : kind_(kind), table_(table_of(kind)), file_(file), problems_(problems) {}

  std::optional<Rule> read(const Value& value) {
    const auto* table = std::get_if<Table>(&value.content);
    if (table == nullptr) {
      complain(value.position, table_,
               "expected [[" + table_ + "]] tables, found " + std::string(type_name(value)));
      return std::nullopt;
    }
    rule_.origin = file_ + ":" + std::to_string(value.position.line);
    if (std::ranges::find(*table, kOrigin, &Member::name) != table->end()) {  // as we write it ourselves
      largest_id_ = accounts::kNotYetKnown;
    }
    for (const Member& member : *table) {
      read_member(member);
    }
    if (sound_) {
      check_whole(value.position);
    }
    return sound_ ? std::optional(std::move(rule_)) : std::nullopt;
  }

 private:
  void check_whole(Position position) {
    if (rule_.conditions == Conditions()) {
      complain(
          position, table_,
          kind_ == RuleKind::allow
              ? "a rule without a condition allows everybody; expected a condition, or policy.default = "
                "\"allow\""
              : "a rule without a condition is for everybody; expected a condition, or identity.default");
    }
    if (kind_ == RuleKind::identity && rule_.identity.kind == token::SelectorKind::none) {
      complain(position, table_,
               "a rule without an identity; expected one of client_id, object_id and msi_res_id");
    }
  }

  void complain(Position position, const std::string& key, const std::string& what) {
    sound_ = false;
    problems_.add({file_, position}, key, what);
  }

  void read_member(const Member& member) {
    const std::string key = table_ + "." + member.name;
    Conditions& to = rule_.conditions;
    if (member.name == kOrigin || member.name == "name") {
      label(member, key, member.name == kOrigin ? rule_.origin : rule_.name);
    } else if (member.name == "uid") {
      ids(member, key, to.uids);
    } else if (member.name == "gid") {
      ids(member, key, to.gids);
    } else if (member.name == "user" || member.name == "group") {
      accounts(member, key);
    } else if (member.name == "unit") {
      to.units = texts(member, key, check_unit);
    } else if (member.name == "program") {
      to.programs = texts(member, key, check_program);
    } else if (member.name == "sha256") {
      to.sha256s = hexadecimal(member, key, check_sha256);
    } else if (member.name == "container") {
      to.containers = hexadecimal(member, key, check_container);
    } else if (member.name == "container_name") {
      to.container_names = texts(member, key, check_container_name);
    } else if (member.name == "container_image") {
      to.container_images = texts(member, key, check_pattern);
    } else if (member.name == "resource") {
      to.resources = texts(member, key, check_pattern);
    } else if (kind_ == RuleKind::allow && member.name == kIdentityPattern) {
      to.identities = texts(member, key, check_pattern);
    } else if (kind_ == RuleKind::identity &&
               token::selector_kind_of(member.name) != token::SelectorKind::none) {
      identity(member, key);
    } else {
      complain(member.position, key, "unknown key; " + suggest_rule_key(kind_, member));
    }
  }

  void identity(const Member& member, const std::string& key) {
    const auto named = read_selector(member, rule_.identity, [&](Position position, const std::string& what) {
      complain(position, key, what);
    });
    rule_.identity = named.value_or(rule_.identity);
  }

  void label(const Member& member, const std::string& key, std::string& to) {
    const auto* text = std::get_if<std::string>(&member.value.content);
    const auto wrong = text == nullptr
                           ? "expected a string, found " + std::string(type_name(member.value))
                           : (member.name == kOrigin ? check_origin(*text) : check_name(*text)).value_or("");
    if (wrong.empty()) {
      to = *text;
    } else {
      complain(member.value.position, key, wrong);
    }
  }

  // One value, or an array of them.
  std::vector<Value> values(const Member& member, const std::string& key) {
    const auto* array = std::get_if<Array>(&member.value.content);
    if (array != nullptr && array->empty()) {
      complain(member.value.position, key, "an empty array matches nobody; expected at least one value");
    }
    return array != nullptr ? *array : std::vector<Value>{member.value};
  }

  std::vector<std::string> texts(const Member& member, const std::string& key, Check check) {
    std::vector<std::string> all;
    for (const Value& value : values(member, key)) {
      const auto* text = std::get_if<std::string>(&value.content);
      const auto wrong =
          text == nullptr
              ? std::optional("expected a string or an array of them, found " + std::string(type_name(value)))
              : check(*text);
      if (wrong) {
        complain(value.position, key, *wrong);
      }
      all.push_back(text == nullptr ? "" : *text);
    }
    return all;
  }

  // In lower case, as the kernel's side writes them.
  std::vector<std::string> hexadecimal(const Member& member, const std::string& key, Check check) {
    std::vector<std::string> all = texts(member, key, check);
    for (std::string& text : all) {
      text = to_lower(text);
    }
    return all;
  }

  void ids(const Member& member, const std::string& key, std::vector<std::uint32_t>& to) {
    for (const Value& value : values(member, key)) {
      const auto id = read_integer(value, 0, largest_id_, [&](Position position, const std::string& what) {
        complain(position, key, what);
      });
      to.push_back(static_cast<std::uint32_t>(id.value_or(0)));
    }
  }

  void accounts(const Member& member, const std::string& key) {
    const bool is_user = member.name == "user";
    for (const std::string& name : texts(member, key, check_account)) {
      const std::optional<std::uint32_t> id =
          accounts::find_id(is_user ? accounts::Database::passwd : accounts::Database::group, name);
      if (!id && !name.empty()) {
        complain(member.value.position, key,
                 "there is no " + member.name + " " + in_quotes(name) + " in " +
                     (is_user ? accounts::kPasswdFile : accounts::kGroupFile) +
                     (accounts::is_getent_late() ? ", and getent has not answered" : "") +
                     "; expected one, or " + (is_user ? "uid" : "gid") + " = NUMBER");
      }
      (is_user ? rule_.conditions.uids : rule_.conditions.gids).push_back(id.value_or(0));
    }
  }

  RuleKind kind_;
  std::string table_;
  const std::string& file_;
  Problems& problems_;
  Rule rule_;
  std::int64_t largest_id_ = kLargestId;
  bool sound_ = true;
};

Value write_texts(const std::vector<std::string>& texts) {
  Array array;
  for (const std::string& text : texts) {
    array.push_back({text});
  }
  return {std::move(array)};
}

Value write_ids(const std::vector<std::uint32_t>& ids) {
  Array array;
  for (const std::uint32_t id : ids) {
    array.push_back({std::int64_t{id}});
  }
  return {std::move(array)};
}

}  // namespace

std::string_view table_of(RuleKind kind) {
  return kind == RuleKind::allow ? kAllowTable : kIdentityRuleTable;
}

std::optional<Rule> read_rule(RuleKind kind, const Value& value, const std::string& file_name,
                              Problems& problems) {
  return RuleReader(kind, file_name, problems).read(value);
}

Value write_rule(const Rule& rule) {
  const Conditions& conditions = rule.conditions;
  Table table;
  const auto add = [&table](std::string_view key, bool is_given, Value value) {
    if (is_given) {
      table.push_back({std::string(key), {}, std::move(value)});
    }
  };
  add(kOrigin, true, {rule.origin});
  add("name", !rule.name.empty(), {rule.name});
  add("uid", !conditions.uids.empty(), write_ids(conditions.uids));
  add("gid", !conditions.gids.empty(), write_ids(conditions.gids));
  add("unit", !conditions.units.empty(), write_texts(conditions.units));
  add("program", !conditions.programs.empty(), write_texts(conditions.programs));
  add("sha256", !conditions.sha256s.empty(), write_texts(conditions.sha256s));
  add("container", !conditions.containers.empty(), write_texts(conditions.containers));
  add("container_name", !conditions.container_names.empty(), write_texts(conditions.container_names));
  add("container_image", !conditions.container_images.empty(), write_texts(conditions.container_images));
  add("resource", !conditions.resources.empty(), write_texts(conditions.resources));
  add(kIdentityPattern, !conditions.identities.empty(), write_texts(conditions.identities));
  add(token::key_of(rule.identity.kind), rule.identity.kind != token::SelectorKind::none,
      {rule.identity.value});
  return {std::move(table)};
}

}  // namespace msi2imds::config

// SPDX-License-Identifier: MIT
#include "config/rules.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "accounts/accounts.hpp"
#include "config/kinds.hpp"
#include "config/selector.hpp"
#include "config/suggest.hpp"
#include "config/text.hpp"

namespace msi2imds::config {
namespace {

constexpr std::size_t kMostRules = 256;
constexpr std::int64_t kLargestId = 4'294'967'294;
constexpr std::array<std::string_view, 6> kUnitSuffixes = {".service", ".scope", ".slice",
                                                           ".socket",  ".mount", ".swap"};
constexpr std::string_view kOrigin = "origin";  // in what is written here
constexpr std::array<std::string_view, 8> kKeys = {"name",  "uid",  "gid",     "user",
                                                   "group", "unit", "program", "resource"};
constexpr std::string_view kIdentityPattern = "identity";

// What is not the same of all rules.
enum class Kind : std::uint8_t { allow, identity };

std::string_view table_of(Kind kind) {
  return kind == Kind::allow ? kAllowTable : kIdentityRuleTable;
}

std::vector<std::string_view> keys_of(Kind kind) {
  std::vector<std::string_view> names(kKeys.begin(), kKeys.end());
  if (kind == Kind::allow) {
    names.push_back(kIdentityPattern);
  } else {
    names.insert(names.end(), kSelectorKeys.begin(), kSelectorKeys.end());
  }
  return names;
}

std::optional<std::string> check_name(std::string_view text) {
  if (text.empty() || text.size() > 128 || std::ranges::any_of(text, is_control)) {
    return in_quotes(text) + " is no name for a rule; expected up to 128 printable characters";
  }
  return std::nullopt;
}

// Paths may be long.
std::optional<std::string> check_origin(std::string_view text) {
  if (text.empty()) {
    return "\"\" is no place; expected \"FILE:LINE\", or no such key";
  }
  return std::nullopt;
}

// A path as the kernel writes it: any other would match nobody.
bool is_plain_path(std::string_view path) {
  return path.starts_with('/') && !path.ends_with('/') && !path.ends_with("/.") && !path.ends_with("/..") &&
         path.find("//") == std::string_view::npos && path.find("/./") == std::string_view::npos &&
         path.find("/../") == std::string_view::npos && std::ranges::none_of(path, is_control);
}

bool is_unit_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view(":-_.\\@").find(c) != std::string_view::npos;
}

// Only these have processes.
bool is_unit_name(std::string_view text) {
  const std::size_t dot = text.rfind('.');
  return dot != std::string_view::npos && dot != 0 && std::ranges::all_of(text, is_unit_character) &&
         std::ranges::find(kUnitSuffixes, text.substr(dot)) != kUnitSuffixes.end();
}

std::optional<std::string> check_unit(std::string_view text) {
  if (text.starts_with('/') ? text == "/" || is_plain_path(text) : is_unit_name(text)) {
    return std::nullopt;
  }
  return in_quotes(text) +
         " is no unit with processes; expected one such as \"backup.service\", or the whole path of a cgroup";
}

std::optional<std::string> check_program(std::string_view text) {
  if (is_plain_path(text)) {
    return std::nullopt;
  }
  return in_quotes(text) + " is no absolute path of a program; expected one such as \"/usr/bin/backup\"";
}

std::optional<std::string> check_pattern(std::string_view text) {
  if (text.empty() || std::ranges::any_of(text, is_control)) {
    return in_quotes(text) + " is no pattern; expected a text in which * stands for any characters";
  }
  return std::nullopt;
}

std::optional<std::string> check_account(std::string_view text) {
  return text.empty() ? std::optional<std::string>("expected a name") : std::nullopt;
}

std::string suggest_rule_key(Kind kind, std::string_view name) {
  const std::vector<std::string_view> known = keys_of(kind);
  const auto nearest =
      std::ranges::min_element(known, {}, [&](std::string_view key) { return edit_distance(name, key); });
  if (edit_distance(name, *nearest) <= std::max<std::size_t>(1, name.size() / 3)) {
    return "did you mean " + std::string(table_of(kind)) + "." + std::string(*nearest) + "?";
  }
  std::string all;
  for (const std::string_view key : known) {
    all += (all.empty() ? "" : ", ") + std::string(key);
  }
  return "the keys of a rule are " + all;
}

// What any rule may say.
struct Rule {
  std::string name;
  std::string origin;
  Conditions conditions;
  token::IdentitySelector identity;
};

// Reads one rule; complains of each thing that is wrong with it.
class RuleReader {
 public:
  RuleReader(Kind kind, const std::string& file, Problems& problems)
      : kind_(kind), table_(table_of(kind)), file_(file), problems_(problems) {}

  std::optional<Rule> read(const Value& value) {
    const auto* table = std::get_if<Table>(&value.content);
    if (table == nullptr) {
      complain(value.position, table_,
               "expected [[" + table_ + "]] tables, found " + std::string(type_name(value)));
      return std::nullopt;
    }
    rule_.origin = file_ + ":" + std::to_string(value.position.line);
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
    if (!rule_.conditions.are_given()) {
      complain(
          position, table_,
          kind_ == Kind::allow
              ? "a rule without a condition allows everybody; expected a condition, or policy.default = "
                "\"allow\""
              : "a rule without a condition is for everybody; expected a condition, or identity.default");
    }
    if (kind_ == Kind::identity && rule_.identity.kind == token::SelectorKind::none) {
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
    } else if (member.name == "resource") {
      to.resources = texts(member, key, check_pattern);
    } else if (kind_ == Kind::allow && member.name == kIdentityPattern) {
      to.identities = texts(member, key, check_pattern);
    } else if (kind_ == Kind::identity && selector_kind_of(member.name) != token::SelectorKind::none) {
      identity(member, key);
    } else {
      complain(member.position, key, "unknown key; " + suggest_rule_key(kind_, member.name));
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

  void ids(const Member& member, const std::string& key, std::vector<std::uint32_t>& to) {
    for (const Value& value : values(member, key)) {
      const auto id = read_integer(value, 0, kLargestId, [&](Position position, const std::string& what) {
        complain(position, key, what);
      });
      to.push_back(static_cast<std::uint32_t>(id.value_or(0)));
    }
  }

  void accounts(const Member& member, const std::string& key) {
    const bool is_user = member.name == "user";
    for (const std::string& name : texts(member, key, check_account)) {
      std::optional<std::uint32_t> id;
      if (is_user) {
        const auto user = accounts::find_user(name);
        id = user ? std::optional(user->uid) : std::nullopt;
      } else {
        id = accounts::find_group(name);
      }
      if (!id && !name.empty()) {
        complain(member.value.position, key,
                 "there is no " + member.name + " " + in_quotes(name) + " in " +
                     (is_user ? accounts::kPasswdFile : accounts::kGroupFile) + "; expected one, or " +
                     (is_user ? "uid" : "gid") + " = NUMBER");
      }
      (is_user ? rule_.conditions.uids : rule_.conditions.gids).push_back(id.value_or(0));
    }
  }

  Kind kind_;
  std::string table_;
  const std::string& file_;
  Problems& problems_;
  Rule rule_;
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

// The rules of an array, or nothing when one of them will not do.
std::optional<std::vector<Rule>> read_rules(Kind kind, const Value& value, const std::string& file_name,
                                            Problems& problems) {
  const std::string table(table_of(kind));
  const auto* array = std::get_if<Array>(&value.content);
  const auto complain = [&](const std::string& what) {
    problems.add({file_name, value.position}, table, what);
  };
  if (array == nullptr) {
    complain("expected [[" + table + "]] tables, found " + std::string(type_name(value)));
    return std::nullopt;
  }
  if (array->size() > kMostRules) {
    complain(std::to_string(array->size()) + " rules; expected at most " + std::to_string(kMostRules));
    return std::nullopt;
  }
  std::vector<Rule> rules;
  for (const Value& element : *array) {
    if (auto rule = RuleReader(kind, file_name, problems).read(element)) {
      rules.push_back(std::move(*rule));
    }
  }
  return rules.size() == array->size() ? std::optional(std::move(rules)) : std::nullopt;
}

Table write_rule(const std::string& name, const std::string& origin, const Conditions& conditions) {
  Table table;
  const auto add = [&table](std::string_view key, bool is_given, Value value) {
    if (is_given) {
      table.push_back({std::string(key), {}, std::move(value)});
    }
  };
  add(kOrigin, true, {origin});
  add("name", !name.empty(), {name});
  add("uid", !conditions.uids.empty(), write_ids(conditions.uids));
  add("gid", !conditions.gids.empty(), write_ids(conditions.gids));
  add("unit", !conditions.units.empty(), write_texts(conditions.units));
  add("program", !conditions.programs.empty(), write_texts(conditions.programs));
  add("resource", !conditions.resources.empty(), write_texts(conditions.resources));
  add(kIdentityPattern, !conditions.identities.empty(), write_texts(conditions.identities));
  return table;
}

}  // namespace

std::optional<std::vector<Allow>> read_allow(const Value& value, const std::string& file_name,
                                             Problems& problems) {
  auto read = read_rules(Kind::allow, value, file_name, problems);
  if (!read) {
    return std::nullopt;
  }
  std::vector<Allow> rules;
  for (Rule& rule : *read) {
    rules.push_back({.name = std::move(rule.name),
                     .origin = std::move(rule.origin),
                     .conditions = std::move(rule.conditions)});
  }
  return rules;
}

std::optional<std::vector<IdentityRule>> read_identity_rules(const Value& value, const std::string& file_name,
                                                             Problems& problems) {
  auto read = read_rules(Kind::identity, value, file_name, problems);
  if (!read) {
    return std::nullopt;
  }
  std::vector<IdentityRule> rules;
  for (Rule& rule : *read) {
    rules.push_back({.name = std::move(rule.name),
                     .origin = std::move(rule.origin),
                     .conditions = std::move(rule.conditions),
                     .identity = std::move(rule.identity)});
  }
  return rules;
}

Value write_allow(const std::vector<Allow>& rules) {
  Array array;
  for (const Allow& rule : rules) {
    array.push_back({write_rule(rule.name, rule.origin, rule.conditions)});
  }
  return {std::move(array)};
}

Value write_identity_rules(const std::vector<IdentityRule>& rules) {
  Array array;
  for (const IdentityRule& rule : rules) {
    Table table = write_rule(rule.name, rule.origin, rule.conditions);
    table.push_back({std::string(key_of(rule.identity.kind)), {}, {rule.identity.value}});
    array.push_back({std::move(table)});
  }
  return {std::move(array)};
}

}  // namespace msi2imds::config

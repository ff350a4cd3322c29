// SPDX-License-Identifier: MIT
#include "config/allow.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "accounts/accounts.hpp"
#include "config/kinds.hpp"
#include "config/suggest.hpp"
#include "config/text.hpp"

namespace msi2imds::config {
namespace {

constexpr std::size_t kMostRules = 256;
constexpr std::int64_t kLargestId = 4'294'967'294;
constexpr std::array<std::string_view, 6> kUnitSuffixes = {".service", ".scope", ".slice",
                                                           ".socket",  ".mount", ".swap"};
constexpr std::string_view kOrigin = "origin";  // in what write_allow() writes
constexpr std::array<std::string_view, 9> kKeys = {"name", "uid",     "gid",      "user",    "group",
                                                   "unit", "program", "resource", "identity"};

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

std::string suggest_rule_key(std::string_view name) {
  const auto* const nearest =
      std::ranges::min_element(kKeys, {}, [&](std::string_view key) { return edit_distance(name, key); });
  if (edit_distance(name, *nearest) <= std::max<std::size_t>(1, name.size() / 3)) {
    return "did you mean allow." + std::string(*nearest) + "?";
  }
  std::string all;
  for (const std::string_view key : kKeys) {
    all += (all.empty() ? "" : ", ") + std::string(key);
  }
  return "the keys of a rule are " + all;
}

// Reads one rule; complains of each thing that is wrong with it.
class RuleReader {
 public:
  RuleReader(const std::string& file, Problems& problems) : file_(file), problems_(problems) {}

  std::optional<Allow> read(const Value& value) {
    const auto* table = std::get_if<Table>(&value.content);
    if (table == nullptr) {
      complain(value.position, "allow", "expected [[allow]] tables, found " + std::string(type_name(value)));
      return std::nullopt;
    }
    rule_.origin = file_ + ":" + std::to_string(value.position.line);
    for (const Member& member : *table) {
      read_member(member);
    }
    if (sound_ && !has_condition()) {
      complain(value.position, "allow",
               "a rule without a condition allows everybody; expected a condition, or policy.default = "
               "\"allow\"");
    }
    return sound_ ? std::optional(std::move(rule_)) : std::nullopt;
  }

 private:
  [[nodiscard]] bool has_condition() const {
    return !rule_.uids.empty() || !rule_.gids.empty() || !rule_.units.empty() || !rule_.programs.empty() ||
           !rule_.resources.empty() || !rule_.identities.empty();
  }

  void complain(Position position, const std::string& key, const std::string& what) {
    sound_ = false;
    problems_.add({file_, position}, key, what);
  }

  void read_member(const Member& member) {
    const std::string key = "allow." + member.name;
    if (member.name == kOrigin || member.name == "name") {
      label(member, key, member.name == kOrigin ? rule_.origin : rule_.name);
    } else if (member.name == "uid") {
      ids(member, key, rule_.uids);
    } else if (member.name == "gid") {
      ids(member, key, rule_.gids);
    } else if (member.name == "user" || member.name == "group") {
      accounts(member, key);
    } else if (member.name == "unit") {
      rule_.units = texts(member, key, check_unit);
    } else if (member.name == "program") {
      rule_.programs = texts(member, key, check_program);
    } else if (member.name == "resource") {
      rule_.resources = texts(member, key, check_pattern);
    } else if (member.name == "identity") {
      rule_.identities = texts(member, key, check_pattern);
    } else {
      complain(member.position, key, "unknown key; " + suggest_rule_key(member.name));
    }
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
      (is_user ? rule_.uids : rule_.gids).push_back(id.value_or(0));
    }
  }

  const std::string& file_;
  Problems& problems_;
  Allow rule_;
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

std::optional<std::vector<Allow>> read_allow(const Value& value, const std::string& file_name,
                                             Problems& problems) {
  const auto* array = std::get_if<Array>(&value.content);
  const auto complain = [&](const std::string& what) {
    problems.add({file_name, value.position}, kAllowTable, what);
  };
  if (array == nullptr) {
    complain("expected [[allow]] tables, found " + std::string(type_name(value)));
    return std::nullopt;
  }
  if (array->size() > kMostRules) {
    complain(std::to_string(array->size()) + " rules; expected at most " + std::to_string(kMostRules));
    return std::nullopt;
  }
  std::vector<Allow> rules;
  for (const Value& element : *array) {
    if (auto rule = RuleReader(file_name, problems).read(element)) {
      rules.push_back(std::move(*rule));
    }
  }
  return rules.size() == array->size() ? std::optional(std::move(rules)) : std::nullopt;
}

Value write_allow(const std::vector<Allow>& rules) {
  Array array;
  for (const Allow& rule : rules) {
    Table table;
    const auto add = [&table](std::string_view name, bool is_given, Value value) {
      if (is_given) {
        table.push_back({std::string(name), {}, std::move(value)});
      }
    };
    add(kOrigin, true, {rule.origin});
    add("name", !rule.name.empty(), {rule.name});
    add("uid", !rule.uids.empty(), write_ids(rule.uids));
    add("gid", !rule.gids.empty(), write_ids(rule.gids));
    add("unit", !rule.units.empty(), write_texts(rule.units));
    add("program", !rule.programs.empty(), write_texts(rule.programs));
    add("resource", !rule.resources.empty(), write_texts(rule.resources));
    add("identity", !rule.identities.empty(), write_texts(rule.identities));
    array.push_back({std::move(table)});
  }
  return {std::move(array)};
}

}  // namespace msi2imds::config

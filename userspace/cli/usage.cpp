// SPDX-License-Identifier: MIT
#include "cli/usage.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/escape.hpp"
#include "base/text.hpp"
#include "config/rule_values.hpp"
#include "config/suggest.hpp"

namespace msi2imds::cli {
namespace {

using Names = std::vector<std::string>;

std::vector<const CLI::App*> commands_of(const CLI::App& above) {
  return above.get_subcommands([](const CLI::App*) { return true; });
}

// Without those that are not for people.
Names names_of(const std::vector<const CLI::App*>& commands) {
  Names names;
  for (const CLI::App* command : commands) {
    if (!command->get_group().empty()) {
      names.push_back(command->get_name());
    }
  }
  return names;
}

Names long_options_of(const CLI::App& command) {
  Names names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

std::string quote(std::string_view word) {
  return "'" + escape::control_characters(word) + "'";
}

// "policy test"; empty for the program itself.
std::string name_of(const CLI::App& command) {
  const CLI::App* const parent = command.get_parent();
  if (parent == nullptr) {
    return "";
  }
  const std::string above = name_of(*parent);
  return above.empty() ? command.get_name() : above + " " + command.get_name();
}

// With a blank in front.
std::string help_of(const CLI::App& command) {
  const std::string name = name_of(command);
  return " msi2imds " + (name.empty() ? "" : name + " ") + "--help";
}

// The name that a word is a slip for, or the only one that begins with it.
std::optional<std::string_view> meant_by(std::string_view word, std::span<const std::string_view> names) {
  if (const auto nearest = config::nearest(word, names)) {
    return nearest;
  }
  const auto begins = [word](std::string_view name) { return name.starts_with(word); };
  return std::ranges::count_if(names, begins) == 1 ? std::optional(*std::ranges::find_if(names, begins))
                                                   : std::nullopt;
}

// What was meant, else what there is; and where to read more.
std::string advise(const CLI::App& command, const std::optional<std::string_view>& meant,
                   const std::string& known) {
  return meant ? "; did you mean " + std::string(*meant) + "? See" + help_of(command)
               : known + "; see" + help_of(command);
}

// What people try as a command of ours, though it is somebody else's; empty: nothing known.
std::string_view command_of_others(std::string_view word) {
  using Row = std::pair<std::string_view, std::string_view>;
  static constexpr Row kRows[] = {
      {"start", "systemctl start msi2imds"},
      {"stop", "systemctl stop msi2imds.socket msi2imds"},
      {"restart", "systemctl restart msi2imds"},
      {"reload", "systemctl reload msi2imds"},
      {"enable", "systemctl enable msi2imds"},
      {"disable", "systemctl disable msi2imds"},
      {"observe", "systemctl start msi2imds-observe"},
      {"log", "journalctl -u msi2imds"},
      {"logs", "journalctl -u msi2imds"},
  };
  const auto* const row = std::ranges::find(kRows, word, &Row::first);
  return row == std::end(kRows) ? std::string_view() : row->second;
}

std::string unknown_command(const std::string& word, const CLI::App& above) {
  const std::string_view others = name_of(above).empty() ? command_of_others(word) : std::string_view();
  if (!others.empty()) {
    return "there is no command " + quote(word) + "; for the service it is: " + std::string(others);
  }
  const Names names = names_of(commands_of(above));
  const std::vector<std::string_view> known(names.begin(), names.end());
  const auto meant = known.size() == 1 ? std::optional(known.front()) : meant_by(word, known);
  return "there is no command " + quote(word) +
         advise(above, meant, "; the commands are " + config::list(known));
}

std::string missing_command(const CLI::App& above) {
  const Names names = names_of(commands_of(above));
  const std::string name = name_of(above);
  return "a command is missing" + (name.empty() ? "" : " behind " + name) +
         (names.size() == 1 ? "; there is " : "; there are ") +
         config::list(std::vector<std::string_view>(names.begin(), names.end())) + "; see" + help_of(above);
}

std::string unknown_option(const std::string& word, const CLI::App& command) {
  const Names names = long_options_of(command);
  const auto meant = word.size() > 2
                         ? meant_by(word, std::vector<std::string_view>(names.begin(), names.end()))
                         : std::nullopt;
  const std::string name = name_of(command);
  return (name.empty() ? "there is no option " : name + " has no option ") + quote(word) +
         advise(command, meant, "");
}

// Of an option in front of the command that it belongs to.
std::string early_option(std::span<const std::string> words, const CLI::App& above) {
  const std::string option = words.front().substr(0, words.front().find('='));
  for (const CLI::App* command : commands_of(above)) {
    const bool is_named = std::ranges::count(words, command->get_name()) != 0;
    if (is_named && command->get_option_no_throw(option) != nullptr) {
      return quote(option) + " belongs behind the command: msi2imds " + name_of(*command) + " " + option;
    }
  }
  return unknown_option(option, above);
}

// Not an option, which CLI11 would take as a value all the same.
bool is_value(std::string_view word) {
  return !word.starts_with('-') || word == "-" || (word[1] >= '0' && word[1] <= '9');
}

// The words behind a command, from first to last.
class Arguments {
 public:
  Arguments(const CLI::App& command, std::span<const std::string> words) : command_(command), left_(words) {}

  std::string find_wrong_one() {
    std::string fault;
    while (fault.empty() && !left_.empty()) {
      fault = look_at(take());
    }
    return fault;
  }

 private:
  const std::string& take() {
    const std::string& word = left_.front();
    left_ = left_.subspan(1);
    return word;
  }

  // An option, with its values.
  std::string look_at(const std::string& word) {
    if (is_value(word) || word == "--") {
      return name_of(command_) + " takes no " + quote(word) + advise_option(word);
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const CLI::Option* const option = command_.get_option_no_throw(name);
    if (option == nullptr) {
      return unknown_option(name, command_);
    }
    const int most = option->get_expected_max();
    if (most == 0) {
      return equals == std::string::npos ? "" : name + " takes no value" + see();
    }
    if (most == 1 && std::ranges::count(seen_, option) != 0) {
      return name + " is given twice" + see();
    }
    seen_.push_back(option);
    return look_at_values(name + " lacks its " + option->get_type_name(), word.substr(name.size()), most);
  }

  // Of a word whose option was left out: "; did you mean --config FILE? See ..."
  [[nodiscard]] std::string advise_option(std::string_view word) const {
    const std::string option = word.ends_with(".toml")                      ? "--config"
                               : word.ends_with(".json")                    ? "--merge"
                               : word.find("://") != std::string_view::npos ? "--resource"
                                                                            : "";
    const bool is_ours = !option.empty() && command_.get_option_no_throw(option) != nullptr;
    const std::string meant = option + " " + escape::control_characters(word);
    return advise(command_, is_ours ? std::optional<std::string_view>(meant) : std::nullopt, "");
  }

  // `first` is "=VALUE", or empty where values are words of their own.
  std::string look_at_values(const std::string& lacks, const std::string& first, int most) {
    if (first.empty() && left_.empty()) {
      return lacks + see();
    }
    if (first.empty() && !is_value(left_.front())) {
      return lacks + ", since " + quote(left_.front()) + " follows" + see();
    }
    bool is_empty = first == "=";
    for (int given = first.empty() ? 0 : 1; given < most && !left_.empty() && is_value(left_.front());
         ++given) {
      is_empty = take().empty() || is_empty;
    }
    return is_empty ? lacks + ", since what is given is empty" + see() : "";
  }

  [[nodiscard]] std::string see() const {
    return "; see" + help_of(command_);
  }

  const CLI::App& command_;
  std::span<const std::string> left_;
  std::vector<const CLI::Option*> seen_;
};

std::string is_number_up_to(std::uint32_t most, const std::string& text) {
  const auto number = parse_number<std::uint32_t>(text);
  const bool is_good = number && *number <= most && std::to_string(*number) == text;  // 010 would be 8
  return is_good ? "" : "'" + text + "' is no number from 0 to " + std::to_string(most);
}

}  // namespace

std::string find_wrong_word(const CLI::App& app, const Words& words) {
  const CLI::App* command = &app;
  std::span<const std::string> left(words);
  for (auto commands = commands_of(app); !commands.empty(); commands = commands_of(*command)) {
    if (left.empty()) {
      return missing_command(*command);
    }
    const std::string& word = left.front();
    if (word.starts_with('-')) {
      return command->get_option_no_throw(word) != nullptr ? "" : early_option(left, *command);
    }
    const auto named = std::ranges::find(commands, word, &CLI::App::get_name);
    if (named == commands.end()) {
      return unknown_command(word, *command);
    }
    command = *named;
    left = left.subspan(1);
  }
  const bool is_for_people = !command->get_group().empty();
  return is_for_people ? Arguments(*command, left).find_wrong_one() : "";
}

std::string see_help(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
  }
  return "; see" + help_of(*command);
}

std::string is_absolute_path(const std::string& text) {
  return text.starts_with('/') ? "" : "'" + text + "' is not an absolute path";
}

std::string is_unit(const std::string& text) {
  return text.starts_with('/') ? "'" + text + "' is a path, which --cgroup takes"
                               : config::check_unit(text).value_or("");
}

std::string is_seconds(const std::string& text) {
  constexpr std::uint32_t kDay = 86400;
  return is_number_up_to(kDay, text);
}

std::string is_id(const std::string& text) {
  constexpr std::uint32_t kLargestId = 4'294'967'294;
  return is_number_up_to(kLargestId, text);
}

}  // namespace msi2imds::cli

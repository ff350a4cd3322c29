// SPDX-License-Identifier: MIT
#include "accounts/getent.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "accounts/accounts.hpp"
#include "base/command.hpp"
#include "base/text.hpp"

namespace msi2imds::accounts {
namespace {

constexpr std::chrono::milliseconds kPatience{2000};

struct Question {
  Database database;
  std::string name;
  bool is_asked = false;
  bool is_late = false;
  std::optional<std::uint32_t> id = {};
};

// Those of this process.
struct Memory {
  std::vector<Question> questions;
  bool is_late = false;
  bool puts_up_with_lateness = false;
};
Memory& memory() {
  static Memory memory;
  return memory;
}

bool is_missing = false;  // while answers are forgotten, too

const char* name_of(Database database) {
  return database == Database::passwd ? "passwd" : "group";
}

// The field of a line, counted from 0; empty: it has none.
std::string_view field(std::string_view line, int number) {
  for (; number > 0; --number) {
    const std::size_t colon = line.find(':');
    line.remove_prefix(colon == std::string_view::npos ? line.size() : colon + 1);
  }
  return line.substr(0, line.find(':'));
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// Digits alone would be taken for a number, of which libraries read the lower 32 bits, and a NUL would end
// the name: either could make root of it.
bool may_be_name(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !std::ranges::all_of(text, is_digit) && text.find('\0') == std::string_view::npos;
}

std::optional<std::uint32_t> id_in(std::string_view line) {
  const auto id = parse_number<std::uint32_t>(field(line, 2));
  return id == kNotYetKnown ? std::nullopt : id;  // nor is it anybody's to setresuid(2)
}

}  // namespace

std::optional<std::uint32_t> find_id(Database database, const std::string& name) {
  if (database == Database::passwd) {
    if (const auto user = find_user(name)) {
      return user->uid;
    }
  } else if (const auto group = find_group(name)) {
    return group;
  }
  if (!may_be_name(name)) {
    return std::nullopt;
  }
  std::vector<Question>& questions = memory().questions;
  const auto known = std::ranges::find_if(questions, [&](const Question& question) {
    return question.database == database && question.name == name;
  });
  if (known != questions.end()) {
    if (known->is_late && memory().puts_up_with_lateness) {
      is_missing = true;
      return kNotYetKnown;
    }
    return known->id;
  }
  questions.push_back({.database = database, .name = name});
  return std::nullopt;
}

bool has_open_questions() {
  return std::ranges::any_of(memory().questions, [](const Question& question) { return !question.is_asked; });
}

asio::awaitable<void> ask_getent() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::vector<Question>& questions = memory().questions;
  for (Question& question : questions) {
    if (question.is_asked) {
      continue;
    }
    question.is_asked = true;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (memory().is_late || left <= std::chrono::milliseconds::zero()) {
      question.is_late = memory().is_late = true;
      continue;
    }
    SystemCommandRunner runner(left);
    // One at a time: a directory may answer with another spelling of the name.
    std::vector<std::string> arguments = {name_of(question.database), "--", question.name};
    const Result<CommandResult> said = co_await runner.run("getent", std::move(arguments), std::string());
    if (said) {
      question.id = id_in(said->output);
    } else {
      question.is_late = memory().is_late = said.error().code() == boost::system::errc::timed_out;
    }
  }
}

bool is_a_name_missing() {
  return is_missing;
}

void settle_names() {
  is_missing = false;
}

bool is_getent_late() {
  return memory().is_late;
}

void put_up_with_lateness() {
  memory().puts_up_with_lateness = true;
}

void forget_answers() {
  memory() = Memory();
}

asio::awaitable<std::vector<std::pair<uid_t, std::string>>> names_of(std::vector<uid_t> uids) {
  SystemCommandRunner runner(kPatience);
  std::vector<std::string> arguments = {"passwd", "--"};
  for (const uid_t uid : uids) {
    arguments.push_back(std::to_string(uid));
  }
  std::vector<std::pair<uid_t, std::string>> names;
  const Result<CommandResult> said = co_await runner.run("getent", std::move(arguments), std::string());
  std::string_view text = said ? std::string_view(said->output) : std::string_view();
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (const auto uid = id_in(line)) {
      names.emplace_back(*uid, field(line, 0));
    }
  }
  co_return names;
}

}  // namespace msi2imds::accounts

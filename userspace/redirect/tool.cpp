// SPDX-License-Identifier: MIT
#include "redirect/tool.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <initializer_list>
#include <utility>

#include "base/text.hpp"
#include "redirect/errors.hpp"

namespace msi2imds::redirect {
namespace {

bool mentions_one_of(std::string_view text, std::initializer_list<std::string_view> phrases) {
  return std::any_of(phrases.begin(), phrases.end(),
                     [text](std::string_view phrase) { return text.find(phrase) != std::string_view::npos; });
}

// The exit status of iptables mostly when another tool holds the lock.
constexpr int kResourceProblem = 4;

Errc reason_of(const CommandResult& result) {
  const std::string_view words = result.error;
  if (mentions_one_of(words, {"not permitted", "ermission denied", "must be root"})) {
    return Errc::not_permitted;
  }
  if (mentions_one_of(words, {"resource busy"})) {
    return Errc::in_use;
  }
  if (mentions_one_of(words, {"No such file or directory", "not supported", "does not exist",
                              "can't initialize", "No chain/target/match by that name"})) {
    return Errc::no_nat;
  }
  if (result.exit_status == kResourceProblem || mentions_one_of(words, {"temporarily unavailable"})) {
    return Errc::locked;
  }
  return Errc::tool_failed;
}

// The first line that is not a comment.
std::string_view first_complaint(std::string_view words) {
  for (const std::string_view line : lines_of(words)) {
    if (!line.empty() && !line.starts_with("#")) {
      return line;
    }
  }
  return {};
}

}  // namespace

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(trim(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Error failure_of(const std::string& tool, const CommandResult& result) {
  const std::string_view complaint = first_complaint(result.error);
  std::string context = "run " + tool;
  context += complaint.empty() ? " (exit status " + std::to_string(result.exit_status) + ")"
                               : " (\"" + std::string(complaint) + "\")";
  return {reason_of(result), std::move(context)};
}

asio::awaitable<Result<std::string>> run_tool(CommandRunner& runner, std::string tool,
                                              std::vector<std::string> arguments, std::string input) {
  Result<CommandResult> result = co_await runner.run(tool, std::move(arguments), std::move(input));
  if (!result && result.error().code() == boost::system::errc::no_such_file_or_directory) {
    co_return Error(Errc::not_installed, "run " + tool);
  }
  if (!result && result.error().code() == boost::system::errc::timed_out) {
    co_return Error(Errc::too_slow, "run " + tool);
  }
  if (!result) {
    co_return result.error();
  }
  if (result->exit_status != 0) {
    co_return failure_of(tool, *result);
  }
  co_return std::move(result->output);
}

std::optional<std::uint16_t> number_after(std::string_view words, std::string_view text) {
  const std::size_t found = text.find(words);
  if (found == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view rest = text.substr(found + words.size());
  std::uint16_t number = 0;
  const auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return ec == std::errc() ? std::optional(number) : std::nullopt;
}

bool is_busy(const Error& failure) {
  return failure.code() == Errc::locked || failure.code() == Errc::too_slow;
}

}  // namespace msi2imds::redirect

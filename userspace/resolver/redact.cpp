// SPDX-License-Identifier: MIT
#include "resolver/redact.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "base/text.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::array<std::string_view, 8> kSensitive = {"pass", "pwd",  "secret", "token",
                                                        "key",  "cred", "sig",    "auth"};
// Their value is USER:PASSWORD.
constexpr std::array<std::string_view, 4> kUserOptions = {"-u", "-U", "--user", "--proxy-user"};
constexpr std::size_t kLongRun = 40;
constexpr std::size_t kShortestToken = 10;
constexpr std::string_view kSpaces = " \t\r\n";

bool is_alphanumeric(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}
bool is_name_character(char c) {
  return is_alphanumeric(c) || c == '_' || c == '-' || c == '.';
}
bool is_base64_character(char c) {
  return is_alphanumeric(c) || c == '+' || c == '/' || c == '_' || c == '-';
}
bool is_space(char c) {
  return kSpaces.find(c) != std::string_view::npos;
}
bool is_quote(char c) {
  return c == '"' || c == '\'';
}

bool is_sensitive(std::string_view name) {
  const std::string lower = to_lower(name);
  return std::any_of(kSensitive.begin(), kSensitive.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

// The name that ends before `at`: quotes and spaces may stand between, as in {"password" : "x"}.
std::string_view name_before(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end > 0 && (is_quote(text[end - 1]) || is_space(text[end - 1]) || text[end - 1] == '\\')) {
    --end;
  }
  std::size_t begin = end;
  while (begin > 0 && is_name_character(text[begin - 1])) {
    --begin;
  }
  return text.substr(begin, end - begin);
}

// Where the value of the first sensitive name begins: behind "name=", "name:" and "-name ".
std::optional<std::size_t> find_value(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '=' && text[at] != ':' && !is_space(text[at])) {
      continue;
    }
    const std::string_view name = name_before(text, at);
    if ((is_space(text[at]) && !name.starts_with('-')) || !is_sensitive(name)) {
      continue;
    }
    return at + 1;
  }
  return std::nullopt;
}

// How much of `text`, which follows "://", is before the '@' of its host. Some write a password with '/' in
// it, which can be told from a path when a port would stand there.
std::size_t user_part_size(std::string_view text) {
  const std::string_view word = text.substr(0, text.find_first_of(" \t\r\n\"'"));
  std::string_view authority = word.substr(0, word.find_first_of("/?#"));
  const std::size_t colon = authority.find(':');
  const bool has_port = colon == std::string_view::npos ||
                        authority.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  if (authority.find('@') == std::string_view::npos && !has_port) {
    authority = word;
  }
  const std::size_t at = authority.rfind('@');
  return at == std::string_view::npos ? 0 : at;
}

// "https://user:password@host": the user's name may stay, unless it stands alone: that is often a token.
std::string without_user_parts(std::string_view text) {
  constexpr std::string_view kMark = "://";
  std::string out;
  for (std::size_t mark = text.find(kMark); mark != std::string_view::npos; mark = text.find(kMark)) {
    out += text.substr(0, mark + kMark.size());
    text.remove_prefix(mark + kMark.size());
    const std::size_t size = user_part_size(text);
    if (size == 0) {
      continue;
    }
    const std::size_t colon = text.substr(0, size).find(':');
    out += colon == std::string_view::npos ? std::string_view() : text.substr(0, colon + 1);
    out += kRedacted;
    text.remove_prefix(size);
  }
  return out.append(text);
}

// Base64 holds a '/' in 64 characters, a path many more.
bool is_long_run(std::string_view run) {
  if (run.size() < kLongRun) {
    return false;
  }
  std::size_t longest = 0;
  std::size_t slashes = 0;
  for (std::size_t at = 0; at <= run.size(); ++slashes) {
    const std::size_t end = std::min(run.find('/', at), run.size());
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  return longest >= kLongRun || (slashes - 1) * 16 < run.size();
}

bool is_web_token(std::string_view run) {
  const std::size_t start = run.find("eyJ");
  return start != std::string_view::npos && run.size() - start >= kShortestToken;
}

// JSON web tokens and long runs, with the dots and parts of a token behind them.
std::string without_runs(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto* const end = std::find_if_not(text.begin(), text.end(), is_base64_character);
    const std::string_view run = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    if (is_long_run(run) || is_web_token(run)) {
      out += kRedacted;
      const auto* const last = std::find_if_not(
          end, text.end(), [](char c) { return is_base64_character(c) || c == '.' || c == '='; });
      text.remove_prefix(static_cast<std::size_t>(last - text.begin()));
      continue;
    }
    const std::size_t size = std::max<std::size_t>(run.size(), 1);
    out += text.substr(0, size);
    text.remove_prefix(size);
  }
  return out;
}

std::string redact_argument(std::string_view argument) {
  const std::optional<std::size_t> value = find_value(argument);
  std::string out = without_runs(without_user_parts(argument.substr(0, value.value_or(argument.size()))));
  if (value && *value < argument.size()) {
    out += kRedacted;
  }
  return out;
}

bool is_sensitive_option(std::string_view argument) {
  return argument.starts_with('-') && argument.find_first_of("=: ") == std::string_view::npos &&
         is_sensitive(argument);
}

std::string redact_after(std::string_view option, std::string_view argument) {
  if (is_sensitive_option(option) && !argument.starts_with("--")) {
    return std::string(kRedacted);
  }
  const bool is_user = std::find(kUserOptions.begin(), kUserOptions.end(), option) != kUserOptions.end();
  const std::size_t colon = argument.find(':');
  if (is_user && colon != std::string_view::npos) {
    return std::string(argument.substr(0, colon + 1)).append(kRedacted);
  }
  return redact_argument(argument);
}

}  // namespace

std::vector<std::string> redact(const std::vector<std::string>& arguments) {
  std::vector<std::string> out;
  out.reserve(arguments.size());
  std::string_view option;
  for (const std::string& argument : arguments) {
    out.push_back(redact_after(option, argument));
    option = argument;
  }
  return out;
}

}  // namespace msi2imds::resolver

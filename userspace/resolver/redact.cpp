// SPDX-License-Identifier: MIT
#include "resolver/redact.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::string_view kBearer = "bearer";
constexpr std::array<std::string_view, 9> kSensitive = {"pass", "pwd", "secret", "token", "key",
                                                        "cred", "sig", "auth",   kBearer};
// Their value is USER:PASSWORD.
constexpr std::array<std::string_view, 4> kUserOptions = {"-u", "-U", "--user", "--proxy-user"};
constexpr std::size_t kLongRun = 40;
constexpr std::size_t kShortestToken = 10;
constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kBetweenWords = " \t\r\n\"'\\";

// A program that takes a password behind a short option.
struct PasswordOption {
  std::string_view program;  // how its name begins
  char letter;
  bool may_stand_apart;  // the password may be the word after the option
};
constexpr std::array<PasswordOption, 13> kPasswordOptions = {{{"sshpass", 'p', true},
                                                              {"mysql", 'p', false},
                                                              {"mariadb", 'p', false},
                                                              {"mongo", 'p', true},
                                                              {"login", 'p', true},  // as in "docker login"
                                                              {"7z", 'p', false},
                                                              {"redis-cli", 'a', true},
                                                              {"ldap", 'w', true},
                                                              {"sqlcmd", 'P', true},
                                                              {"bcp", 'P', true},
                                                              {"zip", 'P', true},
                                                              {"unzip", 'P', true},
                                                              {"ipmitool", 'P', true}}};

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
  return lower == "-pw" || std::any_of(kSensitive.begin(), kSensitive.end(), [&](std::string_view word) {
           return lower.find(word) != std::string::npos;
         });
}

// The word in front of a token, as in "Authorization: Bearer TOKEN".
bool is_bearer(std::string_view word) {
  return word.size() == kBearer.size() && to_lower(word) == kBearer;
}

// The name that stands before where one is in a text, read from its start: quotes and spaces may stand
// between, as in {"password" : "x"}. Each name is looked at once, however many blanks follow it.
class NameBefore {
 public:
  explicit NameBefore(std::string_view text) : text_(text) {}

  // To be called for each character, in order.
  void pass(std::size_t at) {
    const char c = text_[at];
    if (is_name_character(c)) {
      begin_ = in_name_ ? begin_ : at;
      end_ = at + 1;
      in_name_ = true;
      is_sensitive_.reset();
      return;
    }
    in_name_ = false;
    if (!is_quote(c) && !is_space(c) && c != '\\') {
      begin_ = end_ = at + 1;
      is_sensitive_.reset();
    }
  }
  // Whether its value may follow behind a space.
  [[nodiscard]] bool is_option() const {
    return begin_ < end_ && (text_[begin_] == '-' || is_bearer(text_.substr(begin_, end_ - begin_)));
  }
  [[nodiscard]] bool is_sensitive() {
    if (!is_sensitive_) {
      is_sensitive_ = resolver::is_sensitive(text_.substr(begin_, end_ - begin_));
    }
    return *is_sensitive_;
  }

 private:
  std::string_view text_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool in_name_ = false;
  std::optional<bool> is_sensitive_;
};

// Where the value of the first sensitive name begins: behind "name=", "name:", "-name " and "Bearer ".
std::optional<std::size_t> find_value(std::string_view text) {
  NameBefore name(text);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if ((c == '=' || c == ':' || (is_space(c) && name.is_option())) && name.is_sensitive()) {
      return at + 1;
    }
    name.pass(at);
  }
  return std::nullopt;
}

// The word of a text that holds a place, and the last '@' in it; places come in order, so each word is
// searched once.
class WordAt {
 public:
  explicit WordAt(std::string_view text) : text_(text) {}

  void go_to(std::size_t at) {
    if (at < end_) {
      return;
    }
    end_ = std::min(text_.find_first_of(" \t\r\n\"'", at), text_.size());
    const std::size_t in_word = text_.substr(at, end_ - at).rfind('@');
    last_at_ = in_word == std::string_view::npos ? in_word : at + in_word;
  }
  [[nodiscard]] std::size_t end() const {
    return end_;
  }
  [[nodiscard]] std::size_t last_at() const {
    return last_at_;
  }

 private:
  std::string_view text_;
  std::size_t end_ = 0;
  std::size_t last_at_ = std::string_view::npos;
};

// How much of `text` from `begin` on, which follows "://", is before the '@' of its host. Some write a
// password with '/' in it, which can be told from a path when a port would stand there.
std::size_t user_part_size(std::string_view text, std::size_t begin, WordAt& word) {
  word.go_to(begin);
  std::string_view authority = text.substr(begin, word.end() - begin);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    return at;
  }
  const std::size_t colon = authority.find(':');
  const bool has_port = colon == std::string_view::npos ||
                        authority.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  const bool is_in_word = word.last_at() != std::string_view::npos && word.last_at() >= begin;
  return !has_port && is_in_word ? word.last_at() - begin : 0;
}

// "https://user:password@host": the user's name may stay, unless it stands alone: that is often a token.
std::string without_user_parts(std::string_view text) {
  constexpr std::string_view kMark = "://";
  std::string out;
  WordAt word(text);
  std::size_t done = 0;
  for (std::size_t mark = text.find(kMark); mark != std::string_view::npos; mark = text.find(kMark, done)) {
    const std::size_t begin = mark + kMark.size();
    out += text.substr(done, begin - done);
    done = begin;
    const std::string_view user = text.substr(begin, user_part_size(text, begin, word));
    if (user.empty()) {
      continue;
    }
    const std::size_t colon = user.find(':');
    out += colon == std::string_view::npos ? std::string_view() : user.substr(0, colon + 1);
    out += kRedacted;
    done += user.size();
  }
  return out.append(text.substr(done));
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

// Of a user's option: smbclient has "-U name%password".
constexpr std::string_view kBeforePassword = ":%";

// "-sku" and "-U": short options, of which the last one is of a user.
bool is_user_cluster(std::string_view word) {
  return word.size() > 1 && word.front() == '-' && (word.back() == 'u' || word.back() == 'U') &&
         std::all_of(word.begin() + 1, word.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
}

// Where in a word the user's name begins, whose password may follow: behind "-u", "-sku" and "--user=".
// Nothing: the word is no such option with a value.
std::optional<std::size_t> find_user(std::string_view word) {
  for (const std::string_view option : kUserOptions) {
    if (option.starts_with("--") && word.size() > option.size() && word.starts_with(option) &&
        word[option.size()] == '=') {
      return option.size() + 1;
    }
  }
  // Which letter of "-skumy:password" begins the name is not known: it is enough that there is one.
  const std::size_t letter = word.substr(0, word.find_first_of(kBeforePassword)).find_first_of("uU");
  return word.starts_with('-') && !word.starts_with("--") && letter != std::string_view::npos &&
                 letter + 1 < word.size()
             ? std::optional(letter + 1)
             : std::nullopt;
}

bool is_user_option(std::string_view word) {
  return std::ranges::find(kUserOptions, word) != kUserOptions.end() || is_user_cluster(word);
}

// Of text that goes on with `begin`: where the word there ends, or, where it was opened by a quote, that
// quote.
std::size_t end_of_value(std::string_view text, std::size_t begin, std::size_t end) {
  const char before = begin > 0 ? text[begin - 1] : ' ';
  return before == '"' || before == '\'' ? std::min(text.find(before, begin), text.size()) : end;
}

// "curl -u name:password": the name stays.
std::string without_passwords(std::string_view text) {
  std::string out;
  bool follows_option = false;
  bool follows_name = false;  // and its colon
  while (!text.empty()) {
    const std::size_t begin = std::min(text.find_first_not_of(kBetweenWords), text.size());
    std::size_t end = std::min(text.find_first_of(kBetweenWords, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    const std::optional<std::size_t> user = follows_option ? 0 : find_user(word);
    const std::size_t colon = user ? word.find_first_of(kBeforePassword, *user) : std::string_view::npos;
    const std::size_t password = follows_name ? 0 : colon == std::string_view::npos ? word.size() : colon + 1;
    const bool has_password = password < word.size();
    if (has_password) {
      end = end_of_value(text, begin, end);
      out += text.substr(0, begin + password);
      out += kRedacted;
    } else {
      out += text.substr(0, end);
    }
    const bool is_between = word.empty() || word == ",";  // as in a list of JSON
    follows_name = !has_password && (colon != std::string_view::npos || (is_between && follows_name));
    follows_option = is_between ? follows_option : is_user_option(word);
    text.remove_prefix(end);
  }
  return out;
}

// "Basic dXNlcjpwYXNz", as a header has it.
bool is_encoded_pair(std::string_view word) {
  return word.size() >= 8 && word.size() % 4 == 0 && word.front() != '-' &&
         std::ranges::all_of(word, [](char c) { return is_base64_character(c) || c == '='; });
}

// Takes out the passwords behind the short options of programs that are known for them. To be given the
// arguments in their order, since the program is named before its options, and perhaps within another's
// argument: "sh -c 'mysql -ppassword'".
class ShortOptions {
 public:
  std::string without_passwords(std::string_view text) {
    std::string out;
    while (!text.empty()) {
      const std::size_t begin = std::min(text.find_first_not_of(kBetweenWords), text.size());
      std::size_t end = std::min(text.find_first_of(kBetweenWords, begin), text.size());
      const std::string_view word = text.substr(begin, end - begin);
      const bool is_joined = end < text.size() && !is_space(text[end]);  // by a quote: -p'password'
      const std::size_t password = begin_of_password(word, is_joined);
      out += text.substr(0, begin + password);
      if (password < word.size()) {
        end = end_of_value(text, begin, end);
        out += kRedacted;
      }
      text.remove_prefix(end);
    }
    return out;
  }

 private:
  // The word's size where it has none.
  std::size_t begin_of_password(std::string_view word, bool is_joined) {
    if (word.empty() || word == ",") {  // as in a list of JSON
      return word.size();
    }
    const bool is_password = std::exchange(follows_option_, false);
    const bool is_pair = std::exchange(follows_basic_, to_lower(word) == "basic") && is_encoded_pair(word);
    if (is_password || is_pair) {
      return 0;
    }
    if (option_ != nullptr && word.starts_with('-') && word.size() > 1 && word[1] == option_->letter) {
      follows_option_ = word.size() == 2 && (is_joined || option_->may_stand_apart);
      return 2;
    }
    const std::string_view name = word.substr(word.rfind('/') + 1);
    const auto* const known = std::ranges::find_if(
        kPasswordOptions, [&](const PasswordOption& option) { return name.starts_with(option.program); });
    option_ = known != kPasswordOptions.end() ? known : option_;
    return word.size();
  }

  const PasswordOption* option_ = nullptr;
  bool follows_option_ = false;
  bool follows_basic_ = false;
};

std::string redact_argument(std::string_view argument) {
  const std::optional<std::size_t> value = find_value(argument);
  std::string out = without_runs(
      without_passwords(without_user_parts(argument.substr(0, value.value_or(argument.size())))));
  if (value && *value < argument.size()) {
    out += kRedacted;
  }
  return out;
}

bool is_sensitive_option(std::string_view argument) {
  return is_bearer(argument) ||
         (argument.starts_with('-') && argument.find_first_of("=: ") == std::string_view::npos &&
          is_sensitive(argument));
}

std::string redact_after(std::string_view option, std::string_view argument) {
  if (is_sensitive_option(option) && !argument.starts_with("--")) {
    return std::string(kRedacted);
  }
  const bool is_user = is_user_option(option);
  const std::size_t colon = argument.find_first_of(kBeforePassword);
  if (is_user && colon != std::string_view::npos) {
    return redact_argument(argument.substr(0, colon + 1)).append(kRedacted);
  }
  return redact_argument(argument);
}

}  // namespace

std::vector<std::string> redact(const std::vector<std::string>& arguments) {
  std::vector<std::string> out;
  out.reserve(arguments.size());
  std::string_view option;
  ShortOptions short_options;
  for (const std::string& argument : arguments) {
    // Last, so that no name that says what follows is taken for a password.
    out.push_back(short_options.without_passwords(redact_after(option, argument)));
    option = argument;
  }
  return out;
}

}  // namespace msi2imds::resolver

// SPDX-License-Identifier: MIT
#include "config/kinds.hpp"

#include <sys/un.h>

#include <algorithm>
#include <cctype>

#include "config/endpoint.hpp"
#include "config/text.hpp"

namespace msi2imds::config {
namespace {

// sun_path with its terminating zero.
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

// The content of `value` where it is a T; else says that `wanted` was expected.
template <typename T>
const T* expect(const Value& value, std::string_view wanted, const Complain& complain) {
  const T* content = std::get_if<T>(&value.content);
  if (content == nullptr) {
    complain(value.position, "expected " + std::string(wanted) + ", found " + std::string(type_name(value)));
  }
  return content;
}

// Reads each element; nothing when one of them will not do.
template <typename T, typename Element, typename ReadElement>
std::optional<std::vector<T>> read_array(const Value& value, std::string_view wanted,
                                         const Complain& complain, ReadElement read_element) {
  const Array* array = expect<Array>(value, wanted, complain);
  if (array == nullptr) {
    return std::nullopt;
  }
  std::vector<T> elements;
  for (const Value& element : *array) {
    if (!std::holds_alternative<Element>(element.content)) {
      complain(element.position,
               "expected " + std::string(wanted) + ", found " + std::string(type_name(element)) + " in it");
    } else if (auto read = read_element(element)) {
      elements.push_back(std::move(*read));
    }
  }
  return elements.size() == array->size() ? std::optional(std::move(elements)) : std::nullopt;
}

bool is_host_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
}

}  // namespace

std::optional<bool> Flag::read(const Value& value, const Complain& complain) const {
  const bool* flag = expect<bool>(value, "a boolean (true or false)", complain);
  return flag != nullptr ? std::optional(*flag) : std::nullopt;
}

Value Flag::write(bool flag) const {
  return {flag};
}

std::optional<std::int64_t> read_integer(const Value& value, std::int64_t min, std::int64_t max,
                                         const Complain& complain) {
  const auto* number = expect<std::int64_t>(value, "an integer", complain);
  if (number == nullptr) {
    return std::nullopt;
  }
  if (*number < min || *number > max) {
    complain(value.position, std::to_string(*number) + " is out of range; expected " + std::to_string(min) +
                                 " to " + std::to_string(max));
    return std::nullopt;
  }
  return *number;
}

std::optional<std::chrono::seconds> Seconds::read(const Value& value, const Complain& complain) const {
  const auto number = read_integer(value, min, max, complain);
  return number ? std::optional(std::chrono::seconds(*number)) : std::nullopt;
}

Value Seconds::write(std::chrono::seconds seconds) const {
  return {std::int64_t{seconds.count()}};
}

std::optional<std::vector<std::uint16_t>> Ports::read(const Value& value, const Complain& complain) const {
  std::vector<std::int64_t> seen;
  auto ports = read_array<std::uint16_t, std::int64_t>(
      value, "an array of integers", complain, [&](const Value& element) -> std::optional<std::uint16_t> {
        const auto port = read_integer(element, 1, 65535, complain);
        if (port && std::ranges::find(seen, *port) != seen.end()) {
          complain(element.position, std::to_string(*port) + " is listed twice; expected each port once");
          return std::nullopt;
        }
        seen.push_back(port.value_or(0));
        return port ? std::optional(static_cast<std::uint16_t>(*port)) : std::nullopt;
      });
  if (ports && (ports->empty() || ports->size() > max_count)) {
    complain(value.position, std::to_string(ports->size()) + " ports; expected 1 to " +
                                 std::to_string(max_count) + " of them");
    return std::nullopt;
  }
  return ports;
}

Value Ports::write(const std::vector<std::uint16_t>& ports) const {
  Array array;
  for (const std::uint16_t port : ports) {
    array.push_back({std::int64_t{port}});
  }
  return {std::move(array)};
}

std::optional<std::string> check_host(std::string_view text) {
  if (text.starts_with('[')) {
    const auto endpoint = parse_endpoint("http://" + std::string(text));
    return endpoint && text.ends_with(']') ? std::nullopt
                                           : std::optional(in_quotes(text) +
                                                           " is not a host name; expected [ADDRESS] "
                                                           "without a port");
  }
  if (text.empty() || !std::ranges::all_of(text, is_host_character)) {
    return in_quotes(text) + " is not a host name; expected a name without scheme, port or path";
  }
  return std::nullopt;
}

std::optional<std::string> check_user(std::string_view text) {
  if (text.empty() || text.find_first_of(":/") != std::string_view::npos ||
      std::ranges::any_of(text, is_control)) {
    return in_quotes(text) + " is not a user name; expected one of the names in the user database";
  }
  return std::nullopt;
}

std::optional<std::string> check_socket_path(std::string_view text) {
  if (!text.starts_with('/') || text.ends_with('/') || std::ranges::any_of(text, is_control)) {
    return in_quotes(text) +
           " is not an absolute path of a file; expected one such as \"/run/msi2imds/admin.sock\"";
  }
  if (text.size() > kMaxSocketPath) {
    return "a path of " + std::to_string(text.size()) + " bytes is too long for a socket; expected at most " +
           std::to_string(kMaxSocketPath);
  }
  return std::nullopt;
}

std::optional<std::string> check_directory(std::string_view text) {
  if (!text.starts_with('/') || std::ranges::any_of(text, is_control)) {
    return in_quotes(text) +
           " is not an absolute path of a directory; expected one such as \"/var/lib/waagent\"";
  }
  return std::nullopt;
}

std::optional<std::string> check_optional_file(std::string_view text) {
  if (text.empty() ||
      (text.starts_with('/') && !text.ends_with('/') && std::ranges::none_of(text, is_control))) {
    return std::nullopt;
  }
  return in_quotes(text) + " is not an absolute path of a file; expected one, or \"\" for none";
}

std::optional<std::string> check_cgroup(std::string_view text) {
  const bool leads_up = text.find("/../") != std::string_view::npos || text.ends_with("/..");
  if (!text.starts_with('/') || leads_up || std::ranges::any_of(text, is_control)) {
    return in_quotes(text) +
           " is not a cgroup; expected its path from the root of cgroup2, such as "
           "\"/system.slice/old.service\"";
  }
  return std::nullopt;
}

std::optional<std::string> check_optional_cgroup(std::string_view text) {
  return text.empty() ? std::nullopt : check_cgroup(text);
}

std::optional<std::string> check_pin_directory(std::string_view text) {
  // A BPF file system refuses names with a dot.
  if (text.empty() || (text.starts_with('/') && text.find('.') == std::string_view::npos &&
                       !std::ranges::any_of(text, is_control))) {
    return std::nullopt;
  }
  return in_quotes(text) +
         " is not a directory of a BPF file system; expected one such as "
         "\"/sys/fs/bpf/msi2imds\", or \"\" for none";
}

std::optional<std::string> Text::read(const Value& value, const Complain& complain) const {
  const auto* text = expect<std::string>(value, "a string", complain);
  if (text == nullptr) {
    return std::nullopt;
  }
  if (const auto wrong = check(*text)) {
    complain(value.position, *wrong);
    return std::nullopt;
  }
  return *text;
}

Value Text::write(const std::string& text) const {
  return {text};
}

std::optional<std::vector<std::string>> Texts::read(const Value& value, const Complain& complain) const {
  return read_array<std::string, std::string>(
      value, "an array of strings", complain,
      [&](const Value& element) { return Text{check}.read(element, complain); });
}

Value Texts::write(const std::vector<std::string>& texts) const {
  Array array;
  for (const std::string& text : texts) {
    array.push_back({text});
  }
  return {std::move(array)};
}

std::optional<Endpoint> EndpointUrl::read(const Value& value, const Complain& complain) const {
  const auto* text = expect<std::string>(value, "a string", complain);
  if (text == nullptr) {
    return std::nullopt;
  }
  auto endpoint = parse_endpoint(*text);
  if (!endpoint) {
    complain(value.position,
             in_quotes(*text) + " " + endpoint.error().message() +
                 "; expected http://ADDRESS or http://ADDRESS:PORT, such as http://169.254.169.254");
    return std::nullopt;
  }
  return std::move(*endpoint);
}

Value EndpointUrl::write(const Endpoint& endpoint) const {
  return {endpoint.text};
}

std::optional<std::string> Word::read(const Value& value, const Complain& complain) const {
  const auto index = read_choice(value, words, complain);
  return index ? std::optional(std::string(words[*index])) : std::nullopt;
}

Value Word::write(const std::string& word) const {
  return {word};
}

std::optional<std::size_t> read_choice(const Value& value, std::span<const std::string_view> names,
                                       const Complain& complain) {
  const auto* text = expect<std::string>(value, "a string", complain);
  if (text == nullptr) {
    return std::nullopt;
  }
  const auto found = std::ranges::find(names, *text);
  if (found != names.end()) {
    return static_cast<std::size_t>(found - names.begin());
  }
  std::string known;
  for (const std::string_view name : names) {
    known += (known.empty() ? "" : name == names.back() ? " or " : ", ") + in_quotes(name);
  }
  complain(value.position, in_quotes(*text) + " is not known; expected " + known);
  return std::nullopt;
}

}  // namespace msi2imds::config

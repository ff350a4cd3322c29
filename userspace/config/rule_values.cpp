// SPDX-License-Identifier: MIT
#include "config/rule_values.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "config/text.hpp"

namespace msi2imds::config {
namespace {

constexpr std::array<std::string_view, 6> kUnitSuffixes = {".service", ".scope", ".slice",
                                                           ".socket",  ".mount", ".swap"};

// A path as the kernel writes it: any other would match nobody.
bool is_plain_path(std::string_view path) {
  return path.starts_with('/') && !path.ends_with('/') && !path.ends_with("/.") && !path.ends_with("/..") &&
         path.find("//") == std::string_view::npos && path.find("/./") == std::string_view::npos &&
         path.find("/../") == std::string_view::npos && std::ranges::none_of(path, is_control);
}

bool is_hexadecimal(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0;
}

// In a name, * and ? stand for others.
bool is_unit_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view(":-_.\\@*?").find(c) != std::string_view::npos;
}

// Only these have processes.
bool is_unit_name(std::string_view text) {
  const std::size_t dot = text.rfind('.');
  return dot != std::string_view::npos && dot != 0 && std::ranges::all_of(text, is_unit_character) &&
         std::ranges::find(kUnitSuffixes, text.substr(dot)) != kUnitSuffixes.end();
}

}  // namespace

std::optional<std::string> check_name(std::string_view text) {
  if (text.empty() || text.size() > 128 || std::ranges::any_of(text, is_control)) {
    return in_quotes(text) + " is not a name for a rule; expected up to 128 printable characters";
  }
  return std::nullopt;
}

// Paths may be long.
std::optional<std::string> check_origin(std::string_view text) {
  if (text.empty()) {
    return "\"\" is not a place; expected \"FILE:LINE\", or no such key";
  }
  return std::nullopt;
}

std::optional<std::string> check_unit(std::string_view text) {
  if (text.starts_with('/') && text.find_first_of("*?") != std::string_view::npos) {
    return in_quotes(text) +
           " is the path of a cgroup, which has no patterns; expected the name of a unit, such as "
           "\"docker-*.scope\", or a path without * and ?";
  }
  if (text.starts_with('/') ? text == "/" || is_plain_path(text) : is_unit_name(text)) {
    return std::nullopt;
  }
  return in_quotes(text) +
         " is not a unit that has processes; expected one such as \"backup.service\" or \"docker-*.scope\", "
         "or the whole path of a cgroup";
}

std::optional<std::string> check_program(std::string_view text) {
  if (is_plain_path(text)) {
    return std::nullopt;
  }
  return in_quotes(text) + " is not an absolute path of a program; expected one such as \"/usr/bin/backup\"";
}

std::optional<std::string> check_sha256(std::string_view text) {
  if (text.size() == 64 && std::ranges::all_of(text, is_hexadecimal)) {
    return std::nullopt;
  }
  return in_quotes(text) + " is not a SHA-256; expected the 64 hexadecimal digits that sha256sum prints";
}

// Docker shows 12 digits of an id.
std::optional<std::string> check_container(std::string_view text) {
  if (text.size() >= 12 && text.size() <= 64 && std::ranges::all_of(text, is_hexadecimal)) {
    return std::nullopt;
  }
  return in_quotes(text) +
         " is not a container's id; expected 64 hexadecimal digits, or the first 12 or more of them; by its "
         "name, container_name knows it";
}

// Docker's own notes have it so.
std::optional<std::string> check_container_name(std::string_view text) {
  if (text.starts_with('/')) {
    return in_quotes(text) + " begins with \"/\", as no name of a container does; expected " +
           in_quotes(text.substr(1)) + ", or of a pod \"NAMESPACE/POD/CONTAINER\"";
  }
  return check_pattern(text);
}

std::optional<std::string> check_pattern(std::string_view text) {
  if (text.empty() || std::ranges::any_of(text, is_control)) {
    return in_quotes(text) + " is not a pattern; expected a text in which * stands for any characters";
  }
  return std::nullopt;
}

std::optional<std::string> check_account(std::string_view text) {
  return text.empty() ? std::optional<std::string>("expected a name") : std::nullopt;
}

}  // namespace msi2imds::config

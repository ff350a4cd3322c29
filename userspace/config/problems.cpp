// SPDX-License-Identifier: MIT
#include "config/problems.hpp"

#include "base/escape.hpp"

namespace msi2imds::config {

namespace {

// The parser writes '\n' for a line break itself: its backslashes stay as they are.
std::string escape_once(std::string_view text) {
  std::string escaped;
  while (true) {
    const std::size_t backslash = text.find('\\');
    escaped += escape::control_characters(text.substr(0, backslash));
    if (backslash == std::string_view::npos) {
      return escaped;
    }
    escaped += '\\';
    text.remove_prefix(backslash + 1);
  }
}

}  // namespace

std::string to_string(const Origin& origin) {
  if (origin.position.line == 0) {
    return origin.file;
  }
  return origin.file + ":" + std::to_string(origin.position.line) + ":" +
         std::to_string(origin.position.column);
}

void Problems::add(const Origin& origin, std::string_view key, std::string_view what) {
  // Names and values come from the file: a line break in one must not make a second line.
  lines_.push_back(
      escape::control_characters(to_string(origin) + ": " + std::string(key) + ": " + std::string(what)));
  keys_.emplace(key);
}

void Problems::add_file(const Origin& origin, std::string_view what) {
  lines_.push_back(escape::control_characters(to_string(origin)) + ": " + escape_once(what));
  whole_file_ = true;
}

bool Problems::is_sound(std::string_view key) const {
  return !whole_file_ && !keys_.contains(key);
}

Error Problems::to_error() const {
  std::string text;
  for (const std::string& line : lines_) {
    text += (text.empty() ? "" : "\n") + line;
  }
  return {{}, text};
}

}  // namespace msi2imds::config

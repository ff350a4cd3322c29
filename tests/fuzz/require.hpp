// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstdlib>
#include <string_view>

// What fuzzers check.
namespace msi2imds::fuzz {

// A failed check has to stop the fuzzer in a build of any kind.
inline void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

// One JSON document. Boost.JSON throws, and so stops the fuzzer, for anything else.
inline boost::json::value require_json(std::string_view text) {
  return boost::json::parse({text.data(), text.size()});
}

inline bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

inline std::string_view view_of(const void* bytes, std::size_t size) {
  return {static_cast<const char*>(bytes), size};
}

// Cuts what stands before the separator, and the separator, off the front.
inline std::string_view cut(std::string_view& rest, std::string_view separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + separator.size(), rest.size()));
  return taken;
}

}  // namespace msi2imds::fuzz

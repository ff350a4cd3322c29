// SPDX-License-Identifier: MIT
#include "legacy/target.hpp"

#include <algorithm>
#include <string>

#include "base/text.hpp"
#include "legacy/percent.hpp"

namespace msi2imds::legacy {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::string_view kLegacyPath = "/oauth2/token";
constexpr std::string_view kImdsPath = "/metadata/identity/oauth2/token";

// RFC 3986, section 6.2.2.2: decoding these never changes what a path means. An encoded slash stays encoded.
bool is_unreserved(char c) {
  return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

std::string normalize(std::string_view path) {
  std::string normal;
  normal.reserve(path.size());
  while (!path.empty()) {
    const auto decoded = decode_escape(path);
    const bool needless = decoded && is_unreserved(*decoded);
    const char c = needless ? *decoded : path.front();
    if (c != '/' || !normal.ends_with('/')) {
      normal += c;
    }
    path.remove_prefix(needless ? kEscapeLength : 1);
  }
  if (normal.ends_with('/')) {
    normal.pop_back();
  }
  return normal;
}

}  // namespace

Target split_target(std::string_view target) {
  Target parts;
  target =
      target.substr(0, target.find('#'));  // a fragment is the client's own affair and should not be here
  if (starts_ignoring_case(target, kScheme)) {
    target.remove_prefix(kScheme.size());
    const auto end = std::min(target.find_first_of("/?"), target.size());
    parts.authority = target.substr(0, end);
    target.remove_prefix(end);
  }
  const auto mark = std::min(target.find('?'), target.size());
  parts.path = target.substr(0, mark);
  target.remove_prefix(std::min(mark + 1, target.size()));
  parts.query = target;
  return parts;
}

bool is_token_path(std::string_view path) {
  if (path == kLegacyPath || path == kImdsPath) {
    return true;
  }
  const std::string normal = normalize(path);
  return normal == kLegacyPath || normal == kImdsPath;
}

}  // namespace msi2imds::legacy

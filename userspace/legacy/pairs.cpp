// SPDX-License-Identifier: MIT
#include "legacy/pairs.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"
#include "legacy/percent.hpp"

namespace msi2imds::legacy {
namespace {

struct Spelling {
  std::string_view name;
  Parameter parameter;
};

constexpr std::array<Spelling, 11> kSpellings = {{
    {"resource", Parameter::resource},
    {"client_id", Parameter::client_id},
    {"clientid", Parameter::client_id},
    {"object_id", Parameter::object_id},
    {"msi_res_id", Parameter::resource_id},
    {"mi_res_id", Parameter::resource_id},
    {"bypass_cache", Parameter::bypass_cache},
    {"authority", Parameter::noise},
    {"api-version", Parameter::noise},
    {"grant_type", Parameter::noise},
    {"refresh_token", Parameter::noise},
}};

constexpr std::string_view kBlanks = " +";

std::string_view without_quotes(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.starts_with('"') && text.ends_with('"');
  return quoted ? text.substr(1, text.size() - 2) : text;
}

// Looks no further than the longest name, so that a body full of commas costs no more than another.
bool starts_with_known_name(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return std::ranges::any_of(kSpellings, [&](const Spelling& spelling) {
    return starts_ignoring_case(text, spelling.name) && text.substr(spelling.name.size()).starts_with('=');
  });
}

}  // namespace

std::optional<Parameter> find_parameter(std::string_view name) {
  for (const Spelling& spelling : kSpellings) {
    if (equal_ignoring_case(spelling.name, name)) {
      return spelling.parameter;
    }
  }
  return std::nullopt;
}

// Files and shells leave a line end behind a body.
PairReader::PairReader(std::string_view text) : rest_(without_quotes(trim(text, " \t\r\n"))) {}

// Where the next separator is: an &, or a comma if a known name follows.
std::size_t PairReader::segment_end() const {
  auto end = rest_.find_first_of("&,");
  while (end != std::string_view::npos && rest_[end] == ',' &&
         !starts_with_known_name(rest_.substr(end + 1))) {
    end = rest_.find_first_of("&,", end + 1);
  }
  return std::min(end, rest_.size());
}

void PairReader::skip_segment() {
  rest_.remove_prefix(std::min(segment_end() + 1, rest_.size()));
}

std::optional<Pair> PairReader::next() {
  std::string_view segment = rest_.substr(0, segment_end());
  while (segment.find('=') == std::string_view::npos) {
    if (segment.size() == rest_.size()) {
      return std::nullopt;
    }
    skip_segment();
    segment = rest_.substr(0, segment_end());
  }

  const char* const begin = segment.data();
  const char* end = begin + segment.size();
  skip_segment();
  // What has no = of its own is the part of this value behind a raw &; an empty one counts only in between.
  while (!rest_.empty()) {
    const std::string_view following = rest_.substr(0, segment_end());
    if (following.find('=') != std::string_view::npos) {
      break;
    }
    if (!following.empty()) {
      end = following.data() + following.size();
    }
    skip_segment();
  }

  const std::string_view pair(begin, static_cast<std::size_t>(end - begin));
  const auto equals = pair.find('=');
  return Pair{.name = trim(pair.substr(0, equals), kBlanks), .value = pair.substr(equals + 1)};
}

std::string decode_form(std::string_view text, std::string room) {
  std::string decoded = std::move(room);
  decoded.clear();
  decoded.reserve(text.size());
  while (!text.empty()) {
    const auto plain = std::min(text.find_first_of("%+"), text.size());
    decoded += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) {
      break;
    }
    const auto byte = decode_escape(text);
    decoded += byte.value_or(text.front() == '+' ? ' ' : '%');
    text.remove_prefix(byte ? kEscapeLength : 1);
  }
  return decoded;
}

}  // namespace msi2imds::legacy

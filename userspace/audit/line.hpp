// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "caller/identity.hpp"

namespace msi2imds::audit {

enum class Format { text, json };

// What a line tells. Each kind has room of its own, so that lines of one kind keep none of another out.
enum class Kind : std::uint8_t {
  token,    // a token was given
  refusal,  // the rules or IMDS refused a token
  other,    // neither was decided
};
inline constexpr std::size_t kKinds = 3;

// What is kept of a request. Never a token.
struct Record {
  std::chrono::system_clock::time_point time;
  const caller::Identity& caller;
  std::string_view resource;
  std::string_view identity;            // that IMDS was to be asked for; empty: none was named
  std::string_view identity_by = {};    // who named it; empty: it was no token request
  std::string_view identity_rule = {};  // that named it
  std::string_view outcome;
  std::string_view source;  // of the answer; empty: nobody was asked
  std::chrono::microseconds duration{};
  std::string_view policy = {};  // what the rules say; empty: there are none
  std::string_view rule = {};    // that decided
  Kind kind = Kind::other;
};

// Appends a line with its line feed. Whatever a stranger chose is escaped: a line stays a line. Of a text
// with more than 1024 bytes only the first 1024 are written, followed by "...".
void append(std::string& out, const Record& record, Format format);

// Appends a line that stands for `count` lines of one kind and one caller that were left out.
void append_left_out(std::string& out, std::chrono::system_clock::time_point time, std::uint64_t count,
                     Kind kind, const caller::Identity& caller, Format format);

}  // namespace msi2imds::audit

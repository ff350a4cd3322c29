// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "imds_emulator/request.hpp"

namespace msi2imds::emulator {

inline constexpr std::string_view kJsonType = "application/json; charset=utf-8";
inline constexpr std::string_view kHtmlType = "text/html; charset=utf-8";

struct Reply {
  unsigned status = 200;
  std::string body;
  std::string_view content_type = kJsonType;  // one of the constants above
  std::vector<Header> headers;
  std::string_view problem;  // a literal: what statistics call the mistake in the request; empty without one
};

// IMDS's usual shape of a refusal.
[[nodiscard]] Reply refuse(unsigned status, std::string_view error, std::string_view description,
                           std::string_view problem);

// The other shape, which the host's front end uses when `api-version` is missing or unknown.
[[nodiscard]] Reply refuse_api_version(std::string_view problem);

// Whether an answer with that status ends with its head.
[[nodiscard]] bool has_no_body(unsigned status);

// An interim answer.
void append_interim(std::string& out, unsigned status);

// The bytes of an answer up to the empty line, with `now` as its Date.
void append_head(std::string& out, const Reply& reply, std::chrono::sys_seconds now, bool keep_alive);

}  // namespace msi2imds::emulator

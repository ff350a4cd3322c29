// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "caller/identity.hpp"
#include "usage/table.hpp"

namespace msi2imds::usage {

inline constexpr std::int64_t kHour = 3600;
inline constexpr std::int64_t kDay = 86400;
inline constexpr std::int64_t kNow = 20'600 * kDay + 43'200;  // noon of 2026-05-27, UTC

// What a caller may call itself to spoil a log, a terminal or a page.
inline constexpr std::string_view kHostile =
    "a\nb\x1b[31m<script>document.title='owned'</script>&\"\\\x7f\xc2\x9b\xff\xe2\x80\xa8";

inline caller::Identity a_caller(const std::string& unit, const std::string& program = "/usr/bin/old") {
  caller::Identity caller;
  caller.uid = 1000;
  caller.user = "app";
  caller.pid = 4711;
  caller.unit = unit;
  caller.program = program;
  caller.command_line = program + " --once";
  return caller;
}

inline void ask(Table& table, const caller::Identity& caller, std::int64_t time = kNow,
                std::string_view resource = "https://vault.azure.net", std::string_view outcome = "token",
                std::string_view identity = "") {
  table.record({time, caller, resource, identity, outcome});
}

}  // namespace msi2imds::usage

// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "usage/table.hpp"

namespace msi2imds::usage {

// Whether the legacy endpoint can be retired. Its texts hold names that callers chose: whoever shows them
// escapes them.
struct Verdict {
  enum class Kind { can_be_retired, in_use, not_known };
  Kind kind = Kind::not_known;
  std::string text;  // "still in use: 2 callers, the last one a.service (/usr/bin/a) 2 hours ago"
  std::vector<std::string> reasons;  // what it rests on
};

[[nodiscard]] Verdict judge(const Table& table, std::int64_t now, std::int64_t quiet_days);

[[nodiscard]] std::string_view to_string(Verdict::Kind kind);

// "2 hours ago"
[[nodiscard]] std::string ago(std::int64_t time, std::int64_t now);
// "2026-07-14"
[[nodiscard]] std::string day(std::int64_t time);
// "2026-07-14 09:30 UTC"
[[nodiscard]] std::string date(std::int64_t time);

}  // namespace msi2imds::usage

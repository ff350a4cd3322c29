// SPDX-License-Identifier: MIT
#include "doctor/report.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>

#include "base/escape.hpp"
#include "base/json.hpp"
#include "base/number_of.hpp"

namespace msi2imds::doctor {
namespace {

std::uint64_t count(const Findings& findings, Level level) {
  return static_cast<std::uint64_t>(std::ranges::count(findings, level, &Finding::level));
}

std::string summary(const Findings& findings) {
  const std::uint64_t errors = count(findings, Level::error);
  const std::uint64_t warnings = count(findings, Level::warning);
  const std::uint64_t unknown = count(findings, Level::unknown);
  return fmt::format("{}, {}, {}{} ok", number_of(errors, "error"), number_of(warnings, "warning"),
                     unknown == 0 ? "" : fmt::format("{} unknown, ", unknown), count(findings, Level::ok));
}

// Null is what is not known.
std::string level_in_json(Level level) {
  return level == Level::unknown ? "null" : json_string(to_string(level));
}

}  // namespace

std::string to_text(const Findings& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += fmt::format("{:<8} {:<10} {}\n", to_string(finding.level),
                        escape::control_characters(finding.check), escape::control_characters(finding.text));
    if (!finding.advice.empty()) {
      text += fmt::format("{:<19} -> {}\n", "", escape::control_characters(finding.advice));
    }
  }
  return text + "\n" + summary(findings) + "\n";
}

std::string to_json(const Findings& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += fmt::format(R"({}{{"check":{},"level":{},"text":{},"advice":{}}})", text.empty() ? "" : ",",
                        json_string(finding.check), level_in_json(finding.level), json_string(finding.text),
                        json_string(finding.advice));
  }
  return fmt::format(R"({{"findings":[{}],"worst":{}}})", text, level_in_json(worst_of(findings)));
}

}  // namespace msi2imds::doctor

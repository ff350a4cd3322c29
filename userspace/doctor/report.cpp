// SPDX-License-Identifier: MIT
#include "doctor/report.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/escape.hpp"
#include "base/json.hpp"

namespace msi2imds::doctor {
namespace {

std::ptrdiff_t count(const Findings& findings, Level level) {
  return std::ranges::count(findings, level, &Finding::level);
}

std::string counted(std::ptrdiff_t number, const char* what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

std::string summary(const Findings& findings) {
  const std::ptrdiff_t errors = count(findings, Level::error);
  const std::ptrdiff_t warnings = count(findings, Level::warning);
  return fmt::format("{}, {}, {} ok", counted(errors, "error"), counted(warnings, "warning"),
                     count(findings, Level::ok));
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
                        json_string(finding.check), json_string(to_string(finding.level)),
                        json_string(finding.text), json_string(finding.advice));
  }
  return fmt::format(R"({{"findings":[{}],"worst":{}}})", text, json_string(to_string(worst_of(findings))));
}

}  // namespace msi2imds::doctor

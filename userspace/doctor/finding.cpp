// SPDX-License-Identifier: MIT
#include "doctor/finding.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace msi2imds::doctor {

std::string_view to_string(Level level) {
  switch (level) {
    case Level::ok:
      return "ok";
    case Level::warning:
      return "warning";
    case Level::unknown:
      return "unknown";
    case Level::error:
      break;
  }
  return "error";
}

Finding ok(std::string_view check, std::string text) {
  return {.check = std::string(check), .level = Level::ok, .text = std::move(text), .advice = {}};
}

Finding warning(std::string_view check, std::string text, std::string advice) {
  return {.check = std::string(check),
          .level = Level::warning,
          .text = std::move(text),
          .advice = std::move(advice)};
}

Finding unknown(std::string_view check, std::string text) {
  return {.check = std::string(check),
          .level = Level::unknown,
          .text = std::move(text),
          .advice = "Run doctor as root: sudo msi2imds doctor."};
}

Finding error(std::string_view check, std::string text, std::string advice) {
  return {.check = std::string(check),
          .level = Level::error,
          .text = std::move(text),
          .advice = std::move(advice)};
}

Level worst_of(const Findings& findings) {
  Level worst = Level::ok;
  for (const Finding& finding : findings) {
    worst = std::max(worst, finding.level);
  }
  return worst;
}

void append(Findings& all, Findings more) {
  std::move(more.begin(), more.end(), std::back_inserter(all));
}

}  // namespace msi2imds::doctor

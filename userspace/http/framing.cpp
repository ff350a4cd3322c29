// SPDX-License-Identifier: MIT
#include "http/framing.hpp"

namespace msi2imds::http {

Head examine_head(std::string_view input) {
  std::size_t line_start = 0;
  while (true) {
    const std::size_t line_feed = input.find('\n', line_start);
    if (line_feed == std::string_view::npos) {
      return {};
    }
    if (line_feed == line_start || input[line_feed - 1] != '\r') {
      return {.complete = {}, .fault = "a line ends with a bare line feed; CR LF is needed"};
    }
    if (line_start > 0 && (input[line_start] == ' ' || input[line_start] == '\t')) {
      return {.complete = {}, .fault = "a header line is folded; every header has to be on one line"};
    }
    if (line_feed - line_start == 1 && line_start > 0) {
      return {.complete = line_feed + 1, .fault = nullptr};
    }
    line_start = line_feed + 1;
  }
}

}  // namespace msi2imds::http

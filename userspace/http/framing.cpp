// SPDX-License-Identifier: MIT
#include "http/framing.hpp"

#include <algorithm>
#include <charconv>
#include <functional>

namespace msi2imds::http {
namespace {

std::vector<std::string_view> values_of(const std::vector<Header>& headers, std::string_view name) {
  std::vector<std::string_view> values;
  for (const Header& header : headers) {
    if (equal_ignoring_case(header.name, name)) {
      values.emplace_back(header.value);
    }
  }
  return values;
}

BodyLength faulty(const char* fault) {
  return {.kind = BodyLength::Kind::unsaid, .bytes = 0, .fault = fault};
}

BodyLength counted(std::string_view text) {
  std::uint64_t bytes = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (ec != std::errc() || end != text.data() + text.size()) {
    return faulty("Content-Length is not a number");
  }
  return {.kind = BodyLength::Kind::counted, .bytes = bytes, .fault = nullptr};
}

}  // namespace

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

BodyLength body_length(const std::vector<Header>& headers, unsigned version) {
  const auto encodings = values_of(headers, "Transfer-Encoding");
  const auto lengths = values_of(headers, "Content-Length");
  if (encodings.empty()) {
    if (std::ranges::adjacent_find(lengths, std::not_equal_to()) != lengths.end()) {
      return faulty("Content-Length stands there twice, with different values");
    }
    return lengths.empty() ? BodyLength() : counted(lengths.front());
  }
  if (!lengths.empty()) {
    return faulty("Content-Length and Transfer-Encoding exclude each other");
  }
  if (encodings.size() > 1 || !equal_ignoring_case(encodings.front(), "chunked")) {
    return faulty("the only Transfer-Encoding understood is chunked");
  }
  if (version < 11) {
    return faulty("HTTP/1.0 has no Transfer-Encoding");
  }
  return {.kind = BodyLength::Kind::chunked, .bytes = 0, .fault = nullptr};
}

}  // namespace msi2imds::http

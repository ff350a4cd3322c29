// SPDX-License-Identifier: MIT
#include "unit/legacy/raw_request.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>

#include "base/text.hpp"

namespace msi2imds::legacy {
namespace {

// Takes what stands before the separator, and the separator, off the front.
std::string_view take_until(std::string_view& rest, std::string_view separator) {
  const auto end = std::min(rest.find(separator), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + separator.size(), rest.size()));
  return taken;
}

std::string join_chunks(std::string_view rest) {
  std::string body;
  while (!rest.empty()) {
    const std::string_view digits = take_until(rest, "\r\n");
    std::size_t size = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
    body += rest.substr(0, size);
    rest.remove_prefix(std::min(size, rest.size()));
    take_until(rest, "\r\n");
  }
  return body;
}

}  // namespace

http::Request split_request(std::string_view bytes) {
  std::string_view head = take_until(bytes, "\r\n\r\n");
  std::string_view request_line = take_until(head, "\r\n");
  http::Request request;
  request.method = take_until(request_line, " ");
  request.target = take_until(request_line, " ");
  request.version = request_line == "HTTP/1.0" ? 10 : 11;
  while (!head.empty()) {
    std::string_view line = take_until(head, "\r\n");
    const std::string_view name = take_until(line, ":");
    request.headers.push_back({.name = std::string(name), .value = std::string(trim(line, " \t"))});
  }
  const std::string* encoding = request.header("Transfer-Encoding");
  request.body = encoding != nullptr && *encoding == "chunked" ? join_chunks(bytes) : bytes;
  return request;
}

}  // namespace msi2imds::legacy

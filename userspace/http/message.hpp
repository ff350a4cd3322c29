// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.hpp"

// HTTP/1.x messages as plain values, free of the library that reads and writes them.
namespace msi2imds::http {

struct Header {
  std::string name;
  std::string value;
};

using msi2imds::equal_ignoring_case;  // as header names are compared, and most of their values

// The value of the first header of that name in any case, or nullptr.
[[nodiscard]] const std::string* find_header(const std::vector<Header>& headers, std::string_view name);

struct Request {
  unsigned version = 11;  // 10 or 11
  std::string method;
  std::string target;  // as sent, undecoded
  std::vector<Header> headers;
  std::string body;  // chunks joined

  [[nodiscard]] const std::string* header(std::string_view name) const {
    return find_header(headers, name);
  }
};

// What a server has answered to a request of ours.
struct Answer {
  unsigned status = 0;
  std::vector<Header> headers;   // without those of interim answers, and without trailers
  std::string body;              // chunks joined
  bool can_be_followed = false;  // by the answer to another request on the same connection

  [[nodiscard]] const std::string* header(std::string_view name) const {
    return find_header(headers, name);
  }
};

// What we answer to a request.
struct Response {
  unsigned status = 200;
  std::string body;
  std::string_view content_type = "application/json; charset=utf-8";  // a literal
  std::vector<Header> headers;  // besides Content-Type, Content-Length and Connection
  bool close = false;           // the connection cannot go on after this answer
};

}  // namespace msi2imds::http

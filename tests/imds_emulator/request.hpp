// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace msi2imds::emulator {

inline constexpr std::string_view kTokenPath = "/metadata/identity/oauth2/token";
inline constexpr std::string_view kInstancePath = "/metadata/instance";
inline constexpr std::string_view kControlPrefix = "/emulator/";

struct Header {
  std::string name;
  std::string value;
};

// An HTTP request as it arrived, nothing decoded.
struct Request {
  std::string method;
  std::string target;
  std::vector<Header> headers;
  std::string body;
  bool chunked = false;
  bool keep_alive = true;

  [[nodiscard]] std::size_t count(std::string_view name) const;

  // The value of the first header of that name in any case, or nullptr.
  [[nodiscard]] const std::string* header(std::string_view name) const;

  [[nodiscard]] std::string_view path() const;
  [[nodiscard]] std::string_view query() const;
};

}  // namespace msi2imds::emulator

// SPDX-License-Identifier: MIT
#include "http/message.hpp"

#include <strings.h>

namespace msi2imds::http {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

const std::string* find_header(const std::vector<Header>& headers, std::string_view name) {
  for (const Header& header : headers) {
    if (equal_ignoring_case(header.name, name)) {
      return &header.value;
    }
  }
  return nullptr;
}

}  // namespace msi2imds::http

// SPDX-License-Identifier: MIT
#include "http/message.hpp"

namespace msi2imds::http {

const std::string* find_header(const std::vector<Header>& headers, std::string_view name) {
  for (const Header& header : headers) {
    if (equal_ignoring_case(header.name, name)) {
      return &header.value;
    }
  }
  return nullptr;
}

}  // namespace msi2imds::http

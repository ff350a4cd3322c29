// SPDX-License-Identifier: MIT
#include "http/message.hpp"

#include <strings.h>

namespace msi2imds::http {

const std::string* Request::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name.size() == name.size() &&
        ::strncasecmp(header.name.data(), name.data(), name.size()) == 0) {
      return &header.value;
    }
  }
  return nullptr;
}

}  // namespace msi2imds::http

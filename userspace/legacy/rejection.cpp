// SPDX-License-Identifier: MIT
#include "legacy/rejection.hpp"

#include <cstddef>
#include <stdexcept>

#include "base/escape.hpp"

namespace msi2imds::legacy {
namespace {

constexpr std::size_t kMaxExcerpt = 200;

}  // namespace

void throw_exception_from_error(const Rejection& rejection, const boost::source_location& where) {
  throw std::logic_error(std::string(where.file_name()) + ":" + std::to_string(where.line()) +
                         ": unchecked rejection: " + rejection.description);
}

std::string excerpt(std::string_view text) {
  if (text.size() <= kMaxExcerpt) {
    return escape::control_characters(text);
  }
  return escape::control_characters(text.substr(0, kMaxExcerpt)) + "...";
}

}  // namespace msi2imds::legacy

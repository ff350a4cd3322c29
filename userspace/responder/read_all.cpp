// SPDX-License-Identifier: MIT
#include "responder/read_all.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace msi2imds::responder {

Result<std::string> read_all(const UniqueFd& file, const char* what, std::size_t max_size) {
  std::string text;
  std::array<char, 4096> part{};
  while (true) {
    const ssize_t size = ::read(file.get(), part.data(), part.size());
    if (size < 0) {
      return Error::from_errno(errno, std::string("read ") + what + " from the supervisor");
    }
    if (size == 0) {
      return text;
    }
    text.append(part.data(), static_cast<std::size_t>(size));
    if (text.size() > max_size) {
      return Error::from_errno(EFBIG, std::string("read ") + what + " from the supervisor");
    }
  }
}

}  // namespace msi2imds::responder

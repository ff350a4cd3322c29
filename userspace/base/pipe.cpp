// SPDX-License-Identifier: MIT
#include "base/pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>

namespace msi2imds {

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Error::from_errno(errno, "make a pipe");
  }
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<UniqueFd> pipe_with(std::string_view text) {
  Result<Pipe> pipe = make_pipe();
  if (!pipe) {
    return pipe.error();
  }
  (void)::fcntl(pipe->writer.get(), F_SETFL, O_NONBLOCK);
  (void)::fcntl(pipe->writer.get(), F_SETPIPE_SZ, static_cast<int>(text.size()));  // 64 KiB do without
  const ssize_t written = text.empty() ? 0 : ::write(pipe->writer.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    return Error::from_errno(written < 0 ? errno : EMSGSIZE,
                             "write " + std::to_string(text.size()) + " bytes into a pipe");
  }
  return std::move(pipe->reader);
}

}  // namespace msi2imds

// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <string>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace msi2imds::supervisor {

// The listening admin socket, root:group 0660; its file goes with it.
class AdminSocket {
 public:
  // Replaces the file that a process which is gone left behind; fails with EADDRINUSE when somebody answers
  // there, and leaves alone whatever is no socket. Makes the last directory of the path when it is missing.
  // Waits some seconds for the responder of a supervisor that was killed.
  static asio::awaitable<Result<AdminSocket>> open(std::string path, gid_t group);

  AdminSocket(AdminSocket&&) noexcept = default;
  AdminSocket& operator=(AdminSocket&&) = delete;
  AdminSocket(const AdminSocket&) = delete;
  AdminSocket& operator=(const AdminSocket&) = delete;
  ~AdminSocket();

  [[nodiscard]] int fd() const {
    return fd_.get();
  }

 private:
  AdminSocket(std::string path, UniqueFd fd);

  std::string path_;
  UniqueFd fd_;
};

}  // namespace msi2imds::supervisor

// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/asio.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"

// The files in which the responder keeps what it records. It is handed descriptors: it may not open anything.
namespace msi2imds::supervisor {

// The audit file, opened for appending and made (0600) where it is missing, with its directory. Follows no
// link in the last part, and takes nothing but a regular file.
[[nodiscard]] Result<UniqueFd> open_audit_file(const std::string& path);

// Whether that file ends within a line: the disk was full when a process ended that wrote it.
[[nodiscard]] bool ends_within_a_line(const std::string& path);

// A file that is replaced as a whole. The disk is waited for in a process of its own, and only there.
class StateFile {
 public:
  explicit StateFile(std::string path) : path_(std::move(path)) {}

  // What was saved last, to be read; an empty descriptor: nothing yet.
  [[nodiscard]] Result<UniqueFd> open() const;

  // Where the next state is to be written; it counts with save(). Fails with EBUSY while the last one is
  // still on its way to the disk.
  [[nodiscard]] Result<UniqueFd> begin();

  // Whether begin() would find a place for a state, which should be known before there is one.
  [[nodiscard]] Result<void> check();

  // Puts what was written since begin() in place of the old state, if it has that size; outcome() tells how
  // that ended.
  [[nodiscard]] Result<void> save(std::uint64_t size);

  // How the last save() ended, once for each; nothing while it is under way.
  [[nodiscard]] std::optional<Result<void>> outcome();

  // The same; waits for it, for so long at most.
  asio::awaitable<std::optional<Result<void>>> wait_for_outcome(std::chrono::milliseconds patience);

  // Whether a save() is under way, or its outcome has not been asked for.
  [[nodiscard]] bool is_being_saved() const {
    return writer_ > 0;
  }

  [[nodiscard]] const std::string& path() const {
    return path_;
  }

  // Moves a state that is of no use out of the way; returns to where.
  [[nodiscard]] Result<std::string> set_aside();

 private:
  [[nodiscard]] Result<void> read_status(int status) const;

  std::string path_;
  UniqueFd next_;
  pid_t writer_ = -1;
};

}  // namespace msi2imds::supervisor

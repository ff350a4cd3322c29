// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"

namespace msi2imds::resolver {

// A file and its content: where the kernel keeps the times, a file with another content has another key.
struct FileKey {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified = 0;  // ns since 1970
  std::int64_t changed = 0;

  friend bool operator==(const FileKey&, const FileKey&) = default;
};

// The file that a process runs, open.
struct ProgramFile {
  UniqueFd file;
  FileKey key;
  std::string problem;  // why its content cannot be gone by; empty: it can
};

// Opens whatever the process runs now.
[[nodiscard]] ProgramFile open_program(const std::string& proc, pid_t pid);

[[nodiscard]] std::optional<FileKey> key_of(const UniqueFd& file);

}  // namespace msi2imds::resolver

// SPDX-License-Identifier: MIT
#pragma once

#include <dirent.h>

#include <memory>

namespace msi2imds {

struct DirectoryDeleter {
  void operator()(DIR* directory) const noexcept {
    (void)::closedir(directory);
  }
};

// A directory that is being listed; closed with its owner.
using Directory = std::unique_ptr<DIR, DirectoryDeleter>;

}  // namespace msi2imds

// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <string_view>

// Whether what stands somewhere is that user's word, and nobody else's.
namespace msi2imds::resolver {

// Whether nobody but `owner`, and who may do anything, could have written it.
[[nodiscard]] bool only_owner_may_change(const struct stat& status, uid_t owner);

// The same of each directory on the way from that one down `path`, the first and the last included; none of
// them is a symbolic link.
[[nodiscard]] bool only_owner_may_change_on_the_way(int directory, std::string_view path, uid_t owner);

// The same of all directories in which an open file lies, from `root` on, whatever links led to it.
[[nodiscard]] bool only_owner_may_replace(int file, const std::string& root, uid_t owner);

// Where an open file or directory is; empty: not known.
[[nodiscard]] std::string path_of(int fd);

}  // namespace msi2imds::resolver

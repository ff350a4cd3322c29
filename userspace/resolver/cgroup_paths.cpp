// SPDX-License-Identifier: MIT
#include "resolver/cgroup_paths.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <string_view>
#include <utility>

#include "base/directory.hpp"

namespace msi2imds::resolver {
namespace {

constexpr std::size_t kMostPaths = 16384;
constexpr std::chrono::milliseconds kWalkInterval{200};
constexpr int kDeepest = 32;

// Depth first; `path` is that of the directory, empty for the root.
void add_below(UniqueFd directory, const std::string& path, int depth,
               std::unordered_map<std::uint64_t, std::string>& paths) {
  const int fd = directory.get();
  const Directory entries(::fdopendir(fd));
  if (entries == nullptr) {
    return;
  }
  (void)directory.release();
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name(static_cast<const char*>(entry->d_name));
    if (entry->d_type != DT_DIR || name == "." || name == ".." || paths.size() >= kMostPaths) {
      continue;
    }
    const std::string below = path + "/" + std::string(name);
    paths.emplace(entry->d_ino, below);
    UniqueFd child(::openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (child && depth < kDeepest) {
      add_below(std::move(child), below, depth + 1, paths);
    }
  }
}

}  // namespace

std::optional<std::string> CgroupPaths::find(std::uint64_t id) {
  auto found = paths_.find(id);
  const auto now = std::chrono::steady_clock::now();
  if (found == paths_.end() && root_ && (paths_.empty() || now - walked_ >= kWalkInterval)) {
    walked_ = now;
    walk();
    found = paths_.find(id);
  }
  return found == paths_.end() ? std::nullopt : std::optional(found->second);
}

// What is gone stays known, since callers may be asked about after their end.
void CgroupPaths::walk() {
  if (paths_.size() >= kMostPaths) {
    paths_.clear();
  }
  struct stat root {};
  if (::fstat(root_.get(), &root) == 0) {
    paths_.emplace(root.st_ino, "/");
  }
  add_below(UniqueFd(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), "", 0, paths_);
}

}  // namespace msi2imds::resolver

// SPDX-License-Identifier: MIT
#include "resolver/cgroup_paths.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/directory.hpp"
#include "resolver/ownership.hpp"

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

// A cgroup's id is also its handle (since Linux 5.5), so that nobody has to walk past those that others made.
std::optional<std::string> path_by_handle(int root, std::uint64_t id) {
  constexpr int kKernfsHandle = 0xfe;
  alignas(file_handle) std::array<char, sizeof(file_handle) + sizeof id> room{};
  auto* const handle = reinterpret_cast<file_handle*>(room.data());
  handle->handle_bytes = sizeof id;
  handle->handle_type = kKernfsHandle;
  std::memcpy(room.data() + sizeof(file_handle), &id, sizeof id);
  const UniqueFd directory(::open_by_handle_at(root, handle, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    return std::nullopt;
  }
  std::string path = path_of(directory.get());
  std::string of_root = path_of(root);
  of_root = of_root == "/" ? "" : of_root;
  if (!path.starts_with(of_root)) {
    return std::nullopt;
  }
  path.erase(0, of_root.size());
  return path.empty()            ? std::optional<std::string>("/")
         : path.starts_with('/') ? std::optional(path)
                                 : std::nullopt;
}

}  // namespace

std::optional<std::string> CgroupPaths::find(std::uint64_t id) {
  auto found = paths_.find(id);
  if (found == paths_.end() && root_) {
    if (auto path = path_by_handle(root_.get(), id)) {
      if (paths_.size() >= kMostPaths) {
        paths_.clear();
      }
      found = paths_.emplace(id, std::move(*path)).first;
    }
  }
  const auto now = std::chrono::steady_clock::now();
  if (found == paths_.end() && root_ && (paths_.empty() || now - walked_ >= kWalkInterval)) {
    walked_ = now;
    walk();
    found = paths_.find(id);
  }
  return found == paths_.end() ? std::nullopt : std::optional(found->second);
}

bool CgroupPaths::only_owner_may_add_below(std::string_view path, uid_t owner) const {
  return root_ && only_owner_may_change_on_the_way(root_.get(), path, owner);
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

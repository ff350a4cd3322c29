// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace msi2imds::kernel {

// A BPF file system of the test's own, with a place for pins.
class BpfFileSystem {
 public:
  BpfFileSystem() : is_mounted_(::mkdtemp(root_.data()) != nullptr && mount()) {}
  BpfFileSystem(const BpfFileSystem&) = delete;
  BpfFileSystem& operator=(const BpfFileSystem&) = delete;
  ~BpfFileSystem() {
    unmount();
    (void)::rmdir(root_.c_str());
  }

  bool mount() {
    return ::mount("bpf", root_.c_str(), "bpf", 0, nullptr) == 0;
  }
  void unmount() {
    if (is_mounted_) {
      (void)::umount2(root_.c_str(), MNT_DETACH);
    }
  }

  [[nodiscard]] std::string pins() const {
    return root_ + "/pins";
  }

  // The names of what is pinned.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    std::error_code ec;
    for (const auto& entry : std::filesystem::directory_iterator(pins(), ec)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  std::string root_ = "/tmp/msi2imds-bpffs-XXXXXX";
  bool is_mounted_;
};

}  // namespace msi2imds::kernel

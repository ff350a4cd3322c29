// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::resolver {

// A tree like /proc, with processes of the test's making.
class FakeProc {
 public:
  FakeProc() {
    std::filesystem::create_directories(path("self/ns"));
    std::filesystem::create_symlink("mnt:[1]", path("self/ns/mnt"));
  }

  // Runs `program`, since that many ticks after boot, as the user who runs the tests: theirs is its
  // directory.
  void add(int pid, const std::string& program, std::uint64_t started) {
    const std::string directory = std::to_string(pid);
    std::filesystem::create_directories(path(directory + "/ns"));
    std::filesystem::create_directories(path(directory + "/fd"));
    std::filesystem::create_symlink("mnt:[1]", path(directory + "/ns/mnt"));
    std::filesystem::create_symlink(program, path(directory + "/exe"));
    write(directory + "/comm", "a (comm) 1\n");
    write(directory + "/cmdline", std::string("backup\0--all\0", 13));
    set_user(pid, ::geteuid());
    write(directory + "/cgroup", "1:name=systemd:/old\n0::/system.slice/backup.service\n");
    set_stat(pid, started);
  }
  // In its status; its directory still belongs to who made it.
  void set_user(int pid, uid_t uid) {
    std::string ids;
    for (int which = 0; which < 4; ++which) {
      ids += "\t" + std::to_string(uid);
    }
    write(std::to_string(pid) + "/status", "Name:\tx\nUid:" + ids + "\nGid:\t9\t9\t9\t9\nGroups:\t6 27 \n");
  }
  void set_stat(int pid, std::uint64_t started) {
    std::string text = std::to_string(pid) + " (a (comm) 1) S";
    for (int field = 4; field <= 52; ++field) {
      text += " " + std::to_string(field == 22 ? started : static_cast<std::uint64_t>(field));
    }
    write(std::to_string(pid) + "/stat", text + "\n");
  }
  void hold(int pid, int fd, unsigned inode) {
    std::filesystem::create_symlink("socket:[" + std::to_string(inode) + "]",
                                    path(std::to_string(pid) + "/fd/" + std::to_string(fd)));
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(path(name)) << text;
  }
  [[nodiscard]] std::string path(const std::string& name = "") const {
    return directory_.file(name);
  }

 private:
  support::TemporaryDirectory directory_;
};

}  // namespace msi2imds::resolver

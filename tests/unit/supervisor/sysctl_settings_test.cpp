// SPDX-License-Identifier: MIT
#include "supervisor/sysctl_settings.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

class SysctlSettingsTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path_of(const std::string& file) const {
    std::string path = root_ + "/" + file;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    return path;
  }
  void write(const std::string& file, const std::string& text) const {
    std::ofstream(path_of(file)) << text;
  }
  [[nodiscard]] std::string found() const {
    return to_port_list(ports_reserved_by_settings(root_));
  }

  support::TemporaryDirectory directory_;
  std::string root_ = directory_.file("root");
};

TEST_F(SysctlSettingsTest, AreNoneOnAMachineWithoutAny) {
  EXPECT_EQ(found(), "");
}

TEST_F(SysctlSettingsTest, AreFoundInAllPlaces) {
  int port = 1;
  for (const char* file :
       {"etc/sysctl.conf", "etc/sysctl.d/a.conf", "run/sysctl.d/b.conf", "usr/local/lib/sysctl.d/c.conf",
        "usr/lib/sysctl.d/d.conf", "lib/sysctl.d/e.conf"}) {
    write(file, "net.ipv4.ip_local_reserved_ports=" + std::to_string(port) + "\n");
    port += 2;
  }
  EXPECT_EQ(found(), "1,3,5,7,9,11");
}

TEST_F(SysctlSettingsTest, AreReadInAllSpellings) {
  write("etc/sysctl.d/a.conf",
        "# net.ipv4.ip_local_reserved_ports = 1\n; x\n\n  -net/ipv4/ip_local_reserved_ports = "
        "8080,50340-50342 \n");
  EXPECT_EQ(found(), "8080,50340-50342");
}

TEST_F(SysctlSettingsTest, AreNotTakenFromAnythingElse) {
  write("etc/sysctl.d/a.conf",
        "net.ipv4.ip_local_port_range = 1024 50342\nnet.ipv4.ip_local_reserved_ports\n"
        "net.ipv4.ip_local_reserved_ports = nonsense\n");
  write("etc/sysctl.d/a.conf.dpkg-old", "net.ipv4.ip_local_reserved_ports = 50342\n");
  ASSERT_EQ(::mkfifo(path_of("etc/sysctl.d/pipe.conf").c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/null", path_of("etc/sysctl.d/masked.conf"));
  EXPECT_EQ(found(), "");
}

}  // namespace
}  // namespace msi2imds::supervisor

// SPDX-License-Identifier: MIT
#include "supervisor/sysctl_settings.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "base/text.hpp"

namespace msi2imds::supervisor {
namespace {

constexpr std::array kFolders = {"etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d",
                                 "lib/sysctl.d"};

// "-" in front: whatever becomes of it. Names have dots or slashes.
PortSet ports_of_line(std::string_view line) {
  line = trim(line);
  if (line.starts_with('-')) {
    line.remove_prefix(1);
  }
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return {};
  }
  std::string name(trim(line.substr(0, equals)));
  std::ranges::replace(name, '/', '.');
  if (name != "net.ipv4.ip_local_reserved_ports") {
    return {};
  }
  return parse_port_list(trim(line.substr(equals + 1))).value_or(PortSet());
}

// Nobody may keep us waiting by a pipe.
PortSet ports_of_file(const std::filesystem::path& path) {
  PortSet ports;
  std::error_code ec;
  if (std::filesystem::is_regular_file(path, ec)) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      ports |= ports_of_line(line);
    }
  }
  return ports;
}

}  // namespace

PortSet ports_reserved_by_settings(const std::string& root) {
  const std::filesystem::path machine(root);
  PortSet ports = ports_of_file(machine / "etc/sysctl.conf");
  for (const char* folder : kFolders) {
    std::error_code ec;
    for (std::filesystem::directory_iterator entry(machine / folder, ec), end; !ec && entry != end;
         entry.increment(ec)) {
      if (entry->path().extension() == ".conf") {
        ports |= ports_of_file(entry->path());
      }
    }
  }
  return ports;
}

}  // namespace msi2imds::supervisor

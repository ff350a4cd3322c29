// SPDX-License-Identifier: MIT
#include "redirect/saved_rules.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

#include "base/text.hpp"

namespace msi2imds::redirect {
namespace {

// Debian, Red Hat, Arch; nft's files may include others of the folders below.
constexpr std::array kFiles = {"nftables.conf",           "sysconfig/nftables.conf", "sysconfig/iptables",
                               "sysconfig/ip6tables",     "iptables/rules.v4",       "iptables/rules.v6",
                               "iptables/iptables.rules", "iptables/ip6tables.rules"};
constexpr std::array kFolders = {"nftables", "nftables.d"};

// As nft and iptables-save write them. No other table and no other chain is called like that.
bool is_of_ours(std::string_view line) {
  line = trim(line);
  const bool is_nft_table =
      line.find("table ") != std::string_view::npos && line.find(" msi2imds") != std::string_view::npos;
  return !line.starts_with('#') && (is_nft_table || line.find("MSI2IMDS") != std::string_view::npos);
}

bool holds_ours(const std::filesystem::path& path) {
  std::error_code ec;
  if (!std::filesystem::is_regular_file(path, ec)) {
    return false;
  }
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (is_of_ours(line)) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<std::string> files_with_our_rules(const std::string& etc) {
  const std::filesystem::path root(etc);
  std::vector<std::filesystem::path> paths;
  std::ranges::transform(kFiles, std::back_inserter(paths),
                         [&root](const char* name) { return root / name; });
  for (const char* folder : kFolders) {
    std::error_code ec;
    for (std::filesystem::directory_iterator entry(root / folder, ec), end; !ec && entry != end;
         entry.increment(ec)) {
      paths.push_back(entry->path());
    }
  }
  std::vector<std::string> found;
  for (const std::filesystem::path& path : paths) {
    if (holds_ours(path)) {
      found.push_back(path.string());
    }
  }
  return found;
}

}  // namespace msi2imds::redirect

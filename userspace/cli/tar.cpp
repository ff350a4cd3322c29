// SPDX-License-Identifier: MIT
#include "cli/tar.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>

namespace msi2imds::cli {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kMode = 100;
constexpr std::size_t kUid = 108;
constexpr std::size_t kGid = 116;
constexpr std::size_t kSize = 124;
constexpr std::size_t kTime = 136;
constexpr std::size_t kSum = 148;
constexpr std::size_t kKind = 156;
constexpr std::size_t kMagic = 257;

}  // namespace

void add_to_tar(std::string& archive, std::string_view name, std::string_view content, std::int64_t time) {
  std::string header(kBlock, '\0');
  const auto put = [&header](std::size_t at, std::string_view text) {
    std::ranges::copy(text, header.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, name.substr(0, kMode));
  put(kMode, "0000600");
  put(kUid, "0000000");
  put(kGid, "0000000");
  put(kSize, fmt::format("{:011o}", content.size()));
  put(kTime, fmt::format("{:011o}", time));
  put(kSum, "        ");
  put(kKind, "0");
  put(kMagic, std::string_view("ustar\0"
                               "00",
                               8));
  unsigned sum = 0;
  for (const char c : header) {
    sum += static_cast<unsigned char>(c);
  }
  put(kSum, fmt::format("{:06o}", sum));
  header[kSum + 6] = '\0';
  archive += header;
  archive += content;
  archive.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

void finish_tar(std::string& archive) {
  archive.append(2 * kBlock, '\0');
}

}  // namespace msi2imds::cli

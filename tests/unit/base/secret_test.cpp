// SPDX-License-Identifier: MIT
#include "base/secret.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace msi2imds {
namespace {

constexpr std::size_t kTokenBytes = 2048;

std::uintptr_t address_of(const SecretString& secret) {
  return reinterpret_cast<std::uintptr_t>(secret.data());
}

// What lies there now, whoever owns it; empty when nothing is mapped there.
std::string memory_at(std::uintptr_t address, std::size_t bytes) {
  const UniqueFd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(memory);
  std::string found(bytes, '\0');
  const ssize_t read = ::pread(memory.get(), found.data(), bytes, static_cast<off_t>(address));
  found.resize(read < 0 ? 0 : static_cast<std::size_t>(read));
  return found;
}

// The line of /proc/self/smaps with the flags of the mapping that holds the address.
std::string flags_at(std::uintptr_t address) {
  std::ifstream maps("/proc/self/smaps");
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    if (words >> std::hex >> begin >> dash >> end && dash == '-') {
      here = begin <= address && address < end;
    } else if (here && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return {};
}

std::size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) {
      return std::stoul(line.substr(sizeof "VmRSS:" - 1));
    }
  }
  return 0;
}

bool holds_marker(const std::string& memory) {
  return memory.find("mmmm") != std::string::npos;
}

TEST(SecretTest, IsWipedWhenItIsDestroyed) {
  std::optional<SecretString> secret(std::in_place, kTokenBytes, 'm');
  const std::uintptr_t address = address_of(*secret);
  ASSERT_TRUE(holds_marker(memory_at(address, kTokenBytes)));
  secret.reset();
  EXPECT_FALSE(holds_marker(memory_at(address, kTokenBytes)));
}

TEST(SecretTest, ATextIsWipedAndKeepsItsMemory) {
  std::string text(kTokenBytes, 'm');
  const auto address = reinterpret_cast<std::uintptr_t>(text.data());
  wipe(text);
  EXPECT_TRUE(text.empty());
  EXPECT_GE(text.capacity(), kTokenBytes);
  EXPECT_FALSE(holds_marker(memory_at(address, kTokenBytes)));
}

TEST(SecretTest, IsWipedWhereItWasWhenItGrows) {
  SecretString secret(kTokenBytes, 'm');
  const std::uintptr_t address = address_of(secret);
  secret.reserve(10 * kTokenBytes);
  ASSERT_NE(address_of(secret), address);
  EXPECT_FALSE(holds_marker(memory_at(address, kTokenBytes)));
}

TEST(SecretTest, IsWipedWhenItIsTooLargeForThePool) {
  std::optional<SecretString> secret(std::in_place, 100 * 1024, 'm');
  const std::uintptr_t address = address_of(*secret);
  ASSERT_TRUE(holds_marker(memory_at(address, kTokenBytes)));
  secret.reset();
  EXPECT_FALSE(holds_marker(memory_at(address, kTokenBytes)));
}

TEST(SecretTest, IsKeptOutOfCoreDumps) {
  const SecretString secret(kTokenBytes, 'm');
  EXPECT_NE(flags_at(address_of(secret)).find(" dd "), std::string::npos);
}

TEST(SecretTest, MovesWithoutACopy) {
  SecretString from(kTokenBytes, 'm');
  const std::uintptr_t address = address_of(from);
  const SecretString to = std::move(from);
  EXPECT_EQ(address_of(to), address);
}

TEST(SecretTest, FiveThousandTokensFitIntoTwentyMebibytes) {
  const std::size_t before = resident_kib();
  std::vector<SecretString> tokens;
  for (int i = 0; i < 5000; ++i) {
    tokens.emplace_back(kTokenBytes, 't');
  }
  EXPECT_LT(resident_kib() - before, 20U * 1024);
}

TEST(SecretTest, MemoryIsUsedAgain) {
  { const std::vector<SecretString> warm_up(1000, SecretString(kTokenBytes, 't')); }
  const std::size_t before = resident_kib();
  for (int round = 0; round < 20; ++round) {
    const std::vector<SecretString> tokens(1000, SecretString(kTokenBytes, 't'));
  }
  // All rounds together are forty times that.
  EXPECT_LT(resident_kib(), before + 4096);
}

}  // namespace
}  // namespace msi2imds

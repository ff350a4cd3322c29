// SPDX-License-Identifier: MIT
#include "resolver/program_hashes.hpp"

#include <algorithm>
#include <cstring>

namespace msi2imds::resolver {

std::size_t ProgramHashes::set_of(const FileKey& file) {
  std::uint64_t sum = file.inode * 0x9e3779b97f4a7c15;
  sum ^= (file.device + static_cast<std::uint64_t>(file.changed)) * 0xc2b2ae3d27d4eb4f;
  return (sum >> 40) % kSets;
}

std::optional<ProgramHashes::Words> ProgramHashes::read(const Entry& entry) {
  const std::uint64_t before = entry.version.load(std::memory_order_acquire);
  Words words{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = entry.words[i].load(std::memory_order_relaxed);
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  const bool is_whole =
      before != 0 && before % 2 == 0 && entry.version.load(std::memory_order_relaxed) == before;
  return is_whole ? std::optional(words) : std::nullopt;
}

std::optional<std::string> ProgramHashes::find(const FileKey& file) const {
  for (const Entry& entry : sets_[set_of(file)]) {
    const auto words = read(entry);
    if (words && std::memcmp(words->data(), &file, sizeof file) == 0) {
      std::string hash(kHashWords * sizeof(std::uint64_t), '\0');
      std::memcpy(hash.data(), words->data() + kKeyWords, hash.size());
      return hash;
    }
  }
  return std::nullopt;
}

void ProgramHashes::keep(const FileKey& file, std::string_view hash) {
  Words words{};
  if (hash.size() != kHashWords * sizeof(std::uint64_t) || find(file)) {
    return;
  }
  std::memcpy(words.data(), &file, sizeof file);
  std::memcpy(words.data() + kKeyWords, hash.data(), hash.size());
  const std::size_t set = set_of(file);
  Entry& entry = sets_[set][next_[set]++ % kWays];
  const std::uint64_t version = entry.version.load(std::memory_order_relaxed);
  entry.version.store(version + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (std::size_t i = 0; i < words.size(); ++i) {
    entry.words[i].store(words[i], std::memory_order_relaxed);
  }
  entry.version.store(version + 2, std::memory_order_release);
}

}  // namespace msi2imds::resolver

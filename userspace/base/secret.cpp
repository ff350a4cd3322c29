// SPDX-License-Identifier: MIT
#include "base/secret.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory_resource>
#include <new>
#include <system_error>
#include <utility>

#include "base/log.hpp"

namespace msi2imds {
namespace {

constexpr std::size_t kLargestPooled = 16UL * 1024;
constexpr std::size_t kBlocksPerChunk = 32;

// Whole pages from the kernel.
class SecretPages final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t /*alignment: a page's*/) override {
    void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
      throw std::bad_alloc();
    }
    leave_out_of_dumps(pages, bytes);
    lock_into_ram(pages, bytes);
    return pages;
  }
  void do_deallocate(void* pages, std::size_t bytes, std::size_t /*alignment*/) override {
    (void)::munmap(pages, bytes);
  }
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
    return this == &other;
  }
};

// Lives as long as the process: tokens may be wiped by the last destructors.
std::pmr::memory_resource& secret_pool() {
  static auto* const pages = new SecretPages;
  static auto* const pool = new std::pmr::unsynchronized_pool_resource(
      {.max_blocks_per_chunk = kBlocksPerChunk, .largest_required_pool_block = kLargestPooled}, pages);
  return *pool;
}

Error failure_to_wipe() {
  return Error::from_errno(errno, "overwrite the memory of tokens");
}

}  // namespace

void leave_out_of_dumps(void* memory, std::size_t bytes) noexcept {
  (void)::madvise(memory, bytes, MADV_DONTDUMP);  // the process makes no core dumps anyway
}

void lock_into_ram(void* memory, std::size_t bytes) noexcept {
  static bool warned = false;
  if (::mlock(memory, bytes) != 0 && !std::exchange(warned, true)) {
    log::warn("cannot lock the memory of tokens into RAM: {}; they may be swapped out",
              std::system_category().message(errno));
  }
}

Result<void> wipe_file(int file, std::uint64_t begin, std::uint64_t end) {
  constexpr std::uint64_t kPage = 4096;
  constexpr std::array<char, kPage> kZeros{};
  while (begin < end) {
    const off_t data = ::lseek(file, static_cast<off_t>(begin), SEEK_DATA);
    if (data < 0) {
      return errno == ENXIO ? Result<void>() : failure_to_wipe();  // a hole to the end
    }
    begin = static_cast<std::uint64_t>(data);
    if (begin >= end) {
      return {};
    }
    const std::uint64_t size = std::min(kPage - begin % kPage, end - begin);
    if (::pwrite(file, kZeros.data(), size, data) != static_cast<ssize_t>(size)) {
      return failure_to_wipe();
    }
    begin += size;
  }
  return {};
}

void wipe(std::string& text) noexcept {
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

void* allocate_secret(std::size_t bytes) {
  return secret_pool().allocate(bytes);
}

void deallocate_secret(void* memory, std::size_t bytes) noexcept {
  ::explicit_bzero(memory, bytes);
  secret_pool().deallocate(memory, bytes);
}

}  // namespace msi2imds

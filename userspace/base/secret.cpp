// SPDX-License-Identifier: MIT
#include "base/secret.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <memory_resource>
#include <new>
#include <system_error>

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
    (void)::madvise(pages, bytes, MADV_DONTDUMP);  // the process makes no core dumps anyway
    if (::mlock(pages, bytes) != 0 && !warned_) {
      warned_ = true;
      log::warn("lock the memory of tokens into RAM: {}; they may be swapped out",
                std::system_category().message(errno));
    }
    return pages;
  }
  void do_deallocate(void* pages, std::size_t bytes, std::size_t /*alignment*/) override {
    (void)::munmap(pages, bytes);
  }
  [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
    return this == &other;
  }

  bool warned_ = false;
};

// Lives as long as the process: tokens may be wiped by the last destructors.
std::pmr::memory_resource& secret_pool() {
  static auto* const pages = new SecretPages;
  static auto* const pool = new std::pmr::unsynchronized_pool_resource(
      {.max_blocks_per_chunk = kBlocksPerChunk, .largest_required_pool_block = kLargestPooled}, pages);
  return *pool;
}

}  // namespace

void* allocate_secret(std::size_t bytes) {
  return secret_pool().allocate(bytes);
}

void deallocate_secret(void* memory, std::size_t bytes) noexcept {
  ::explicit_bzero(memory, bytes);
  secret_pool().deallocate(memory, bytes);
}

}  // namespace msi2imds

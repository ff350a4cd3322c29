// SPDX-License-Identifier: MIT
#include "base/task.hpp"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <new>

namespace msi2imds {
namespace {

// Frames of up to so many units are kept, so many of each size.
constexpr std::size_t kUnit = 64;
constexpr std::size_t kUnits = 32;
constexpr int kMostKept = 8;

struct Kept {
  void* first = nullptr;  // each begins with the address of the next one
  int count = 0;
};
thread_local std::array<Kept, kUnits> kept_frames;

std::size_t units_of(std::size_t bytes) {
  return (bytes + kUnit - 1) / kUnit;
}

}  // namespace

void* TaskFrame::operator new(std::size_t bytes) {
  const std::size_t units = units_of(bytes);
  if (units >= kUnits || kept_frames[units].first == nullptr) {
    return ::operator new(units* kUnit);
  }
  Kept& kept = kept_frames[units];
  void* const memory = kept.first;
  std::memcpy(&kept.first, memory, sizeof kept.first);
  --kept.count;
  return memory;
}

// What it held may have been a part of a token.
void TaskFrame::operator delete(void* memory, std::size_t bytes) noexcept {
  const std::size_t units = units_of(bytes);
  if (units >= kUnits || kept_frames[units].count >= kMostKept) {
    ::operator delete(memory);
    return;
  }
  ::explicit_bzero(memory, bytes);
  Kept& kept = kept_frames[units];
  std::memcpy(memory, &kept.first, sizeof kept.first);
  kept.first = memory;
  ++kept.count;
}

void Resumption::drop() {
  TaskFrame* root = frame_;
  while (root->waiter != nullptr) {
    root = root->waiter;
  }
  if (root->is_detached) {
    root->self.destroy();
  }
}

void resume_after(asio::io_context& io, asio::awaitable<void> coroutine, Resumption resumption,
                  std::exception_ptr& exception) {
  asio::co_spawn(io, std::move(coroutine),
                 [&exception, then = std::move(resumption)](const std::exception_ptr& thrown) mutable {
                   exception = thrown;
                   then.resume();
                 });
}

void Turn::begin(Resumption resumption) {
  asio::post(*io_, [then = std::move(resumption)]() mutable { then.resume(); });
}

}  // namespace msi2imds

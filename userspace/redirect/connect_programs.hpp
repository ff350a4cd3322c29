// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/cgroup_attachment.hpp"
#include "redirect/redirector.hpp"

struct connect_bpf;

namespace msi2imds::redirect {

// How the connect programs know that a listener is ours (bpf/connect.bpf.c).
enum class ListenerGuard {
  storage,  // socket storage: nobody can forge it (Linux 5.3)
  mark,     // SO_MARK (Linux 5.0)
  none,     // it is not checked (Linux 4.19)
};

struct ConnectVariant {
  ListenerGuard guard = ListenerGuard::storage;
  bool shows_dialled = true;  // getpeername shows what was dialled (Linux 5.8)
};

// Whether a process of this network namespace attached the connect program with this descriptor.
[[nodiscard]] bool was_attached_from_here(int program);

// The connect programs, loaded and not yet attached.
class ConnectPrograms {
 public:
  // Fails where this kernel or our privileges do not suffice for the variant. What clients have dialled is
  // known from the map pinned at `memory`, if an earlier process has left one; empty: there is none.
  static Result<ConnectPrograms> load(const ConnectVariant& variant, const std::string& memory = {});

  // Begins to redirect: until then the programs redirect nothing, wherever they are attached.
  [[nodiscard]] Result<void> configure(const Plan& plan, const std::vector<Listener>& listeners);

  // What has to be attached to a cgroup.
  [[nodiscard]] std::vector<loader::ProgramOfHook> programs() const;

  [[nodiscard]] const ConnectVariant& variant() const {
    return variant_;
  }

  // Pins the memory of what clients have dialled, for load(), if it is not pinned there already.
  [[nodiscard]] Result<void> keep_memory_pinned(const std::string& path) const;

  // What the client with this socket cookie dialled.
  [[nodiscard]] std::optional<SocketAddress> dialled_by(std::uint64_t cookie) const;

 private:
  struct SkeletonDeleter {
    void operator()(connect_bpf* skeleton) const noexcept;
  };
  using Skeleton = std::unique_ptr<connect_bpf, SkeletonDeleter>;

  ConnectPrograms(Skeleton skeleton, const ConnectVariant& variant);
  [[nodiscard]] Result<void> claim(const Plan& plan, const Listener& listener);

  Skeleton skeleton_;
  ConnectVariant variant_;
};

}  // namespace msi2imds::redirect

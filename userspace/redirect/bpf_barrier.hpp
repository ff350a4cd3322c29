// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loader/cgroup_attachment.hpp"
#include "redirect/barrier.hpp"

struct barrier_bpf;

namespace msi2imds::redirect {

// cgroup/connect4 and connect6 programs refuse connect() with EPERM, to users of this network namespace
// (Linux 5.7). Can be limited to chosen cgroups.
class BpfBarrier final : public Barrier {
 public:
  explicit BpfBarrier(std::string pin_directory);
  BpfBarrier(const BpfBarrier&) = delete;
  BpfBarrier& operator=(const BpfBarrier&) = delete;
  ~BpfBarrier() override;

  [[nodiscard]] std::string_view name() const override {
    return "bpf";
  }
  [[nodiscard]] asio::awaitable<Result<void>> raise(const BarrierPlan& plan) override;
  [[nodiscard]] asio::awaitable<Result<void>> check() override;
  [[nodiscard]] asio::awaitable<Result<void>> lower() override;
  [[nodiscard]] bool hand_over() override;
  [[nodiscard]] asio::awaitable<Result<std::vector<std::string>>> find_leftovers() const override;
  [[nodiscard]] asio::awaitable<Result<void>> remove_leftovers() const override;

 private:
  struct Deleter {
    void operator()(barrier_bpf* skeleton) const noexcept;
  };
  using Skeleton = std::unique_ptr<barrier_bpf, Deleter>;

  struct Place {
    std::string cgroup;
    std::vector<loader::CgroupAttachment> attachments = {};  // none: the cgroup is not there
  };

  // Programs with what they close; detached before they go.
  struct Raised {
    BarrierPlan plan;
    Skeleton skeleton;
    std::vector<Place> places;
  };

  [[nodiscard]] static Result<Skeleton> load(const BarrierPlan& plan);
  [[nodiscard]] static Result<void> attach(const Skeleton& skeleton, Place& place);
  [[nodiscard]] static Result<void> attach_missing(Raised& raised);

  std::string pin_directory_;
  std::optional<Raised> raised_;
};

}  // namespace msi2imds::redirect

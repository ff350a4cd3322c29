// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "netlink/nft_events.hpp"
#include "redirect/nat_family.hpp"

namespace msi2imds::redirect {

// Tells cheaply whether somebody may have changed rules since they were last looked at.
class ChangeWatch {
 public:
  ChangeWatch() = default;
  ChangeWatch(const ChangeWatch&) = delete;
  ChangeWatch& operator=(const ChangeWatch&) = delete;
  virtual ~ChangeWatch() = default;

  // Stays true until confirm().
  [[nodiscard]] virtual bool needs_look() = 0;

  // What was seen after the last needs_look() was as it should be.
  virtual void confirm() = 0;

  // Whether certainly nobody has changed rules since the last needs_look().
  [[nodiscard]] virtual bool is_as_seen() {
    return false;
  }

  // A descriptor that becomes readable when somebody changes rules; -1: only needs_look() tells.
  [[nodiscard]] virtual int alarm() const {
    return -1;
  }

  // Reads the alarm empty. Whether these rules, or what they stand among, may have changed since the last
  // call; needs_look() knows of that, too.
  [[nodiscard]] virtual bool heed_alarm() {
    return false;
  }
};

// By the kernel's nftables notifications. Where they are not available, needs_look() is always true. In a
// table that others use as well, `chains` names those whose rules lead to us: only what is removed from these
// rings the alarm, since a firewall that loads its rules one by one would ring for each.
class NftWatch final : public ChangeWatch {
 public:
  explicit NftWatch(std::string table, std::vector<std::string> chains = {});
  [[nodiscard]] bool needs_look() override;
  void confirm() override;
  [[nodiscard]] bool is_as_seen() override;
  [[nodiscard]] int alarm() const override;
  [[nodiscard]] bool heed_alarm() override;

 private:
  void open();
  netlink::NftChange read_events();

  std::string table_;
  std::vector<std::string> chains_;
  std::optional<netlink::NftEvents> events_;
  bool certain_ = false;
  // By how often rules were seen to change: what comes while somebody looks is not confirmed by that look.
  std::uint64_t changes_ = 0;
  std::uint64_t looked_at_ = 0;
};

// What the kernel tells about a table of legacy iptables without listing it: enough to notice nearly every
// change.
struct LegacyTableShape {
  std::uint32_t rules = 0;
  std::uint32_t size = 0;
  std::array<std::uint32_t, 5> hooks{};

  friend bool operator==(const LegacyTableShape&, const LegacyTableShape&) = default;
};

// `table` is "nat" or "filter".
[[nodiscard]] std::optional<LegacyTableShape> shape_of_legacy_table(const NatFamily& family,
                                                                    std::string_view table);

// By the shape of a table of legacy iptables; every 60th needs_look() asks for a look in any case. The kernel
// tells nobody of a change, so the alarm is a clock: `every` so often, 0: never.
class LegacyWatch final : public ChangeWatch {
 public:
  explicit LegacyWatch(const NatFamily& family, std::string_view table = "nat",
                       std::chrono::milliseconds every = {});
  [[nodiscard]] bool needs_look() override;
  void confirm() override;
  [[nodiscard]] int alarm() const override {
    return timer_ ? timer_.get() : -1;
  }
  [[nodiscard]] bool heed_alarm() override;

 private:
  const NatFamily& family_;
  std::string_view table_;
  std::optional<LegacyTableShape> seen_;
  std::optional<LegacyTableShape> confirmed_;
  std::optional<LegacyTableShape> alarmed_at_;
  UniqueFd timer_;
  unsigned calls_ = 0;
};

}  // namespace msi2imds::redirect

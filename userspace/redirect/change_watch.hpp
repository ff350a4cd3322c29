// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

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
};

// By the kernel's nftables notifications. Where they are not available, needs_look() is always true.
class NftWatch final : public ChangeWatch {
 public:
  explicit NftWatch(std::string table) : table_(std::move(table)) {}
  [[nodiscard]] bool needs_look() override;
  void confirm() override;

 private:
  std::string table_;
  std::optional<netlink::NftEvents> events_;
  bool certain_ = false;
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

// By the shape of a table of legacy iptables; every 60th call asks for a look in any case.
class LegacyWatch final : public ChangeWatch {
 public:
  explicit LegacyWatch(const NatFamily& family, std::string_view table = "nat")
      : family_(family), table_(table) {}
  [[nodiscard]] bool needs_look() override;
  void confirm() override;

 private:
  const NatFamily& family_;
  std::string_view table_;
  std::optional<LegacyTableShape> seen_;
  std::optional<LegacyTableShape> confirmed_;
  unsigned calls_ = 0;
};

}  // namespace msi2imds::redirect

// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace msi2imds::emulator {

inline constexpr std::string_view kTenantId = "72f988bf-0000-4000-8000-2d7cd011db47";
inline constexpr std::string_view kSubscriptionId = "8d10da13-8125-4ba9-a717-bf7490507b3d";
inline constexpr std::string_view kResourceGroup = "emulated-group";
inline constexpr std::string_view kVmName = "emulated-vm";

[[nodiscard]] std::string vm_resource_id();

enum class SelectorKind : std::uint8_t { none, client_id, object_id, msi_res_id };
[[nodiscard]] std::string_view name_of(SelectorKind kind);

struct Identity {
  std::string client_id;
  std::string object_id;
  std::string msi_res_id;   // empty: system-assigned
  bool is_made_up = false;  // by accept_any: not assigned to the VM
};

struct IdentityOptions {
  std::size_t user_assigned = 3;
  bool system_assigned = true;
  bool accept_any = false;  // every well-formed selector names an identity
};

// The managed identities of the emulated VM.
class Identities {
 public:
  explicit Identities(const IdentityOptions& options);

  struct Selection {
    const Identity* identity = nullptr;  // valid as long as the Identities are
    std::string_view problem;            // why there is none, as IMDS says it
  };
  [[nodiscard]] Selection select(SelectorKind kind, std::string_view value);

  // Assigns the user-assigned identity of that name: the same name is always the same identity. Nothing: it
  // is assigned already.
  const Identity* assign(const std::string& name);

  // Takes away the user-assigned identity of that name, after which no pointer to any identity is valid.
  // False: it is not assigned.
  bool unassign(std::string_view name);

  // The system-assigned one first; also those that accept_any made up.
  [[nodiscard]] const std::deque<Identity>& all() const {
    return identities_;
  }

 private:
  [[nodiscard]] Selection select_default() const;
  const Identity& add(Identity identity);
  void index(const Identity& identity);
  const Identity* make_up(SelectorKind kind, std::string_view value);

  IdentityOptions options_;
  std::deque<Identity> identities_;  // moves what it holds in unassign() only
  std::unordered_map<std::string, const Identity*> by_selector_;
};

}  // namespace msi2imds::emulator

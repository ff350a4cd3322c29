// SPDX-License-Identifier: MIT
#include "imds_emulator/identities.hpp"

#include <algorithm>

#include "imds_emulator/text.hpp"

namespace msi2imds::emulator {
namespace {

constexpr std::string_view kNotFound = "Identity not found";
constexpr std::string_view kAmbiguous =
    "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in "
    "the token "
    "request";

std::string group_path() {
  return "/subscriptions/" + std::string(kSubscriptionId) + "/resourcegroups/" + std::string(kResourceGroup);
}

std::string user_assigned_resource_id(std::string_view name) {
  return group_path() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + std::string(name);
}

// IMDS compares GUIDs and resource ids without regard to case.
std::string index_key(SelectorKind kind, std::string_view value) {
  std::string key = lower_case(value);
  key += static_cast<char>('0' + static_cast<int>(kind));
  return key;
}

bool is_resource_id(std::string_view text) {
  constexpr std::string_view kStart = "/subscriptions/";
  return text.size() > kStart.size() && equal_ignoring_case(text.substr(0, kStart.size()), kStart) &&
         text.find("//") == std::string_view::npos && text.back() != '/' &&
         std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= ' '; });
}

}  // namespace

std::string vm_resource_id() {
  return group_path() + "/providers/Microsoft.Compute/virtualMachines/" + std::string(kVmName);
}

std::string_view name_of(SelectorKind kind) {
  switch (kind) {
    case SelectorKind::none:
      return "none";
    case SelectorKind::client_id:
      return "client_id";
    case SelectorKind::object_id:
      return "object_id";
    case SelectorKind::msi_res_id:
      return "msi_res_id";
  }
  return "none";
}

Identities::Identities(const IdentityOptions& options) : options_(options) {
  if (options.system_assigned) {
    (void)add({.client_id = derive_guid("client of system"),
               .object_id = derive_guid("object of system"),
               .msi_res_id = ""});
  }
  for (std::size_t i = 1; i <= options.user_assigned; ++i) {
    const std::string name = "identity-" + std::to_string(i);
    (void)add({.client_id = derive_guid("client of " + name),
               .object_id = derive_guid("object of " + name),
               .msi_res_id = user_assigned_resource_id(name)});
  }
}

const Identity& Identities::add(Identity identity) {
  const Identity& added = identities_.emplace_back(std::move(identity));
  by_selector_[index_key(SelectorKind::client_id, added.client_id)] = &added;
  by_selector_[index_key(SelectorKind::object_id, added.object_id)] = &added;
  if (!added.msi_res_id.empty()) {
    by_selector_[index_key(SelectorKind::msi_res_id, added.msi_res_id)] = &added;
  }
  return added;
}

Identities::Selection Identities::select(SelectorKind kind, std::string_view value) {
  if (kind == SelectorKind::none) {
    return select_default();
  }
  const auto known = by_selector_.find(index_key(kind, value));
  if (known != by_selector_.end()) {
    return {.identity = known->second, .problem = {}};
  }
  const Identity* made_up = options_.accept_any ? make_up(kind, value) : nullptr;
  return {.identity = made_up, .problem = made_up == nullptr ? kNotFound : std::string_view()};
}

Identities::Selection Identities::select_default() const {
  if (options_.system_assigned || options_.user_assigned == 1) {
    return {.identity = &identities_.front(), .problem = {}};
  }
  return {.identity = nullptr, .problem = options_.user_assigned == 0 ? kNotFound : kAmbiguous};
}

const Identity* Identities::make_up(SelectorKind kind, std::string_view value) {
  if (kind == SelectorKind::msi_res_id ? !is_resource_id(value) : !is_guid(value)) {
    return nullptr;
  }
  const std::string seed = lower_case(value);
  Identity identity{.client_id = derive_guid("client of " + seed),
                    .object_id = derive_guid("object of " + seed),
                    .msi_res_id = user_assigned_resource_id(seed)};
  if (kind == SelectorKind::client_id) {
    identity.client_id = value;
  } else if (kind == SelectorKind::object_id) {
    identity.object_id = value;
  } else {
    identity.msi_res_id = value;
  }
  return &add(std::move(identity));
}

}  // namespace msi2imds::emulator

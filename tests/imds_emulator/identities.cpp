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
    (void)assign("identity-" + std::to_string(i));
  }
}

const Identity* Identities::assign(const std::string& name) {
  Identity identity{.client_id = derive_guid("client of " + name),
                    .object_id = derive_guid("object of " + name),
                    .msi_res_id = user_assigned_resource_id(name)};
  return by_selector_.contains(index_key(SelectorKind::msi_res_id, identity.msi_res_id))
             ? nullptr
             : &add(std::move(identity));
}

bool Identities::unassign(std::string_view name) {
  const std::string resource_id = user_assigned_resource_id(name);
  const auto found =
      std::find_if(identities_.begin(), identities_.end(), [&resource_id](const Identity& identity) {
        return !identity.is_made_up && equal_ignoring_case(identity.msi_res_id, resource_id);
      });
  if (found == identities_.end()) {
    return false;
  }
  identities_.erase(found);
  by_selector_.clear();
  for (const Identity& identity : identities_) {
    index(identity);
  }
  return true;
}

const Identity& Identities::add(Identity identity) {
  const Identity& added = identities_.emplace_back(std::move(identity));
  index(added);
  return added;
}

void Identities::index(const Identity& identity) {
  by_selector_[index_key(SelectorKind::client_id, identity.client_id)] = &identity;
  by_selector_[index_key(SelectorKind::object_id, identity.object_id)] = &identity;
  if (!identity.msi_res_id.empty()) {
    by_selector_[index_key(SelectorKind::msi_res_id, identity.msi_res_id)] = &identity;
  }
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
  const Identity* only = nullptr;
  for (const Identity& identity : identities_) {
    if (identity.is_made_up) {
      continue;
    }
    if (identity.msi_res_id.empty()) {
      return {.identity = &identity, .problem = {}};
    }
    if (only != nullptr) {
      return {.identity = nullptr, .problem = kAmbiguous};
    }
    only = &identity;
  }
  return {.identity = only, .problem = only == nullptr ? kNotFound : std::string_view()};
}

const Identity* Identities::make_up(SelectorKind kind, std::string_view value) {
  if (kind == SelectorKind::msi_res_id ? !is_resource_id(value) : !is_guid(value)) {
    return nullptr;
  }
  const std::string seed = lower_case(value);
  Identity identity{.client_id = derive_guid("client of " + seed),
                    .object_id = derive_guid("object of " + seed),
                    .msi_res_id = user_assigned_resource_id(seed),
                    .is_made_up = true};
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

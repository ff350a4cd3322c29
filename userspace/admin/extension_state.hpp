// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

// How the managed identity extension is, in the Azure agent's words.
namespace msi2imds::admin {

inline constexpr std::string_view kNoExtension = "none";  // the agent has none
inline constexpr std::string_view kRemovedExtension = "NotInstalled";
inline constexpr std::array<std::string_view, 6> kExtensionStates = {
    "Enabled", "Installed", kRemovedExtension, "FailedUpgrade", "unknown", kNoExtension};

}  // namespace msi2imds::admin

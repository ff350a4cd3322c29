// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace msi2imds::token {

// Which library a request for a token looks like. Recorded in place of what the client says of itself.
enum class Library : std::uint8_t {
  azure_identity,  // the SDKs of today, told where to ask by MSI_ENDPOINT
  curl,
  dotnet,
  go,
  go_autorest,
  hadoop,
  java,
  java_msi,  // MSICredentials of azure-client-authentication
  node,
  node_ms_rest_azure,
  node_nodeauth,
  powershell,
  python,
  python_msrestazure,  // or azure-cli, which sends the same
  ruby,
  ruby_ms_rest_azure,
  wget,
  other,
};

// In the order of Library: as our files call them.
inline constexpr std::array<std::string_view, 18> kLibraries = {"azure_identity", "curl",
                                                                "dotnet",         "go",
                                                                "go_autorest",    "hadoop",
                                                                "java",           "java_msi",
                                                                "node",           "node_ms_rest_azure",
                                                                "node_nodeauth",  "powershell",
                                                                "python",         "python_msrestazure",
                                                                "ruby",           "ruby_ms_rest_azure",
                                                                "wget",           "other"};
static_assert(kLibraries.size() == static_cast<std::size_t>(Library::other) + 1);

}  // namespace msi2imds::token

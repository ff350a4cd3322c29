// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "legacy/parse.hpp"
#include "unit/legacy/raw_request.hpp"

namespace msi2imds::legacy {
namespace {

using token::SelectorKind;

struct Capture {
  std::string_view name;
  std::string_view resource;
  SelectorKind selector_kind = SelectorKind::none;
  std::string_view selector{};
};

constexpr std::string_view kArm = "https://management.azure.com/";
constexpr std::string_view kCore = "https://management.core.windows.net/";
constexpr std::string_view kWithoutItsForm = "go_adal_0.9_retry";

constexpr std::array<Capture, 13> kCaptures = {{
    {"curl_get", kArm},
    {"curl_post", kArm},
    {"go_adal_0.9", kArm},
    {"go_autorest_v10_get_with_body", kArm},
    {"go_autorest_v9", kArm},
    {"java_msi_credentials", kArm},
    {"node_ms_rest_azure_2.3", "https://management.azure.com"},
    {"node_nodeauth_0.9_post_query", kArm},
    {"python_azure_cli", kCore},
    {"python_msrestazure", kArm},
    {"python_msrestazure_res_id", "https://vault.azure.net", SelectorKind::resource_id,
     "/subscriptions/s/resourceGroups/r g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u"},
    {"ruby_ms_rest_azure_comma", kCore, SelectorKind::client_id, "11111111-2222-3333-4444-555555555555"},
    {"wget_get", kArm},
}};

http::Request read_capture(std::string_view name) {
  const auto path = std::filesystem::path(CAPTURES_DIR) / (std::string(name) + ".http");
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return split_request(bytes);
}

class CaptureTest : public testing::TestWithParam<Capture> {};

TEST_P(CaptureTest, IsUnderstood) {
  const auto request = parse(read_capture(GetParam().name), Rules());

  ASSERT_TRUE(request) << request.error().description;
  EXPECT_EQ(request->resource, GetParam().resource);
  EXPECT_EQ(request->identity.kind, GetParam().selector_kind);
  EXPECT_EQ(request->identity.value, GetParam().selector);
  EXPECT_FALSE(request->bypass_cache);
}

std::string name_of(const testing::TestParamInfo<Capture>& info) {
  std::string name(info.param.name);
  std::ranges::replace(name, '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, CaptureTest, testing::ValuesIn(kCaptures), name_of);

TEST(CapturesTest, ARetryThatLostItsFormMissesTheResource) {
  const auto request = parse(read_capture(kWithoutItsForm), Rules());

  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().fault, Fault::missing_resource);
}

TEST(CapturesTest, EveryFileIsTested) {
  for (const auto& entry : std::filesystem::directory_iterator(CAPTURES_DIR)) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".http" && name != kWithoutItsForm) {
      EXPECT_EQ(std::ranges::count(kCaptures, name, &Capture::name), 1) << name;
    }
  }
}

}  // namespace
}  // namespace msi2imds::legacy

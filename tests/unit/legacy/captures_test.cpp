// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "legacy/library.hpp"
#include "legacy/parse.hpp"
#include "unit/legacy/raw_request.hpp"

namespace msi2imds::legacy {
namespace {

using token::Library;
using token::SelectorKind;

struct Capture {
  std::string_view name;
  token::Library library;
  std::string_view resource;
  SelectorKind selector_kind = SelectorKind::none;
  std::string_view selector{};
};

constexpr std::string_view kArm = "https://management.azure.com/";
constexpr std::string_view kCore = "https://management.core.windows.net/";
constexpr std::string_view kWithoutItsForm = "go_adal_0.9_retry";

constexpr std::array<Capture, 13> kCaptures = {{
    {"curl_get", Library::curl, kArm},
    {"curl_post", Library::curl, kArm},
    {"go_adal_0.9", Library::go_autorest, kArm},
    {"go_autorest_v10_get_with_body", Library::go_autorest, kArm},
    {"go_autorest_v9", Library::go_autorest, kArm},
    {"java_msi_credentials", Library::java_msi, kArm},
    {"node_ms_rest_azure_2.3", Library::node_ms_rest_azure, "https://management.azure.com"},
    {"node_nodeauth_0.9_post_query", Library::node_nodeauth, kArm},
    {"python_azure_cli", Library::python_msrestazure, kCore},
    {"python_msrestazure", Library::python_msrestazure, kArm},
    {"python_msrestazure_res_id", Library::python_msrestazure, "https://vault.azure.net",
     SelectorKind::resource_id,
     "/subscriptions/s/resourceGroups/r g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u"},
    {"ruby_ms_rest_azure_comma", Library::ruby_ms_rest_azure, kCore, SelectorKind::client_id,
     "11111111-2222-3333-4444-555555555555"},
    {"wget_get", Library::wget, kArm},
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

TEST(CapturesTest, TellWhichLibraryHasSentThem) {
  for (const Capture& capture : kCaptures) {
    EXPECT_EQ(recognize_library(read_capture(capture.name)), capture.library) << capture.name;
  }
  EXPECT_EQ(recognize_library(read_capture(kWithoutItsForm)), Library::go_autorest);
}

}  // namespace
}  // namespace msi2imds::legacy

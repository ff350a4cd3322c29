// SPDX-License-Identifier: MIT
#include "legacy/library.hpp"

#include <gtest/gtest.h>

namespace msi2imds::legacy {
namespace {

using token::Library;

http::Request a_request(const std::string& method, const std::string& agent, const std::string& body = "") {
  http::Request request;
  request.method = method;
  request.target = "/oauth2/token";
  request.body = body;
  if (!agent.empty()) {
    request.headers.push_back({"User-Agent", agent});
  }
  return request;
}

// What real clients send is in captures_test; these are known by their shape.
TEST(LibraryTest, AClientThatOthersUseAsWellIsToldByItsRequest) {
  EXPECT_EQ(recognize_library(a_request("GET", "Go-http-client/1.1")), Library::go);
  EXPECT_EQ(recognize_library(a_request("GET", "python-requests/2.31.0")), Library::python);
  EXPECT_EQ(recognize_library(a_request("GET", "Java/1.8.0_392")), Library::java);
  http::Request hadoop = a_request("GET", "Java/1.8.0_392");
  hadoop.headers.push_back({"Connection", "close"});
  EXPECT_EQ(recognize_library(hadoop), Library::hadoop);
  EXPECT_EQ(recognize_library(a_request("GET", "axios/1.6.0")), Library::node);
}

TEST(LibraryTest, WithoutAUserAgentTheFormTells) {
  EXPECT_EQ(recognize_library(a_request("POST", "", "resource=r")), Library::dotnet);
  EXPECT_EQ(recognize_library(a_request("POST", "", "authority=a&resource=r")), Library::node_ms_rest_azure);
  EXPECT_EQ(recognize_library(a_request("POST", "", "\"resource=r\"")), Library::node_nodeauth);
  EXPECT_EQ(recognize_library(a_request("GET", "")), Library::other);
}

TEST(LibraryTest, WhateverAClientCallsItselfIsOneOfAFew) {
  EXPECT_EQ(recognize_library(a_request("GET", "azsdk-python-identity/1.15.0 Python/3.11")),
            Library::azure_identity);
  EXPECT_EQ(recognize_library(a_request("GET", "Mozilla/5.0 (Linux; Debian) PowerShell/7.4.1")),
            Library::powershell);
  EXPECT_EQ(recognize_library(a_request("GET", "\x1b[31m<script>")), Library::other);
  EXPECT_EQ(recognize_library(a_request("GET", std::string(8000, 'g'))), Library::other);
}

}  // namespace
}  // namespace msi2imds::legacy

// SPDX-License-Identifier: MIT
#include "legacy/parameters.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace msi2imds::legacy {
namespace {

using token::IdentitySelector;
using token::SelectorKind;
using token::TokenRequest;

TokenRequest expect_request(std::string_view query, std::string_view body = "") {
  const ParseResult result = read_parameters(query, body);
  if (!result) {
    ADD_FAILURE() << result.error().description;
    return {};
  }
  return *result;
}

Fault expect_fault(std::string_view query, std::string_view body = "") {
  const ParseResult result = read_parameters(query, body);
  if (result) {
    ADD_FAILURE() << "accepted " << query << " and " << body;
    return {};
  }
  return result.error().fault;
}

TEST(ParametersTest, ReadsAResourceFromTheQuery) {
  EXPECT_EQ(expect_request("resource=https%3A%2F%2Fvault.azure.net").resource, "https://vault.azure.net");
}

TEST(ParametersTest, TakesAResourceOf2048Bytes) {
  const std::string longest(2048, 'r');
  EXPECT_EQ(expect_request("resource=" + longest).resource, longest);
  EXPECT_EQ(expect_fault("resource=" + longest + "r"), Fault::invalid_parameter);
  EXPECT_EQ(expect_fault("", "resource=" + longest + "r"), Fault::invalid_parameter);
  EXPECT_EQ(read_parameters("resource=" + longest + "r", "").error().description,
            "The parameter 'resource' has 2049 bytes: give at most 2048");
}

TEST(ParametersTest, CountsTheBytesOfAResourceDecoded) {
  std::string encoded;
  for (int i = 0; i < 2048; ++i) {
    encoded += "%ff";
  }
  EXPECT_EQ(expect_request("resource=" + encoded).resource.size(), 2048U);
  EXPECT_EQ(expect_fault("resource=" + encoded + "%ff"), Fault::invalid_parameter);
}

TEST(ParametersTest, TakesAnIdentityOf1024Bytes) {
  const std::string longest(1024, 'i');
  for (const std::string name : {"client_id", "object_id", "msi_res_id"}) {
    EXPECT_EQ(expect_request("resource=r&" + name + "=" + longest).identity.value, longest);
    EXPECT_EQ(expect_fault("resource=r&" + name + "=" + longest + "i"), Fault::invalid_parameter);
    EXPECT_EQ(read_parameters("resource=r&" + name + "=" + longest + "i", "").error().description,
              "The parameter '" + name + "' has 1025 bytes: give at most 1024");
  }
}

TEST(ParametersTest, ReadsAResourceFromTheBody) {
  EXPECT_EQ(expect_request("", "resource=https%3A%2F%2Fvault.azure.net").resource, "https://vault.azure.net");
}

TEST(ParametersTest, ReadsQueryAndBodyTogether) {
  const TokenRequest request = expect_request("api-version=1.0&client_id=c", "resource=r");

  EXPECT_EQ(request.resource, "r");
  EXPECT_EQ(request.identity, (IdentitySelector{SelectorKind::client_id, "c"}));
}

TEST(ParametersTest, KeepsTheResourceExactlyAsSent) {
  EXPECT_EQ(expect_request("resource=HTTPS%3A%2F%2FVault.azure.net%2F%2F").resource,
            "HTTPS://Vault.azure.net//");
  EXPECT_EQ(expect_request("resource=https://vault.azure.net").resource, "https://vault.azure.net");
  EXPECT_EQ(expect_request("resource=https://vault.azure.net/").resource, "https://vault.azure.net/");
}

TEST(ParametersTest, WithoutASelectorNoIdentityIsNamed) {
  EXPECT_EQ(expect_request("resource=r").identity, IdentitySelector());
}

TEST(ParametersTest, ReadsEverySpellingOfASelector) {
  EXPECT_EQ(expect_request("resource=r&client_id=x").identity,
            (IdentitySelector{SelectorKind::client_id, "x"}));
  EXPECT_EQ(expect_request("resource=r&clientid=x").identity,
            (IdentitySelector{SelectorKind::client_id, "x"}));
  EXPECT_EQ(expect_request("resource=r&object_id=x").identity,
            (IdentitySelector{SelectorKind::object_id, "x"}));
  EXPECT_EQ(expect_request("resource=r&msi_res_id=x").identity,
            (IdentitySelector{SelectorKind::resource_id, "x"}));
  EXPECT_EQ(expect_request("resource=r&mi_res_id=x").identity,
            (IdentitySelector{SelectorKind::resource_id, "x"}));
}

TEST(ParametersTest, ReadsAnEncodedName) {
  EXPECT_EQ(expect_request("resource=r&msi%5Fres%5fid=x").identity.kind, SelectorKind::resource_id);
}

TEST(ParametersTest, TheQueryWinsOverTheBody) {
  EXPECT_EQ(expect_request("resource=query", "resource=body").resource, "query");
  EXPECT_EQ(expect_request("resource=r&clientid=query", "client_id=body").identity.value, "query");
}

TEST(ParametersTest, DropsEmptyValues) {
  EXPECT_EQ(expect_request("client_id=&resource=r").identity.kind, SelectorKind::none);
  EXPECT_EQ(expect_request("resource=", "resource=body").resource, "body");
  EXPECT_EQ(expect_request("resource=&resource=r").resource, "r");
  EXPECT_EQ(expect_request("resource=r&resource=").resource, "r");
  EXPECT_EQ(expect_request("resource=r&client_id=&object_id=o").identity.kind, SelectorKind::object_id);
}

TEST(ParametersTest, EqualDuplicatesCollapse) {
  EXPECT_EQ(expect_request("resource=a%2Fb&resource=a/b").resource, "a/b");
  EXPECT_EQ(expect_request("resource=r", "client_id=c&clientid=c").identity.value, "c");
}

TEST(ParametersTest, RefusesDifferentDuplicatesInOnePart) {
  EXPECT_EQ(expect_fault("resource=a&resource=b"), Fault::invalid_parameter);
  EXPECT_EQ(expect_fault("", "resource=a&resource=a/"), Fault::invalid_parameter);
  EXPECT_EQ(expect_fault("resource=r", "resource=a&resource=b"), Fault::invalid_parameter);
}

TEST(ParametersTest, RefusesDifferentValuesOfTwoSpellings) {
  EXPECT_EQ(expect_fault("resource=r&client_id=a&clientid=b"), Fault::invalid_parameter);
  EXPECT_EQ(expect_fault("resource=r&msi_res_id=a&mi_res_id=b"), Fault::invalid_parameter);
}

TEST(ParametersTest, RefusesMoreThanOneSelector) {
  EXPECT_EQ(expect_fault("resource=r&client_id=a&object_id=a"), Fault::invalid_parameter);
  EXPECT_EQ(expect_fault("resource=r&client_id=a", "msi_res_id=b"), Fault::invalid_parameter);
}

TEST(ParametersTest, MissesAResource) {
  EXPECT_EQ(expect_fault(""), Fault::missing_resource);
  EXPECT_EQ(expect_fault("resource="), Fault::missing_resource);
  EXPECT_EQ(expect_fault("client_id=c", "api-version=1.0"), Fault::missing_resource);
}

TEST(ParametersTest, MissesAResourceInABodyThatIsNoForm) {
  EXPECT_EQ(expect_fault("", R"({"resource": "https://vault.azure.net"})"), Fault::missing_resource);
  EXPECT_EQ(
      expect_fault("", "--x\r\nContent-Disposition: form-data; name=\"resource\"\r\n\r\nr\r\n--x--\r\n"),
      Fault::missing_resource);
}

TEST(ParametersTest, RefusesControlCharacters) {
  for (const std::string_view escape : {"%00", "%0A", "%0d", "%1F", "%7f"}) {
    EXPECT_EQ(expect_fault("resource=a" + std::string(escape) + "b"), Fault::invalid_parameter) << escape;
    EXPECT_EQ(expect_fault("resource=r&client_id=" + std::string(escape)), Fault::invalid_parameter)
        << escape;
  }
  EXPECT_EQ(expect_fault("", std::string_view("resource=a\0b", 12)), Fault::invalid_parameter);
}

TEST(ParametersTest, KeepsOtherBytes) {
  EXPECT_EQ(expect_request("resource=caf%C3%A9%20%22%80").resource, "caf\xC3\xA9 \"\x80");
}

TEST(ParametersTest, IgnoresNoiseWhateverItSays) {
  const TokenRequest request =
      expect_request("api-version=1.0&api-version=2.0&authority=%00&unknown=a&unknown=b",
                     "grant_type=client_credentials&refresh_token=t&resource=r");

  EXPECT_EQ(request, (TokenRequest{.resource = "r", .identity = {}, .bypass_cache = false}));
}

TEST(ParametersTest, ReadsBypassCache) {
  EXPECT_TRUE(expect_request("resource=r&bypass_cache=true").bypass_cache);
  EXPECT_TRUE(expect_request("resource=r", "bypass_cache=True").bypass_cache);
  EXPECT_FALSE(expect_request("resource=r&bypass_cache=false").bypass_cache);
  EXPECT_FALSE(expect_request("resource=r&bypass_cache=").bypass_cache);
}

TEST(ParametersTest, KeepsARawAmpersandInAResourceId) {
  const TokenRequest request = expect_request(
      "", "resource=https://management.azure.com/&msi_res_id=/subscriptions/s/resourceGroups/a&b/u");

  EXPECT_EQ(request.resource, "https://management.azure.com/");
  EXPECT_EQ(request.identity.value, "/subscriptions/s/resourceGroups/a&b/u");
}

TEST(ParametersTest, ReadsABodyJoinedWithACommaAndABlank) {
  const TokenRequest request = expect_request("", "resource=https%3A%2F%2Fvault.azure.net, client_id=c");

  EXPECT_EQ(request.resource, "https://vault.azure.net");
  EXPECT_EQ(request.identity.value, "c");
}

TEST(ParametersTest, ReadsABodyInsideQuotes) {
  EXPECT_EQ(expect_request("", "\"resource=https%3A%2F%2Fvault.azure.net\"").resource,
            "https://vault.azure.net");
}

TEST(ParametersTest, NamesTheParameterAtFault) {
  const ParseResult result = read_parameters("resource=r&clientid=a&client_id=b", "");

  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().description,
            "The parameter 'client_id' is given twice with different values: give it once");
}

}  // namespace
}  // namespace msi2imds::legacy

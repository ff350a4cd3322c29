// SPDX-License-Identifier: MIT
#include "migration/claims.hpp"

#include <gtest/gtest.h>

namespace msi2imds::migration {
namespace {

// {"aud":"https://a/","oid":"o","exp":2000,"iat":500,"roles":["r"]}
constexpr const char* kToken =
    "e30.eyJhdWQiOiJodHRwczovL2EvIiwib2lkIjoibyIsImV4cCI6MjAwMCwiaWF0Ijo1MDAsInJvbGVzIjpbInIiXX0.c2ln";

TEST(ClaimsTest, AreReadFromThePayload) {
  const auto claims = read_claims(kToken);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->names.at("aud"), "https://a/");
  EXPECT_EQ(claims->names.at("oid"), "o");
  EXPECT_EQ(claims->names.at("roles"), R"(["r"])");
  EXPECT_EQ(claims->lifetime, 1500);
}

TEST(ClaimsTest, OfWhatIsNoTokenAreAnErrorWithoutIt) {
  for (const char* token : {"", "secret", "a.b", "a.!!!!.c", "a.e30", "a.WzFd.c", "a.eyJ.c", "..", "a..b"}) {
    const auto claims = read_claims(token);
    ASSERT_FALSE(claims) << token;
    EXPECT_EQ(claims.error().message(), "read the claims of a token: Bad message");
  }
}

TEST(ClaimsTest, NameTheIdentityThatTheyAreOf) {
  using token::IdentitySelector;
  using token::SelectorKind;
  const std::string guid = "01234567-89ab-cdef-0123-456789abcdef";
  const std::string other = "11111111-2222-3333-4444-555555555555";
  const std::string resource_id =
      "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n";
  const auto of = [](std::map<std::string, std::string, std::less<>> names) {
    return identity_of(Claims{.names = std::move(names), .lifetime = 0});
  };
  EXPECT_EQ(of({{"appid", guid}, {"oid", other}, {"xms_mirid", resource_id}}),
            (IdentitySelector{SelectorKind::client_id, guid}));
  EXPECT_EQ(of({{"azp", guid}}), (IdentitySelector{SelectorKind::client_id, guid}));
  EXPECT_EQ(of({{"appid", "a\"}\n"}, {"oid", other}}), (IdentitySelector{SelectorKind::object_id, other}))
      << "a text that is none is not passed on";
  EXPECT_EQ(of({{"xms_mirid", resource_id}}), (IdentitySelector{SelectorKind::resource_id, resource_id}));
  EXPECT_EQ(of({{"xms_mirid", "/subscriptions/s/providers/Microsoft.Compute/virtualMachines/vm"}}),
            IdentitySelector());
  EXPECT_EQ(of({}), IdentitySelector());
}

TEST(ClaimsTest, DifferInNothing) {
  const auto claims = read_claims(kToken);
  EXPECT_TRUE(differences(*claims, *claims).empty());
}

TEST(ClaimsTest, DifferencesAreExplained) {
  Claims extension{.names = {{"oid", "a"}, {"tid", "t"}}, .lifetime = 1};
  const Claims imds{.names = {{"oid", "b\x1b"}, {"aud", "x"}}, .lifetime = 2};
  EXPECT_EQ(differences(extension, imds),
            (std::vector<std::string>{
                "aud is nothing from the extension and \"x\" from IMDS: services may refuse the token",
                "tid is \"t\" from the extension and nothing from IMDS: it is another tenant",
                "oid is \"a\" from the extension and \"b\\x1b\" from IMDS: it is another identity, whose "
                "rights may "
                "differ"}));
}

}  // namespace
}  // namespace msi2imds::migration

// SPDX-License-Identifier: MIT
#include "legacy/parse.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace msi2imds::legacy {
namespace {

class ParseTest : public testing::Test {
 protected:
  ParseTest() {
    request_.method = "GET";
    request_.target = "/oauth2/token?resource=r";
    request_.headers = {{"Host", "localhost:50342"}, {"Metadata", "true"}};
  }

  void set(std::string name, std::string value) {
    remove(name);
    request_.headers.push_back({std::move(name), std::move(value)});
  }

  void remove(std::string_view name) {
    std::erase_if(request_.headers, [name](const http::Header& header) { return header.name == name; });
  }

  // What is wrong, or nothing.
  [[nodiscard]] std::optional<Fault> fault() const {
    const ParseResult result = parse(request_, rules_);
    return result ? std::nullopt : std::optional(result.error().fault);
  }

  [[nodiscard]] std::string description() const {
    const ParseResult result = parse(request_, rules_);
    return result ? "" : result.error().description;
  }

  http::Request request_;
  Rules rules_;
};

TEST_F(ParseTest, AcceptsAGet) {
  const ParseResult result = parse(request_, rules_);

  ASSERT_TRUE(result);
  EXPECT_EQ(result->resource, "r");
}

TEST_F(ParseTest, AcceptsAPostWithAQueryAndAnEmptyBody) {
  request_.method = "POST";
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(ParseTest, ReadsAFormOfAnyContentType) {
  request_.method = "POST";
  request_.target = "/oauth2/token";
  request_.body = "resource=r";
  set("Content-Type", "application/json");
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(ParseTest, ReadsTheFormOfAGet) {
  request_.target = "/oauth2/token";
  request_.body = "resource=r";
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(ParseTest, RefusesOtherMethods) {
  for (const char* method : {"HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "get", ""}) {
    request_.method = method;
    EXPECT_EQ(fault(), Fault::method_not_allowed) << method;
  }
}

TEST_F(ParseTest, RefusesSignsOfAProxyOrABrowser) {
  for (const char* name : {"X-Forwarded-For", "x-forwarded-for", "Forwarded", "Origin", "ORIGIN"}) {
    set(name, "");
    EXPECT_EQ(fault(), Fault::forwarded) << name;
    remove(name);
  }
}

TEST_F(ParseTest, RefusesAForeignHost) {
  set("Host", "attacker.example:50342");
  EXPECT_EQ(fault(), Fault::foreign_host);
}

TEST_F(ParseTest, AcceptsBlanksAroundTheHost) {
  set("Host", " localhost:50342\t");
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(ParseTest, AcceptsAConfiguredHost) {
  rules_.extra_hosts = {"msi.example"};
  set("Host", "msi.example:50342");
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(ParseTest, RefusesTwoHostsEvenIfBothAreOurs) {
  request_.headers.push_back({"host", "localhost"});
  EXPECT_EQ(fault(), Fault::bad_host);
}

TEST_F(ParseTest, RequiresAHostInHttp11) {
  remove("Host");
  EXPECT_EQ(fault(), Fault::bad_host);
}

TEST_F(ParseTest, RequiresNoHostInHttp10) {
  request_.version = 10;
  remove("Host");
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(ParseTest, ChecksAHostInHttp10) {
  request_.version = 10;
  set("Host", "attacker.example");
  EXPECT_EQ(fault(), Fault::foreign_host);
}

TEST_F(ParseTest, RefusesAnEmptyHost) {
  set("Host", "");
  EXPECT_EQ(fault(), Fault::foreign_host);
}

TEST_F(ParseTest, AcceptsAnAbsoluteTargetOnTheLoopback) {
  request_.target = "http://127.0.0.1:50342/oauth2/token?resource=r";
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(ParseTest, ChecksTheHostOfAnAbsoluteTarget) {
  request_.target = "http://attacker.example/oauth2/token?resource=r";
  EXPECT_EQ(fault(), Fault::foreign_host);
}

TEST_F(ParseTest, ChecksTheHostHeaderBesideAnAbsoluteTarget) {
  request_.target = "http://localhost/oauth2/token?resource=r";
  set("Host", "attacker.example");
  EXPECT_EQ(fault(), Fault::foreign_host);
}

TEST_F(ParseTest, RefusesOtherTargets) {
  for (const char* target :
       {"/", "*", "", "/metadata/instance?resource=r", "https://localhost/oauth2/token?resource=r"}) {
    request_.target = target;
    EXPECT_EQ(fault(), Fault::unknown_source) << target;
  }
}

TEST_F(ParseTest, NamesTheUnknownSource) {
  request_.target = "/elsewhere?resource=r";
  EXPECT_EQ(description(), "Unknown Source /elsewhere?resource=r");
}

TEST_F(ParseTest, AcceptsTheMetadataHeaderInAnyCase) {
  remove("Metadata");
  for (const auto& [name, value] : {std::pair("metadata", "true"), std::pair("METADATA", " True ")}) {
    set(name, value);
    EXPECT_EQ(fault(), std::nullopt) << name;
    remove(name);
  }
}

TEST_F(ParseTest, RequiresTheMetadataHeader) {
  remove("Metadata");
  EXPECT_EQ(fault(), Fault::missing_metadata_header);
  EXPECT_EQ(description(), "Required metadata header not specified");
}

TEST_F(ParseTest, RequiresTheMetadataHeaderToBeTrue) {
  for (const char* value : {"", "false", "1", "true, true", "trueish"}) {
    set("Metadata", value);
    EXPECT_EQ(fault(), Fault::missing_metadata_header) << value;
  }
}

TEST_F(ParseTest, RefusesContradictoryMetadataHeaders) {
  for (const auto& [first, second] : {std::pair("true", "false"), std::pair("false", "true"),
                                      std::pair("true", ""), std::pair("", "true")}) {
    for (const bool required : {true, false}) {
      rules_.require_metadata_header = required;
      remove("Metadata");
      request_.headers.push_back({"Metadata", first});
      request_.headers.push_back({"metadata", second});
      EXPECT_EQ(fault(), Fault::invalid_parameter) << first << ", " << second;
      remove("metadata");
    }
  }
  set("Metadata", "true");
  request_.headers.push_back({"metadata", " True "});
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(ParseTest, RefusesRequestsOfWebPages) {
  for (const bool required : {true, false}) {
    rules_.require_metadata_header = required;
    for (const char* site : {"cross-site", "same-site", "CROSS-SITE", "", "none, cross-site"}) {
      set("Sec-Fetch-Site", site);
      EXPECT_EQ(fault(), Fault::forwarded) << site;
    }
    for (const char* site : {"none", "same-origin", " None"}) {
      set("Sec-Fetch-Site", site);
      EXPECT_EQ(fault(), std::nullopt) << site;
    }
    request_.headers.push_back({"sec-fetch-site", "cross-site"});
    EXPECT_EQ(fault(), Fault::forwarded) << "a second one";
    remove("sec-fetch-site");
  }
}

TEST_F(ParseTest, RequiresNoMetadataHeaderWhenToldSo) {
  rules_.require_metadata_header = false;
  remove("Metadata");
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(ParseTest, KeepsTheOtherGuardsWithoutTheMetadataHeader) {
  rules_.require_metadata_header = false;
  set("Origin", "null");
  EXPECT_EQ(fault(), Fault::forwarded);
}

// Each request has all faults that come later in the order, too.
TEST_F(ParseTest, ReportsTheFirstFault) {
  request_.method = "PUT";
  request_.target = "/";
  request_.headers = {{"Origin", "null"}, {"Host", "attacker.example"}};
  EXPECT_EQ(fault(), Fault::method_not_allowed);

  request_.method = "POST";
  EXPECT_EQ(fault(), Fault::forwarded);

  remove("Origin");
  EXPECT_EQ(fault(), Fault::foreign_host);

  set("Host", "localhost");
  EXPECT_EQ(fault(), Fault::unknown_source);

  request_.target = "/oauth2/token";
  EXPECT_EQ(fault(), Fault::missing_metadata_header);

  set("Metadata", "true");
  EXPECT_EQ(fault(), Fault::missing_resource);
}

TEST_F(ParseTest, EchoesNoMoreThanTheBeginningOfALongTarget) {
  request_.target = "/" + std::string(5000, 'x');
  EXPECT_EQ(description(), "Unknown Source /" + std::string(199, 'x') + "...");
}

TEST_F(ParseTest, EchoesControlCharactersVisibly) {
  request_.target = "/\x1b[31mred\xff";
  EXPECT_EQ(description(), R"(Unknown Source /\x1b[31mred\xff)");
}

}  // namespace
}  // namespace msi2imds::legacy

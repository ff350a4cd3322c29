// SPDX-License-Identifier: MIT
#include "imds_emulator/control_endpoint.hpp"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

namespace msi2imds::emulator {
namespace {

class ControlEndpointTest : public testing::Test {
 protected:
  Reply call(const std::string& method, const std::string& path, const std::string& body = "") {
    Request request;
    request.method = method;
    request.target = path;
    request.body = body;
    return answer_other(emulator_, request);
  }
  boost::json::value document(const std::string& path) {
    return boost::json::parse(call("GET", path).body);
  }

  Emulator emulator_{Options()};
};

TEST_F(ControlEndpointTest, ListsTheIdentities) {
  EXPECT_EQ(document("/emulator/identities").as_array().size(), 4U);
}

TEST_F(ControlEndpointTest, AssignsAndTakesAwayIdentities) {
  EXPECT_EQ(call("POST", "/emulator/identities", R"({"name":"policy"})").status, 200U);
  EXPECT_EQ(document("/emulator/identities").as_array().size(), 5U);
  EXPECT_EQ(call("POST", "/emulator/identities", R"({"name":"policy"})").status, 409U);
  EXPECT_EQ(call("DELETE", "/emulator/identities", R"({"name":"policy"})").status, 200U);
  EXPECT_EQ(document("/emulator/identities").as_array().size(), 4U);
  EXPECT_EQ(call("DELETE", "/emulator/identities", R"({"name":"policy"})").status, 404U);
  for (const std::string body :
       {"", "{}", R"({"name":""})", R"({"name":"a/b"})", R"({"name":1})", R"({"name":"a","other":1})"}) {
    EXPECT_EQ(call("POST", "/emulator/identities", body).status, 400U) << body;
    EXPECT_EQ(call("DELETE", "/emulator/identities", body).status, 400U) << body;
  }
}

TEST_F(ControlEndpointTest, ZeroesStatisticsAndLogOnReset) {
  (void)answer_malformed(emulator_, "GET /metadata/identity/oauth2/token?resource=a b HTTP/1.1", "bad", 1);
  ASSERT_EQ(document("/emulator/stats").at("token_requests").as_int64(), 1);
  ASSERT_EQ(document("/emulator/requests").as_array().size(), 1U);

  EXPECT_EQ(call("POST", "/emulator/reset").status, 200U);
  EXPECT_EQ(document("/emulator/stats").at("token_requests").as_int64(), 0);
  EXPECT_EQ(document("/emulator/stats").at("max_per_second").as_int64(), 0);
  EXPECT_TRUE(document("/emulator/requests").as_array().empty());
}

TEST_F(ControlEndpointTest, ShowsATargetWithARawSpaceWhole) {
  (void)answer_malformed(emulator_, "GET /metadata/identity/oauth2/token?resource=a b HTTP/1.1", "bad", 1);
  const auto entries = document("/emulator/requests");
  EXPECT_EQ(entries.at(0).at("target").as_string(), "/metadata/identity/oauth2/token?resource=a b");
  EXPECT_EQ(entries.at(0).at("status").as_int64(), 400);
}

TEST_F(ControlEndpointTest, SetsImdssClock) {
  EXPECT_EQ(document("/emulator/clock").at("skew_seconds").as_int64(), 0);
  EXPECT_EQ(call("POST", "/emulator/clock", R"({"skew_seconds":-3600})").status, 200U);
  EXPECT_EQ(document("/emulator/clock").at("skew_seconds").as_int64(), -3600);
  const auto away = std::chrono::system_clock::now() - emulator_.now();
  EXPECT_GE(away, std::chrono::seconds(3600));
  EXPECT_LT(away, std::chrono::seconds(3700));
}

TEST_F(ControlEndpointTest, RefusesAClockThatIsNone) {
  for (const char* body : {"", "[]", "{}", R"({"skew_seconds":"1"})", R"({"skew_seconds":1.5})",
                           R"({"skew_seconds":1,"more":1})", R"({"skew_seconds":315360001})"}) {
    EXPECT_EQ(call("POST", "/emulator/clock", body).status, 400U) << body;
  }
  EXPECT_EQ(document("/emulator/clock").at("skew_seconds").as_int64(), 0);
}

TEST_F(ControlEndpointTest, KeepsWhatIsInFlightOnReset) {
  InFlight in_flight(emulator_.statistics);
  (void)call("POST", "/emulator/reset");
  EXPECT_EQ(document("/emulator/stats").at("max_in_flight").as_int64(), 1);
  in_flight.end();
  EXPECT_EQ(document("/emulator/stats").at("in_flight").as_int64(), 0);
}

TEST_F(ControlEndpointTest, CountsWhatIsInFlightAtOnce) {
  {
    const InFlight first(emulator_.statistics);
    const InFlight second(emulator_.statistics);
  }
  const InFlight third(emulator_.statistics);
  EXPECT_EQ(document("/emulator/stats").at("max_in_flight").as_int64(), 2);
}

TEST_F(ControlEndpointTest, SetsShowsAndClearsFaults) {
  EXPECT_EQ(call("POST", "/emulator/faults", R"({"faults":[{"kind":"reset"}]})").status, 200U);
  EXPECT_EQ(document("/emulator/faults").at("faults").as_array().size(), 1U);
  EXPECT_EQ(call("DELETE", "/emulator/faults").status, 200U);
  EXPECT_TRUE(document("/emulator/faults").at("faults").as_array().empty());
}

TEST_F(ControlEndpointTest, SetsNothingOfAWrongFaultDocument) {
  const Reply reply = call("POST", "/emulator/faults", R"({"faults":[{"kind":"reset"},{"kind":"sneeze"}]})");
  EXPECT_EQ(reply.status, 400U);
  EXPECT_NE(reply.body.find("sneeze"), std::string::npos);
  EXPECT_TRUE(document("/emulator/faults").at("faults").as_array().empty());
}

TEST_F(ControlEndpointTest, NamesTheMethodsOfAControl) {
  const Reply reply = call("PUT", "/emulator/faults");
  EXPECT_EQ(reply.status, 405U);
  ASSERT_EQ(reply.headers.size(), 1U);
  EXPECT_EQ(reply.headers[0].value, "GET, POST, DELETE");
}

TEST_F(ControlEndpointTest, HasNothingAtOtherPaths) {
  EXPECT_EQ(call("GET", "/emulator/else").status, 404U);
  EXPECT_EQ(call("GET", "/metadata/identity/oauth2/token/").status, 404U);
  EXPECT_EQ(call("GET", "//metadata/identity/oauth2/token").status, 404U);
}

TEST_F(ControlEndpointTest, DescribesTheVm) {
  Request request;
  request.method = "GET";
  request.target = "/metadata/instance?api-version=2021-02-01";
  request.headers = {{.name = "Host", .value = "x"}, {.name = "Metadata", .value = "true"}};
  const Reply reply = answer_other(emulator_, request);
  ASSERT_EQ(reply.status, 200U);
  const auto compute = boost::json::parse(reply.body).at("compute");
  EXPECT_EQ(compute.at("resourceId").as_string(), vm_resource_id());
  EXPECT_EQ(compute.at("vmScaleSetName").as_string(), "");

  request.headers.pop_back();
  EXPECT_EQ(answer_other(emulator_, request).status, 400U);
}

}  // namespace
}  // namespace msi2imds::emulator

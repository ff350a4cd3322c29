// SPDX-License-Identifier: MIT
#include "unit/http/connection_fixture.hpp"

namespace msi2imds::http {
namespace {

// What two readers could take for different requests is refused, and nothing more is read.
class ConnectionFramingTest : public ConnectionFixture {
 protected:
  void expect_refused(std::string_view bytes) {
    EXPECT_EQ(status_of(bytes), 400U);
    EXPECT_TRUE(connection_->is_last());
  }
};

TEST_F(ConnectionFramingTest, RefusesABareLineFeed) {
  expect_refused("GET / HTTP/1.1\nHost: x\n\n");
}

TEST_F(ConnectionFramingTest, RefusesABareLineFeedWithinTheHead) {
  expect_refused("GET / HTTP/1.1\r\nA: b\nHost: x\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesAFoldedHeader) {
  expect_refused("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesALengthBesideChunks) {
  expect_refused("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesALengthBehindChunks) {
  expect_refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesALengthBehindAnotherEncoding) {
  expect_refused("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab");
}

TEST_F(ConnectionFramingTest, RefusesALengthBeforeAnotherEncoding) {
  expect_refused("POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: gzip\r\n\r\nab");
}

TEST_F(ConnectionFramingTest, RefusesAnotherEncodingAlone) {
  expect_refused("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesChunksInsideAnotherEncoding) {
  expect_refused("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesEncodingsInTwoHeaders) {
  expect_refused(
      "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesChunksInHttp10) {
  expect_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesDifferingLengths) {
  expect_refused("POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc");
}

class BadLengthTest : public ConnectionFixture, public testing::WithParamInterface<const char*> {};

TEST_P(BadLengthTest, IsRefused) {
  EXPECT_EQ(status_of(std::string("POST / HTTP/1.1\r\nContent-Length: ") + GetParam() + "\r\n\r\n"), 400U);
}

INSTANTIATE_TEST_SUITE_P(Connection, BadLengthTest,
                         testing::Values("-1", "+2", "0x2", "2 2", "2,3", "", "99999999999999999999999"));

TEST_F(ConnectionFramingTest, RefusesAChunkSizeThatIsNoNumber) {
  expect_refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesAChunkThatIsLongerThanItSays) {
  expect_refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesASpaceBeforeTheColon) {
  expect_refused("POST / HTTP/1.1\r\nContent-Length : 2\r\n\r\nab");
}

TEST_F(ConnectionFramingTest, RefusesAHeaderWithoutName) {
  expect_refused("GET / HTTP/1.1\r\n: x\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesANulInAHeader) {
  expect_refused(std::string_view("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 27));
}

TEST_F(ConnectionFramingTest, RefusesAVersionThatItDoesNotSpeak) {
  expect_refused("GET / HTTP/2.0\r\n\r\n");
}

TEST_F(ConnectionFramingTest, RefusesARequestLineThatEndsBeforeItsVersionAtOnce) {
  send("GET / \r\n\r\n");
  Reading reading = start_reading();
  ASSERT_TRUE(reading.is_done());
  const ReadResult result = reading.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 400U);
}

TEST_F(ConnectionFramingTest, RefusesBytesThatAreNoRequest) {
  expect_refused("\x16\x03\x01\x02\r\n\r\n");
}

TEST_F(ConnectionFramingTest, SaysWhatIsWrong) {
  const ReadResult result = read("GET / HTTP/1.1\nHost: x\n\n");
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().reason.find("bare line feed"), std::string::npos) << result.error().reason;
}

}  // namespace
}  // namespace msi2imds::http

// SPDX-License-Identifier: MIT
#include "unit/http/connection_fixture.hpp"

namespace msi2imds::http {
namespace {

class ConnectionReadTest : public ConnectionFixture {};

TEST_F(ConnectionReadTest, ReadsARequest) {
  ASSERT_TRUE(read("GET /oauth2/token?resource=a%2fb HTTP/1.1\r\nHost: localhost\r\nmetadata:true\r\n\r\n"));
  EXPECT_EQ(request_.version, 11U);
  EXPECT_EQ(request_.method, "GET");
  EXPECT_EQ(request_.target, "/oauth2/token?resource=a%2fb");
  ASSERT_EQ(request_.headers.size(), 2U);
  EXPECT_EQ(request_.headers[1].name, "metadata");
  EXPECT_EQ(request_.headers[1].value, "true");
  EXPECT_EQ(request_.body, "");
  EXPECT_FALSE(connection_->is_last());
}

TEST_F(ConnectionReadTest, ReadsAMethodThatNobodyKnows) {
  ASSERT_TRUE(read("BREW / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(request_.method, "BREW");
}

TEST_F(ConnectionReadTest, KeepsBothOfTwoEqualHeaders) {
  ASSERT_TRUE(read("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"));
  EXPECT_EQ(request_.headers.size(), 2U);
}

TEST_F(ConnectionReadTest, ReadsPipelinedRequestsOneByOne) {
  ASSERT_TRUE(
      read("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
           "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(request_.body, "abc");
  ASSERT_TRUE(read());
  EXPECT_EQ(request_.target, "/2");
  EXPECT_EQ(request_.body, "");
  ASSERT_TRUE(read());
  EXPECT_EQ(request_.target, "/3");
}

TEST_F(ConnectionReadTest, PutsARequestTogetherFromSingleBytes) {
  const std::string_view bytes = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
  Reading reading(io_, connection_->read(request_));
  for (const char byte : bytes) {
    EXPECT_FALSE(reading.is_done());
    send({&byte, 1});
    io_.restart();
    io_.poll();
  }
  ASSERT_TRUE(reading.get());
  EXPECT_EQ(request_.body, "ab");
}

TEST_F(ConnectionReadTest, PutsChunksTogetherFromSingleBytes) {
  for (const std::string_view chunks : {"0\r\n\r\n", "1\r\nx\r\n0\r\nA: b\r\n\r\n"}) {
    Reading reading(io_, connection_->read(request_));
    send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const char byte : chunks) {
      io_.restart();
      io_.poll();
      EXPECT_FALSE(reading.is_done());
      send({&byte, 1});
    }
    ASSERT_TRUE(reading.get());
    EXPECT_EQ(request_.body, chunks.starts_with('1') ? "x" : "");
  }
}

TEST_F(ConnectionReadTest, ReadsTheBodyOfAGet) {
  ASSERT_TRUE(read("GET /a HTTP/1.1\r\nContent-Length: 4\r\n\r\na=bcGET /b HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(request_.body, "a=bc");
  ASSERT_TRUE(read());
  EXPECT_EQ(request_.target, "/b");
}

TEST_F(ConnectionReadTest, TakesAPostWithoutLengthAsOneWithoutBody) {
  ASSERT_TRUE(read("POST /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(request_.body, "");
  ASSERT_TRUE(read());
  EXPECT_EQ(request_.target, "/b");
}

TEST_F(ConnectionReadTest, JoinsChunks) {
  ASSERT_TRUE(
      read("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nres\r\n00A\r\nource=abcd\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(request_.body, "resource=abcd");
  ASSERT_TRUE(read());
  EXPECT_EQ(request_.target, "/b");
}

TEST_F(ConnectionReadTest, SkipsChunkExtensionsAndTrailers) {
  ASSERT_TRUE(
      read("POST /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
           "1;a=b;c=\"d\"\r\nx\r\n0;e\r\nX-Sum: 1\r\nX-More: 2\r\n\r\nGET /b HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(request_.body, "x");
  ASSERT_TRUE(read());
  EXPECT_EQ(request_.target, "/b");
}

// A trailer comes after whatever decided to trust the request (RFC 9110, section 6.5.1).
TEST_F(ConnectionReadTest, TakesNoTrailerForAHeader) {
  ASSERT_TRUE(
      read("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
           "0\r\nMetadata: true\r\n\r\n"));
  EXPECT_EQ(request_.header("Metadata"), nullptr);
}

TEST_F(ConnectionReadTest, UsesARequestAgainWithoutLeavingsOfTheOneBefore) {
  ASSERT_TRUE(read("POST /a HTTP/1.1\r\nA: 1\r\nB: 2\r\nContent-Length: 2\r\n\r\nab"));
  ASSERT_TRUE(read("GET /b HTTP/1.0\r\nC: 3\r\n\r\n"));
  EXPECT_EQ(request_.version, 10U);
  EXPECT_EQ(request_.body, "");
  ASSERT_EQ(request_.headers.size(), 1U);
  EXPECT_EQ(request_.headers[0].name, "C");
}

TEST_F(ConnectionReadTest, ClosesHttp10UnlessItAsksToGoOn) {
  ASSERT_TRUE(read("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_FALSE(connection_->is_last());
  ASSERT_TRUE(read("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(connection_->is_last());
}

TEST_F(ConnectionReadTest, TakesConnectionCloseForTheLastRequest) {
  ASSERT_TRUE(read("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"));
  EXPECT_TRUE(connection_->is_last());
}

TEST_F(ConnectionReadTest, InvitesTheBodyOfARequestThatExpectsIt) {
  send("POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
  Reading reading(io_, connection_->read(request_));
  EXPECT_EQ(received(), "HTTP/1.1 100 Continue\r\n\r\n");
  send("ab");
  ASSERT_TRUE(reading.get());
  EXPECT_EQ(request_.body, "ab");
}

TEST_F(ConnectionReadTest, InvitesNobodyWhoSentTheBodyAlready) {
  ASSERT_TRUE(read("POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab"));
  EXPECT_EQ(received(), "");
}

TEST_F(ConnectionReadTest, InvitesNoHttp10Client) {
  send("POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  Reading reading(io_, connection_->read(request_));
  EXPECT_EQ(received(), "");
  send("ab");
  EXPECT_TRUE(reading.get());
}

TEST_F(ConnectionReadTest, SkipsEmptyLinesBeforeARequest) {
  ASSERT_TRUE(read("\r\n\r\nGET / HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(request_.method, "GET");
}

TEST_F(ConnectionReadTest, OwesNothingToAClientThatLeaves) {
  end_sending();
  const ReadResult result = read();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0U);
  EXPECT_TRUE(connection_->is_last());
}

TEST_F(ConnectionReadTest, OwesNothingToAClientThatLeavesInsideAHead) {
  send("GET / HTTP/1.1\r\nHo");
  end_sending();
  const ReadResult result = read();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0U);
}

TEST_F(ConnectionReadTest, OwesNothingToAClientThatLeavesInsideABody) {
  send("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab");
  end_sending();
  const ReadResult result = read();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0U);
}

// Who says that nothing follows and has sent something behind is still waited for, what comes later is his
// loss.
TEST_F(ConnectionReadTest, WhoSaysThatNothingFollowsIsNotLookedAtAgain) {
  constexpr std::string_view kLast = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  ASSERT_TRUE(read(kLast));
  send("GET / HTTP/1.1\r\n");
  EXPECT_TRUE(connection_->is_last());
  EXPECT_FALSE(connection_->has_unread_input());
}

TEST_F(ConnectionReadTest, WhatComesWithTheLastRequestIsUnread) {
  constexpr std::string_view kLast = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  ASSERT_TRUE(read(std::string(kLast) + "GET / HTTP/1.1\r\n"));
  EXPECT_TRUE(connection_->has_unread_input());
}

}  // namespace
}  // namespace msi2imds::http

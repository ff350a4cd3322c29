// SPDX-License-Identifier: MIT
#include "unit/http/connection_fixture.hpp"

namespace msi2imds::http {
namespace {

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

class ConnectionDrainTest : public ConnectionFixture {};

TEST_F(ConnectionDrainTest, EndsAConnectionThatWaitsForARequest) {
  Reading reading(io_, connection_->read(request_));
  connection_->close_when_idle();
  const ReadResult result = reading.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0U);
}

// What made the socket readable just before was no request: nothing is left to cancel when the drain begins.
TEST_F(ConnectionDrainTest, EndsAConnectionOnWhichAnEmptyLineCameJustBefore) {
  ASSERT_TRUE(read(kRequest));
  ASSERT_TRUE(write({}));
  Reading reading(io_, connection_->read(request_));
  send("\r\n");
  connection_->close_when_idle();
  io_.restart();
  io_.poll();
  EXPECT_TRUE(reading.is_done());
}

TEST_F(ConnectionDrainTest, ServesARequestThatCameJustBefore) {
  Reading reading(io_, connection_->read(request_));
  send(kRequest);
  connection_->close_when_idle();
  EXPECT_TRUE(reading.get());
}

TEST_F(ConnectionDrainTest, WaitsForTheRestOfARequest) {
  send("GET / HTTP/1.1\r\n");
  Reading reading(io_, connection_->read(request_));
  connection_->close_when_idle();
  io_.restart();
  io_.poll();
  EXPECT_FALSE(reading.is_done());
  send("\r\n");
  EXPECT_TRUE(reading.get());
}

TEST_F(ConnectionDrainTest, SaysInTheAnswerThatIsDueThatItIsTheLast) {
  ASSERT_TRUE(read(kRequest));
  connection_->close_when_idle();
  ASSERT_TRUE(write({}));
  EXPECT_TRUE(connection_->is_last());
  EXPECT_NE(received().find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_F(ConnectionDrainTest, AnswersWhatWasPipelinedBeforeItCloses) {
  ASSERT_TRUE(read(std::string(kRequest) + std::string(kRequest)));
  connection_->close_when_idle();
  ASSERT_TRUE(write({}));
  EXPECT_FALSE(connection_->is_last());
  ASSERT_TRUE(read());
  ASSERT_TRUE(write({}));
  EXPECT_TRUE(connection_->is_last());
}

TEST_F(ConnectionDrainTest, ReadsNothingMoreOnceItsAnswerIsWritten) {
  ASSERT_TRUE(read(kRequest));
  ASSERT_TRUE(write({}));
  connection_->close_when_idle();
  const ReadResult result = read();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0U);
}

// The client could not know: its answer before promised that the connection goes on.
TEST_F(ConnectionDrainTest, ServesARequestThatCameBetweenAnswerAndDrain) {
  ASSERT_TRUE(read(kRequest));
  ASSERT_TRUE(write({}));
  send(kRequest);
  connection_->close_when_idle();
  EXPECT_TRUE(read());
}

class UnreadRestTest : public ConnectionDrainTest, public testing::WithParamInterface<std::string_view> {};

TEST_P(UnreadRestTest, IsSaidNotToHaveCome) {
  send(GetParam());
  Reading reading(io_, connection_->read(request_));
  connection_->stop_reading();
  const ReadResult result = reading.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 408U);
}

INSTANTIATE_TEST_SUITE_P(OfHeadAndBody, UnreadRestTest,
                         testing::Values("GET / HTT",
                                         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na"));

TEST_F(ConnectionDrainTest, ClosesWhoHasSentNothingOnceNothingIsReadAnyMore) {
  Reading reading(io_, connection_->read(request_));
  connection_->stop_reading();
  const ReadResult result = reading.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0U);
}

TEST_F(ConnectionDrainTest, ServesWhatIsThereWhenNothingIsReadAnyMore) {
  Reading reading(io_, connection_->read(request_));
  send(kRequest);
  connection_->stop_reading();
  EXPECT_TRUE(reading.get());
  ASSERT_TRUE(write({}));
  EXPECT_TRUE(connection_->is_last());
}

TEST_F(ConnectionDrainTest, WaitsNotForTheRestOfAPipelinedRequestOnceNothingIsReadAnyMore) {
  ASSERT_TRUE(read(std::string(kRequest) + "GET / HT"));
  connection_->stop_reading();
  ASSERT_TRUE(write({}));
  EXPECT_EQ(status_of(""), 408U);
}

TEST_F(ConnectionDrainTest, ClosesInTheMiddleOfAnAnswer) {
  ASSERT_TRUE(read(kRequest));
  Response response;
  response.body.assign(std::size_t{64} * 1024 * 1024, 'x');
  support::Started<bool> writing(io_, connection_->write(response));
  EXPECT_FALSE(writing.is_done());
  connection_->close();
  EXPECT_FALSE(writing.get());
  EXPECT_FALSE(connection_->has_unread_input());
}

TEST_F(ConnectionDrainTest, ServesTheFirstRequestOfAConnectionTakenFromTheBacklog) {
  send(kRequest);
  connection_->close_when_idle();
  EXPECT_TRUE(read());
}

}  // namespace
}  // namespace msi2imds::http

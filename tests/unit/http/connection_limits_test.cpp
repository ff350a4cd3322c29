// SPDX-License-Identifier: MIT
#include "unit/http/connection_fixture.hpp"

#include <vector>

namespace msi2imds::http {
namespace {

class ConnectionLimitsTest : public ConnectionFixture {
 protected:
  // A request whose head has exactly `size` bytes.
  static std::string head_of(std::size_t size) {
    const std::string start = "GET / HTTP/1.1\r\nA: ";
    const std::string end = "\r\n\r\n";
    return start + std::string(size - start.size() - end.size(), 'x') + end;
  }
  static std::string with_body(std::size_t size) {
    return "POST / HTTP/1.1\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + std::string(size, 'x');
  }
};

TEST_F(ConnectionLimitsTest, TakesAHeadOfExactlyTheLimit) {
  EXPECT_EQ(status_of(head_of(limits_.header_bytes)), 200U);
}

TEST_F(ConnectionLimitsTest, RefusesAHeadOverTheLimit) {
  EXPECT_EQ(status_of(head_of(limits_.header_bytes + 1)), 431U);
  EXPECT_TRUE(connection_->is_last());
}

TEST_F(ConnectionLimitsTest, RefusesAHeadWithoutEnd) {
  EXPECT_EQ(status_of("GET /" + std::string(limits_.header_bytes, 'x')), 431U);
}

TEST_F(ConnectionLimitsTest, SkipsEmptyLinesUpToTheLimitOfAHead) {
  std::string lines;
  for (std::size_t i = 0; i < limits_.header_bytes / 2; ++i) {
    lines += "\r\n";
  }
  EXPECT_EQ(status_of(lines + head_of(100)), 200U);
  EXPECT_EQ(status_of(lines + "\r\n"), 431U);
}

TEST_F(ConnectionLimitsTest, TakesAChunkForEachByte) {
  limits_.header_bytes = 500;
  limits_.body_bytes = 1000;
  std::string chunks;
  for (std::size_t i = 0; i < limits_.body_bytes; ++i) {
    chunks += "1\r\nx\r\n";
  }
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n"), 200U);
}

TEST_F(ConnectionLimitsTest, RefusesChunksThatHoldNextToNothing) {
  limits_.header_bytes = 500;
  limits_.body_bytes = 1000;
  std::string chunks;
  for (int i = 0; i < 30; ++i) {
    chunks += "1;" + std::string(400, 'x') + "\r\nx\r\n";
  }
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks), 400U);
}

// Whoever sends much without a pause keeps nobody else waiting.
TEST_F(ConnectionLimitsTest, LargeRequestsAreReadByTurns) {
  send(with_body(limits_.body_bytes));
  Task<ReadResult> reading = connection_->read(request_);
  EXPECT_FALSE(reading.await_ready());
  EXPECT_TRUE(support::run(io_, std::move(reading)));
  EXPECT_EQ(request_.body.size(), limits_.body_bytes);
}

TEST_F(ConnectionLimitsTest, CountsNotWhatFollowsTheHead) {
  limits_.header_bytes = 100;
  EXPECT_EQ(status_of(head_of(100) + head_of(100)), 200U);
  EXPECT_TRUE(read());
}

TEST_F(ConnectionLimitsTest, TakesABodyOfExactlyTheLimit) {
  EXPECT_EQ(status_of(with_body(limits_.body_bytes)), 200U);
  EXPECT_EQ(request_.body.size(), limits_.body_bytes);
}

TEST_F(ConnectionLimitsTest, RefusesABodyOverTheLimitBeforeItComes) {
  const std::string head =
      "POST / HTTP/1.1\r\nContent-Length: " + std::to_string(limits_.body_bytes + 1) + "\r\n\r\n";
  EXPECT_EQ(status_of(head), 413U);
  EXPECT_TRUE(connection_->is_last());
}

TEST_F(ConnectionLimitsTest, RefusesAChunkOverTheLimit) {
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n"), 413U);
}

TEST_F(ConnectionLimitsTest, RefusesChunksThatAreTooLargeTogether) {
  limits_.body_bytes = 8;
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n4\r\nfghi\r\n"),
            413U);
}

TEST_F(ConnectionLimitsTest, TakesChunksOfTheLimitTogether) {
  limits_.body_bytes = 8;
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "5\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n"),
            200U);
}

TEST_F(ConnectionLimitsTest, RefusesAnEndlessChunkExtension) {
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                      std::string(2 * limits_.header_bytes, 'x')),
            400U);
}

TEST_F(ConnectionLimitsTest, RefusesAnEndlessTrailer) {
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " +
                      std::string(2 * limits_.header_bytes, 'x')),
            400U);
}

// What comes in one piece is judged like what comes byte by byte.
TEST_F(ConnectionLimitsTest, RefusesAChunkExtensionOverTheLimitThatIsWhole) {
  limits_.header_bytes = 64;
  const auto chunk_of = [](std::size_t size) {
    return "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(size, 'x') +
           "\r\na\r\n0\r\n\r\n";
  };
  EXPECT_EQ(status_of(chunk_of(60)), 200U);
  EXPECT_EQ(status_of(chunk_of(61)), 400U);
}

TEST_F(ConnectionLimitsTest, LooksAtNothingBehindTheLimit) {
  limits_.header_bytes = 50;
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nA: " + std::string(60, 'x') + "\n\n"), 431U);
}

TEST_F(ConnectionLimitsTest, NamesTheLimit) {
  limits_.header_bytes = 50;
  const ReadResult result = read(head_of(51));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, "the header is larger than 50 bytes");
}

TEST_F(ConnectionLimitsTest, AppliesAChangedLimitFromTheNextRequestOn) {
  EXPECT_EQ(status_of(with_body(10)), 200U);
  limits_.body_bytes = 9;
  EXPECT_EQ(status_of(with_body(10)), 413U);
}

TEST_F(ConnectionLimitsTest, AnswersARequestThatIsNotCompleteInTime) {
  limits_.request_time = std::chrono::seconds(1);
  const auto start = std::chrono::steady_clock::now();
  const ReadResult result = read("GET / HTTP/1.1\r\n");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 408U);
  EXPECT_GE(std::chrono::steady_clock::now() - start, limits_.request_time);
}

TEST_F(ConnectionLimitsTest, CountsTheBodyIntoTheTimeOfARequest) {
  limits_.request_time = std::chrono::seconds(0);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"), 408U);
}

TEST_F(ConnectionLimitsTest, OwesNothingToAClientThatIsIdleForTooLong) {
  limits_.idle_time = std::chrono::seconds(0);
  const ReadResult result = read();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0U);
  EXPECT_EQ(received(), "");
}

TEST_F(ConnectionLimitsTest, TakesEmptyLinesForIdleness) {
  limits_.idle_time = std::chrono::seconds(0);
  EXPECT_EQ(status_of("\r\n\r\n"), 0U);
}

TEST_F(ConnectionLimitsTest, WaitsForTheFirstByteNoLongerThanForARequest) {
  limits_.request_time = std::chrono::seconds(1);
  const ReadResult result = read();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().status, 0U) << "nobody waits for an answer";
}

class Account final : public InputAccount {
 public:
  void set_input_bytes(std::size_t bytes) override {
    told.push_back(bytes);
  }
  std::vector<std::size_t> told;
};

TEST_F(ConnectionLimitsTest, TellsWhatThePartOfARequestTakes) {
  Account account;
  connection_->count_input_in(account);
  auto reading = start_reading();
  EXPECT_TRUE(account.told.empty()) << "an idle connection takes nothing";
  const std::string request = with_body(limits_.body_bytes);
  send(request.substr(0, 60'000));
  EXPECT_TRUE(
      support::run_until(io_, [&] { return !account.told.empty() && account.told.back() >= 60'000; }));
  EXPECT_LE(account.told.back(), 150'000U);
  send(request.substr(60'000));
  EXPECT_TRUE(reading.get());
  EXPECT_EQ(account.told.back(), 0U);
}

TEST_F(ConnectionLimitsTest, TellsNothingOfARequestThatComesWhole) {
  Account account;
  connection_->count_input_in(account);
  EXPECT_TRUE(read(head_of(200)));
  EXPECT_TRUE(account.told.empty());
}

TEST_F(ConnectionLimitsTest, TellsThatNothingIsLeftOfARequestThatFails) {
  Account account;
  connection_->count_input_in(account);
  auto reading = start_reading();
  send("GET / HT");
  EXPECT_TRUE(support::run_until(io_, [&] { return !account.told.empty(); }));
  EXPECT_GE(account.told.back(), 8U);
  end_sending();
  EXPECT_FALSE(reading.get());
  EXPECT_EQ(account.told.back(), 0U);
}

TEST_F(ConnectionLimitsTest, KeepsNoLargeRequest) {
  EXPECT_TRUE(read(with_body(limits_.body_bytes)));
  release(request_);
  EXPECT_EQ(request_.body.capacity(), std::string().capacity());
  EXPECT_TRUE(read(head_of(200)));
  release(request_);
  EXPECT_EQ(request_.method, "GET") << "a small one's memory is used again";
}

}  // namespace
}  // namespace msi2imds::http

// SPDX-License-Identifier: MIT
#include "http/answer_reader.hpp"

#include <gtest/gtest.h>

#include "http/errors.hpp"
#include "unit/http/reading.hpp"

namespace msi2imds::http {
namespace {

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const std::string kEarlyHints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

std::string head(const std::string& headers, const std::string& status = "200 OK") {
  return "HTTP/1.1 " + status + "\r\n" + headers + "\r\n";
}

std::string times(unsigned count, const std::string& text) {
  std::string all;
  for (unsigned i = 0; i < count; ++i) {
    all += text;
  }
  return all;
}

// The same bytes whole and split at every byte, with and without the end of the connection, have to come to
// the same; gives what they came to.
Outcome read(const std::string& bytes, Then then = Then::goes_on, const AnswerLimits& limits = {}) {
  const Outcome whole = read_in_pieces(bytes, bytes.size(), then, limits);
  for (std::size_t at = 1; at < bytes.size(); ++at) {
    EXPECT_EQ(read_in_two(bytes, at, then, limits), whole) << "split at " << at << " of " << bytes;
  }
  EXPECT_EQ(read_in_pieces(bytes, 1, then, limits), whole) << bytes;
  return whole;
}

void expect_answer(const std::string& bytes, const std::string& body, bool can_be_followed = true,
                   Then then = Then::goes_on) {
  const Outcome outcome = read(bytes, then);
  ASSERT_TRUE(outcome.is_answer) << outcome.failure << " in " << bytes;
  EXPECT_EQ(outcome.body, body) << bytes;
  EXPECT_EQ(outcome.can_be_followed, can_be_followed) << bytes;
}

void expect_failure(Errc code, const std::string& bytes, Then then = Then::goes_on) {
  const Outcome outcome = read(bytes, then);
  EXPECT_TRUE(outcome.is_done) << bytes;
  EXPECT_FALSE(outcome.is_answer) << bytes;
  EXPECT_EQ(outcome.code, code) << outcome.failure << " in " << bytes;
}

void expect_refused(const std::string& bytes) {
  expect_failure(Errc::not_http, bytes);
}

TEST(AnswerReaderTest, ReadsACountedAnswer) {
  AnswerReader reader;
  reader.feed(
      "HTTP/1.1 404 Not Found\r\nContent-Type:\t application/json \r\nX:\r\nContent-Length: 4\r\n\r\na\r\nb");
  const Result<Answer> answer = reader.take();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404U);
  EXPECT_EQ(*answer->header("content-type"), "application/json");
  EXPECT_EQ(*answer->header("X"), "");
  EXPECT_EQ(answer->header("Y"), nullptr);
  EXPECT_EQ(answer->body, "a\r\nb");
  EXPECT_TRUE(answer->can_be_followed);
}

TEST(AnswerReaderTest, ReadsAStatusLineWithoutAReason) {
  expect_answer("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", "x");
  expect_answer("HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", "x");
}

TEST(AnswerReaderTest, ReadsChunks) {
  expect_answer(head("Transfer-Encoding: Chunked\r\n") +
                    "3;a=b;c=\"d\"\r\nres\r\n00A\r\nource=abcd\r\n0;x\r\nX-Sum: 1\r\n\r\n",
                "resource=abcd");
  expect_answer(head("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", "");
}

TEST(AnswerReaderTest, TakesNoTrailerForAHeader) {
  AnswerReader reader;
  reader.feed(head("Transfer-Encoding: chunked\r\n") + "0\r\nContent-Type: text/html\r\n\r\n");
  const Result<Answer> answer = reader.take();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->headers.size(), 1U);
}

TEST(AnswerReaderTest, WaitsForTheRestOfAnAnswer) {
  for (const std::string& answer :
       {kOk, kEarlyHints + kOk, head("Transfer-Encoding: chunked\r\n") + "1\r\nx\r\n0\r\nA: b\r\n\r\n"}) {
    for (std::size_t size = 0; size < answer.size(); ++size) {
      EXPECT_FALSE(read_in_pieces(answer.substr(0, size), 1, Then::goes_on).is_done) << size << answer;
      EXPECT_EQ(read_in_pieces(answer.substr(0, size), 1, Then::ends).code, Errc::ended) << size << answer;
    }
  }
}

// Early hints, and any other, since codes that nobody knows are interim as well.
TEST(AnswerReaderTest, SkipsInterimAnswers) {
  for (const char* status : {"100 Continue", "102 Processing", "103 Early Hints", "103", "199 What"}) {
    expect_answer(head("", status) + kOk, "{}");
    expect_answer(head("Link: </a>\r\n", status) + head("Content-Length: 0\r\n", status) + kOk, "{}");
  }
}

TEST(AnswerReaderTest, TakesNoHeaderOfAnInterimAnswer) {
  AnswerReader reader;
  reader.feed(head("Content-Type: text/html\r\n", "103 Early Hints") + kOk);
  EXPECT_EQ(reader.take()->header("Content-Type"), nullptr);
}

TEST(AnswerReaderTest, SkipsEightInterimAnswersAndNoMore) {
  expect_answer(times(8, kEarlyHints) + kOk, "{}");
  expect_refused(times(9, kEarlyHints) + kOk);
}

TEST(AnswerReaderTest, RefusesTheNinthInterimAnswerWithoutWaitingForItsEnd) {
  expect_refused(times(8, kEarlyHints) + "HTTP/1.1 103 Early Hints\r\n");
}

TEST(AnswerReaderTest, WaitsBehindAnInterimAnswer) {
  EXPECT_FALSE(read(kEarlyHints).is_done);
  expect_failure(Errc::ended, kEarlyHints, Then::ends);
}

TEST(AnswerReaderTest, RefusesAnotherProtocol) {
  expect_refused("HTTP/1.1 101 Switching Protocols\r\n");
  expect_refused(kEarlyHints + "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + kOk);
}

TEST(AnswerReaderTest, RefusesAnInterimAnswerWithABody) {
  expect_refused(head("Content-Length: 2\r\n", "103 Early Hints") + "{}" + kOk);
  expect_refused(head("Transfer-Encoding: chunked\r\n", "100 Continue") + "0\r\n\r\n" + kOk);
}

TEST(AnswerReaderTest, HoldsItsLimitsOverInterimAnswersToo) {
  const AnswerLimits limits{.head_bytes = 200, .body_bytes = 10};
  const std::string hints = head("Link: " + std::string(50, 'x') + "\r\n", "103 Early Hints");
  EXPECT_TRUE(read(times(1, hints) + kOk, Then::goes_on, limits).is_answer);
  EXPECT_EQ(read(times(3, hints) + kOk, Then::goes_on, limits).code, Errc::too_large);
}

TEST(AnswerReaderTest, KeepsAConnectionThatMayGoOn) {
  expect_answer(head("Content-Length: 1\r\nConnection: keep-alive\r\n") + "x", "x", true);
  expect_answer("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", "x", true);
  expect_answer(head("Content-Length: 0\r\n", "400 Bad Request"), "", true);
}

TEST(AnswerReaderTest, KeepsNoConnectionThatIsToEnd) {
  expect_answer(head("Content-Length: 1\r\nConnection: close\r\n") + "x", "x", false);
  expect_answer(head("Content-Length: 1\r\nConnection: foo, CLOSE\r\n") + "x", "x", false);
  expect_answer(head("Connection: keep-alive\r\nContent-Length: 1\r\nConnection: close\r\n") + "x", "x",
                false);
  expect_answer(head("Connection: close\r\n", "103 Early Hints") + kOk, "{}", false);
  expect_answer("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", false);
  expect_answer(
      "HTTP/1.0 103 A\r\nConnection: keep-alive\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "",
      false);
}

TEST(AnswerReaderTest, KeepsNoConnectionBehindAnAnswerWithoutABody) {
  for (const char* status : {"204 No Content", "304 Not Modified"}) {
    expect_answer(head("", status), "", false);
    expect_answer(head("Content-Length: 2\r\n", status), "", false);
    expect_answer(head("Content-Length: 2\r\n", status) + "{}", "", false);
  }
}

TEST(AnswerReaderTest, KeepsNoConnectionWithAByteBehindTheAnswer) {
  expect_answer(kOk + "x", "{}", false);
  expect_answer(kOk + "\r\n", "{}", false);
  expect_answer(kOk + kOk, "{}", false);
  expect_answer(head("Transfer-Encoding: chunked\r\n") + "0\r\n\r\nx", "", false);
}

TEST(AnswerReaderTest, ReadsAnAnswerWithoutALengthToTheEnd) {
  expect_answer(head("") + "a\r\nb", "a\r\nb", false, Then::ends);
  EXPECT_FALSE(read(head("") + "ab").is_done);
}

TEST(AnswerReaderTest, RefusesWhatIsNotHttp1) {
  for (const char* bytes : {"SSH-2.0-OpenSSH_9.2\r\n", "X", "\r\n", "\n", " HTTP/1.1", "http/1.1 200 OK\r\n",
                            "HTTP/2 200\r\n", "HTTP/2.0 200 OK\r\n", "HTTP/1.2 200 OK\r\n", "HTTP/1.1\r\n",
                            "HTTP/1.1 \r\n", "HTTP/1.1 20\r\n", "HTTP/1.1 2000\r\n", "HTTP/1.1 099 x\r\n",
                            "HTTP/1.1 -20 x\r\n", "HTTP/1.1  200 OK\r\n", "HTTP/1.1\t200 OK\r\n"}) {
    expect_refused(bytes);
  }
}

TEST(AnswerReaderTest, RefusesBareLineFeedsWhereverALineEnds) {
  expect_refused("HTTP/1.1 200 OK\nContent-Length: 2\n\n{}");
  expect_refused("HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\n{}");
  expect_refused("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\n{}");
  expect_refused("HTTP/1.1 103 Early Hints\n\n" + kOk);
  for (const char* chunks :
       {"2\n{}\r\n0\r\n\r\n", "2\r\n{}\n0\r\n\r\n", "2\r\n{}\r\n0\n\r\n", "2\r\n{}\r\n0\r\n\n",
        "2\r\n{}\r\n0\r\nA: b\n\r\n", "2;a\nb\r\n{}\r\n0\r\n\r\n"}) {
    expect_refused(head("Transfer-Encoding: chunked\r\n") + chunks);
  }
}

TEST(AnswerReaderTest, RefusesControlCharacters) {
  expect_refused("HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n");
  expect_refused(head("A: b\rContent-Length: 2\r\n"));
  expect_refused(head(std::string("A: b\0c\r\n", 8)));
  expect_refused(head("A: b\r\r\n"));
  expect_refused(head("Transfer-Encoding: chunked\r\n") + "2;\x01\r\n");
}

TEST(AnswerReaderTest, RefusesAFoldedHeader) {
  expect_refused(head("A: b\r\n c\r\nContent-Length: 0\r\n"));
  expect_refused(head("Content-Length: 0\r\n\t1\r\n"));
  expect_refused(head(" A: b\r\n"));
  expect_refused(head("Link: </a>\r\n ;b\r\n", "103 Early Hints"));
  expect_refused(head("Transfer-Encoding: chunked\r\n") + "0\r\nA: b\r\n c\r\n\r\n");
}

TEST(AnswerReaderTest, RefusesAHeaderLineThatIsNone) {
  for (const char* line : {"A", ": b", "A : b", "A\t: b", "A B: c", "(A): b", "\xc3\xa4: b"}) {
    expect_refused(head(std::string(line) + "\r\n"));
  }
}

TEST(AnswerReaderTest, RefusesContradictoryLengths) {
  for (const char* headers :
       {"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: gzip\r\n", "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n", "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2\r\nA: b\r\nCONTENT-LENGTH: 02\r\n", "Content-Length: 2, 2\r\n"}) {
    expect_refused(head(headers));
  }
  expect_refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

TEST(AnswerReaderTest, TakesTheSameLengthTwice) {
  expect_answer(head("Content-Length: 2\r\nContent-Length: 2\r\n") + "{}", "{}");
}

TEST(AnswerReaderTest, RefusesALengthThatIsNoNumber) {
  for (const char* length : {"", "-1", "+2", "0x2", "2 2", "2;", "1e1", "99999999999999999999"}) {
    expect_refused(head("Content-Length: " + std::string(length) + "\r\n"));
  }
}

TEST(AnswerReaderTest, RefusesAChunkSizeThatIsNone) {
  for (const char* size : {"", "-1", "+1", "0x1", "g", "1 ", " 1", "1,", ";a", "10000000000000000"}) {
    expect_refused(head("Transfer-Encoding: chunked\r\n") + size + "\r\n");
  }
}

TEST(AnswerReaderTest, RefusesAChunkThatIsLongerThanItSays) {
  expect_refused(head("Transfer-Encoding: chunked\r\n") + "1\r\nxyz\r\n0\r\n\r\n");
}

TEST(AnswerReaderTest, RefusesABodyThatIsTooLarge) {
  const AnswerLimits limits{.head_bytes = 200, .body_bytes = 20};
  const auto code_of = [&](const std::string& bytes) { return read(bytes, Then::goes_on, limits).code; };
  EXPECT_EQ(code_of(head("Content-Length: 21\r\n")), Errc::too_large);
  EXPECT_EQ(code_of(head("Content-Length: 18446744073709551615\r\n")), Errc::too_large);
  EXPECT_EQ(code_of(head("") + std::string(21, 'x')), Errc::too_large);
  EXPECT_EQ(code_of(head("Transfer-Encoding: chunked\r\n") + "FFFFFFFFFFFFFFFF\r\n"), Errc::too_large);
  EXPECT_EQ(code_of(head("Transfer-Encoding: chunked\r\n") + times(3, "5\r\nabcde\r\n")), Errc::too_large);
  EXPECT_EQ(code_of(head("Transfer-Encoding: chunked\r\n") + "1;" + std::string(20, 'x')), Errc::too_large);
  EXPECT_TRUE(read(head("Content-Length: 20\r\n") + std::string(20, 'x'), Then::goes_on, limits).is_answer);
}

TEST(AnswerReaderTest, RefusesAHeadThatIsTooLarge) {
  const AnswerLimits limits{.head_bytes = 100, .body_bytes = 100};
  const auto code_of = [&](const std::string& bytes) { return read(bytes, Then::goes_on, limits).code; };
  EXPECT_EQ(code_of("HTTP/1.1 200 " + std::string(100, 'x')), Errc::too_large);
  EXPECT_EQ(code_of(head("A: " + std::string(100, 'x'))), Errc::too_large);
  EXPECT_EQ(code_of("SSH-2.0-" + std::string(100, 'x')), Errc::not_http);
  EXPECT_EQ(code_of(head("Transfer-Encoding: chunked\r\n") + "0\r\nA: " + std::string(100, 'x')),
            Errc::too_large);
}

TEST(AnswerReaderTest, PutsNoPartOfAnAnswerIntoAnError) {
  for (const std::string& bytes :
       {std::string("secret"), std::string("HTTP/1.1 200 secret\n"), head("secret\r\n"),
        head("Content-Length: secret\r\n"), head("Transfer-Encoding: chunked\r\n") + "secret\r\n"}) {
    EXPECT_EQ(read(bytes).failure.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace msi2imds::http

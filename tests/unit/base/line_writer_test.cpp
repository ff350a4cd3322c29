// SPDX-License-Identifier: MIT
#include "base/line_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <csignal>
#include <fstream>
#include <sstream>

#include "base/unique_fd.hpp"
#include "support_cpp/temporary_directory.hpp"

namespace msi2imds {
namespace {

struct Ends {
  UniqueFd reader;
  UniqueFd writer;
};

Ends make_log_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  EXPECT_EQ(::fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);  // the test's end
  return {.reader = UniqueFd(ends[0]), .writer = UniqueFd(ends[1])};
}

Ends make_log_socket() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  EXPECT_EQ(::fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
  return {.reader = UniqueFd(ends[0]), .writer = UniqueFd(ends[1])};
}

std::string read_what_is_there(const UniqueFd& reader) {
  std::string text;
  std::array<char, 65536> room{};
  for (ssize_t size = 0; (size = ::read(reader.get(), room.data(), room.size())) > 0;) {
    text.append(room.data(), static_cast<std::size_t>(size));
  }
  return text;
}

std::string line_number(int number) {
  return "line " + std::to_string(number) + std::string(static_cast<std::size_t>(number % 90), '.') + "\n";
}

// Writes lines until there is no room any more; nobody reads them. What they come to.
std::string write_until_full(LineWriter& writer) {
  std::string all;
  for (int number = 0; writer.has_room_for(line_number(number).size()); ++number) {
    writer.write(line_number(number));
    all += line_number(number);
  }
  return all;
}

void expect_all_to_arrive(Ends ends) {
  LineWriter writer(ends.writer.get());
  const std::string all = write_until_full(writer);
  EXPECT_GT(all.size(), LineWriter::kMostWaiting);
  std::string read = read_what_is_there(ends.reader);
  while (writer.waiting() > 0) {
    const std::size_t before = writer.waiting();
    writer.flush();
    ASSERT_LT(writer.waiting(), before);
    read += read_what_is_there(ends.reader);
  }
  EXPECT_TRUE(read == all) << read.size() << " of " << all.size() << " bytes";
}

TEST(LineWriterTest, DoesNotWaitForTheReaderOfAPipe) {
  expect_all_to_arrive(make_log_pipe());
}

TEST(LineWriterTest, DoesNotWaitForTheReaderOfASocket) {
  expect_all_to_arrive(make_log_socket());
}

// As where a pipe belongs to another user.
TEST(LineWriterTest, DoesNotWaitForAPipeThatCannotBeOpenedAnew) {
  Ends ends = make_log_pipe();
  LineWriter writer(ends.writer.get());
  ASSERT_EQ(::fcntl(ends.writer.get(), F_SETFL, O_WRONLY), 0);
  const std::string all = write_until_full(writer);
  std::string read = read_what_is_there(ends.reader);
  while (writer.waiting() > 0) {
    writer.flush();
    read += read_what_is_there(ends.reader);
  }
  EXPECT_TRUE(read == all);
}

TEST(LineWriterTest, LeavesAsItWasWhatOthersShare) {
  const Ends ends = make_log_pipe();
  const UniqueFd others(::dup(ends.writer.get()));
  const LineWriter writer(ends.writer.get());
  EXPECT_EQ(::fcntl(others.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(ends.writer.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(LineWriterTest, WritesALineThatIsLongerThanAPipeTakesAtOnce) {
  const Ends ends = make_log_pipe();
  LineWriter writer(ends.writer.get());
  const std::string line = std::string(3 * PIPE_BUF, 'x') + "\n";
  writer.write(line);
  writer.write("next\n");
  EXPECT_EQ(read_what_is_there(ends.reader), line + "next\n");
}

TEST(LineWriterTest, WritesToAFile) {
  const support::TemporaryDirectory directory;
  const UniqueFd file(::open(directory.file("log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  LineWriter writer(file.get());
  writer.write("first\n");
  writer.write("second\n");
  std::ostringstream text;
  text << std::ifstream(directory.file("log")).rdbuf();
  EXPECT_EQ(text.str(), "first\nsecond\n");
}

TEST(LineWriterTest, AReaderThatHasGoneKeepsNothingBack) {
  (void)::signal(SIGPIPE, SIG_IGN);
  Ends ends = make_log_pipe();
  LineWriter writer(ends.writer.get());
  (void)write_until_full(writer);
  ends.reader.reset();
  writer.flush();
  EXPECT_EQ(writer.waiting(), 0U);
}

TEST(LineWriterTest, ForgetsWhatIsToBeWrittenByAnother) {
  const Ends ends = make_log_pipe();
  LineWriter writer(ends.writer.get());
  (void)write_until_full(writer);
  (void)read_what_is_there(ends.reader);
  writer.forget();
  writer.write("mine\n");
  EXPECT_EQ(read_what_is_there(ends.reader), "mine\n");
}

}  // namespace
}  // namespace msi2imds

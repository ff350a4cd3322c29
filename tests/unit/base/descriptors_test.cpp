// SPDX-License-Identifier: MIT
#include "base/descriptors.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "base/pipe.hpp"

namespace msi2imds {
namespace {

std::string read_to_end(const UniqueFd& reader) {
  std::string text;
  std::array<char, 4096> room{};
  for (ssize_t size = 0; (size = ::read(reader.get(), room.data(), room.size())) > 0;) {
    text.append(room.data(), static_cast<std::size_t>(size));
  }
  return text;
}

TEST(DescriptorsTest, WritesAllThoughThePipeTakesLessAtOnce) {
  Result<Pipe> pipe = make_pipe();
  ASSERT_TRUE(pipe);
  const std::string text(std::size_t{1} << 20U, 'x');
  std::string read;
  std::thread reader([&] { read = read_to_end(pipe->reader); });
  EXPECT_TRUE(write_all(pipe->writer.get(), text, "write"));
  pipe->writer.reset();
  reader.join();
  EXPECT_TRUE(read == text);
}

TEST(DescriptorsTest, SaysWhatItCouldNotWrite) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  const Result<void> written = write_all(full.get(), "text", "write '/dev/full'");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message(), "write '/dev/full': No space left on device");
}

TEST(DescriptorsTest, ClosesAllButWhatIsKept) {
  const UniqueFd low(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd between(::fcntl(low.get(), F_DUPFD_CLOEXEC, 100));
  const UniqueFd kept(::fcntl(low.get(), F_DUPFD_CLOEXEC, 200));
  const UniqueFd high(::fcntl(low.get(), F_DUPFD_CLOEXEC, 300));
  ASSERT_TRUE(low && between && kept && high);
  const pid_t child = ::fork();
  if (child == 0) {
    close_all_but({kept.get()});
    const bool is_right = ::fcntl(low.get(), F_GETFD) < 0 && ::fcntl(between.get(), F_GETFD) < 0 &&
                          ::fcntl(kept.get(), F_GETFD) >= 0 && ::fcntl(high.get(), F_GETFD) < 0 &&
                          ::fcntl(STDERR_FILENO, F_GETFD) >= 0;
    ::_exit(is_right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace msi2imds

// SPDX-License-Identifier: MIT
#include "supervisor/file_error.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "support_cpp/temporary_directory.hpp"

namespace msi2imds::supervisor {
namespace {

class FileErrorTest : public testing::Test {
 protected:
  support::TemporaryDirectory directory_;
  std::string path_ = directory_.file("audit.log");
};

TEST_F(FileErrorTest, NamesTheFile) {
  EXPECT_EQ(file_error(ENOSPC, "open", path_).message(), "open '" + path_ + "': No space left on device");
  EXPECT_EQ(file_error(EACCES, "open", path_).message(), "open '" + path_ + "': Permission denied");
}

TEST_F(FileErrorTest, SaysWhichDirectoryMayNotBeWritten) {
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0555), 0);
  const std::string said = file_error(EACCES, "open", path_).message();
  EXPECT_NE(said.find("the directory '" + directory_.path().string() + "' belongs to uid "),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("mode 0555: it has to belong to uid "), std::string::npos) << said;
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
}

TEST_F(FileErrorTest, SaysWhoseFileIsInTheWay) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  std::ofstream(path_) << "a line\n";
  ASSERT_EQ(::chown(path_.c_str(), 4321, 4321), 0);
  const std::string said = file_error(EACCES, "open", path_).message();
  EXPECT_NE(said.find("the file '" + path_ + "' belongs to uid 4321, mode "), std::string::npos) << said;
}

}  // namespace
}  // namespace msi2imds::supervisor

// SPDX-License-Identifier: MIT
#include "resolver/unit.hpp"

#include <gtest/gtest.h>

namespace msi2imds::resolver {
namespace {

TEST(UnitTest, IsTheFirstPartThatIsNoSlice) {
  EXPECT_EQ(unit_of("/system.slice/backup.service"), "backup.service");
  EXPECT_EQ(unit_of("/system.slice/system-backup.slice/backup@1.service"), "backup@1.service");
  EXPECT_EQ(unit_of("/system.slice/docker.service/child"), "docker.service");
  EXPECT_EQ(unit_of("/user.slice/user-1000.slice/session-3.scope"), "session-3.scope");
  EXPECT_EQ(unit_of("/init.scope"), "init.scope");
  EXPECT_EQ(unit_of("/system.slice/_cgroup.service"), "cgroup.service");
}

TEST(UnitTest, OfAUsersOwnUnitIsThatUsersManager) {
  EXPECT_EQ(unit_of("/user.slice/user-1000.slice/user@1000.service/app.slice/backup.service"),
            "user@1000.service");
}

TEST(UnitTest, IsNothingWhereThereIsNone) {
  for (const char* path : {"", "/", "/system.slice", "/kubepods/burstable/pod1", "/.service",
                           "/a/backup.service", "/.slice/backup.service"}) {
    EXPECT_EQ(unit_of(path), "") << path;
  }
}

const std::string kId(64, 'a');

TEST(ContainerTest, IsNamedByThePathOfEachRuntime) {
  EXPECT_EQ(container_of("/system.slice/docker-" + kId + ".scope"), kId);
  EXPECT_EQ(container_of("/docker/" + kId), kId);
  EXPECT_EQ(container_of("/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + kId + ".scope"), kId);
  EXPECT_EQ(container_of("/machine.slice/libpod-" + kId + ".scope/container"), kId);
  EXPECT_EQ(container_of("/docker/" + kId + "/docker/" + std::string(64, 'b')), std::string(64, 'b'));
}

TEST(ContainerTest, IsNothingElsewhere) {
  for (const std::string& path : {std::string("/system.slice/backup.service"), std::string("/docker/abc"),
                                  "/docker/" + std::string(64, 'z'), "/docker/" + std::string(65, 'a')}) {
    EXPECT_EQ(container_of(path), "") << path;
  }
}

TEST(ContainerTest, LiesBelowWhatStandsAboveTheOutermostOne) {
  EXPECT_EQ(above_container("/system.slice/docker-" + kId + ".scope/init.scope"), "/system.slice/");
  EXPECT_EQ(above_container("/docker/" + kId + "/docker/" + kId), "/docker/");
  EXPECT_EQ(above_container("/" + kId), "/");
  EXPECT_EQ(above_container("/system.slice"), "/system.slice");
}

}  // namespace
}  // namespace msi2imds::resolver

// SPDX-License-Identifier: MIT
#include "resolver/container_names.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "resolver/identifier.hpp"
#include "unit/resolver/fake_proc.hpp"

namespace msi2imds::resolver {
namespace {

const std::string kContainerId(64, 'a');
const std::string kAnother(64, 'b');

class ContainerNamesTest : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = directory_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  [[nodiscard]] Runtimes runtimes() const {
    return {.root = directory_.path().string(), .owner = ::geteuid()};
  }
  [[nodiscard]] ContainerNames names(const std::string& id = kContainerId) const {
    return ContainerNamer(runtimes()).name(id);
  }
  void docker(const std::string& id = kContainerId) const {
    write("var/lib/docker/containers/" + id + "/config.v2.json",
          R"({"ID":"x","Name":"/web","Config":{"Env":["PASSWORD=hunter2"],"Image":"nginx:1.27"}})");
  }

  support::TemporaryDirectory directory_;
};

TEST_F(ContainerNamesTest, NothingIsKnownOfAContainerWithoutAFile) {
  EXPECT_EQ(names(), ContainerNames());
}

TEST_F(ContainerNamesTest, DockerKnowsIts) {
  docker();
  EXPECT_EQ(names(), (ContainerNames{.name = "web", .image = "nginx:1.27"}));
  EXPECT_EQ(names(kAnother), ContainerNames());
}

TEST_F(ContainerNamesTest, ContainerdKnowsThePodOfKubernetes) {
  write("run/containerd/io.containerd.runtime.v2.task/k8s.io/" + kContainerId + "/config.json",
        R"({"ociVersion":"1.1.0","process":{"env":["PASSWORD=hunter2"]},"annotations":{
            "io.kubernetes.cri.container-name":"app","io.kubernetes.cri.image-name":"registry/app:2",
            "io.kubernetes.cri.sandbox-name":"shop-7d9f","io.kubernetes.cri.sandbox-namespace":"shop"}})");
  EXPECT_EQ(names(), (ContainerNames{.name = "shop/shop-7d9f/app", .image = "registry/app:2"}));
}

TEST_F(ContainerNamesTest, CrioKnowsThePodOfKubernetes) {
  write("run/containers/storage/overlay-containers/" + kContainerId + "/userdata/config.json",
        R"({"annotations":{"io.kubernetes.container.name":"app","io.kubernetes.pod.name":"shop-7d9f",
            "io.kubernetes.pod.namespace":"shop","io.kubernetes.cri-o.ImageName":"registry/app:2"}})");
  EXPECT_EQ(names(), (ContainerNames{.name = "shop/shop-7d9f/app", .image = "registry/app:2"}));
}

TEST_F(ContainerNamesTest, PodmanKnowsIts) {
  write("var/lib/containers/storage/overlay-containers/containers.json",
        R"([{"id":")" + kAnother + R"(","names":["other"]},{"id":")" + kContainerId +
            R"(","names":["web"],"metadata":"{\"image-name\":\"docker.io/library/nginx:1.27\"}"}])");
  EXPECT_EQ(names(), (ContainerNames{.name = "web", .image = "docker.io/library/nginx:1.27"}));
  EXPECT_EQ(names(kAnother), (ContainerNames{.name = "other", .image = ""}));
}

TEST_F(ContainerNamesTest, WhatCannotBeReadNamesNothing) {
  const std::string path = "var/lib/docker/containers/" + kContainerId + "/config.v2.json";
  for (const char* text : {"", "{", "[]", "null", R"({"Name":7,"Config":[]})", R"({"Name":null})"}) {
    write(path, text);
    EXPECT_EQ(names(), ContainerNames()) << text;
  }
  write(path, R"({"Name":"/)" + std::string((1 << 20) + 1, 'x') + "\"}");
  EXPECT_EQ(names(), ContainerNames());
  write(path, R"({"Name":"/)" + std::string(5000, 'x') + "\"}");
  EXPECT_LE(names().name.size(), 256U);
  std::filesystem::remove(directory_.path() / path);
  std::filesystem::create_symlink("/etc/passwd", directory_.path() / path);
  EXPECT_EQ(names(), ContainerNames());
}

TEST_F(ContainerNamesTest, WhatSomebodyElseCouldHaveWrittenNamesNothing) {
  docker();
  for (const char* path : {"var/lib/docker/containers", "var"}) {
    const std::filesystem::path directory = directory_.path() / path;
    std::filesystem::permissions(directory, std::filesystem::perms::group_write,
                                 std::filesystem::perm_options::add);
    EXPECT_EQ(names(), ContainerNames()) << path;
    std::filesystem::permissions(directory, std::filesystem::perms::group_write,
                                 std::filesystem::perm_options::remove);
  }
  const std::filesystem::path file =
      directory_.path() / ("var/lib/docker/containers/" + kContainerId + "/config.v2.json");
  std::filesystem::permissions(file, std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(names(), ContainerNames());
  std::filesystem::permissions(file, std::filesystem::perms::others_write,
                               std::filesystem::perm_options::remove);
  EXPECT_EQ(names().name, "web");
  EXPECT_EQ(ContainerNamer({.root = directory_.path().string(), .owner = ::geteuid() + 1}).name(kContainerId),
            ContainerNames());
}

TEST_F(ContainerNamesTest, ALinkLeadsWhereItsOwnerMeans) {
  docker();
  std::filesystem::rename(directory_.path() / "var/lib/docker", directory_.path() / "disk");
  std::filesystem::create_symlink(directory_.path() / "disk", directory_.path() / "var/lib/docker");
  EXPECT_EQ(names().name, "web");
  std::filesystem::permissions(directory_.path() / "disk", std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(names(), ContainerNames());
}

TEST_F(ContainerNamesTest, AContainerIsRenamedAndRememberedOnceItHasEnded) {
  ContainerNamer namer(runtimes());
  docker();
  EXPECT_EQ(namer.name(kContainerId).name, "web");
  const std::string path = "var/lib/docker/containers/" + kContainerId + "/config.v2.json";
  write(path, R"({"Name":"/renamed","Config":{"Image":"nginx:1.27"}})");
  EXPECT_EQ(namer.name(kContainerId).name, "renamed");
  std::filesystem::remove(directory_.path() / path);
  EXPECT_EQ(namer.name(kContainerId).name, "renamed");
  EXPECT_EQ(namer.name(kAnother), ContainerNames());
}

class CallerInAContainerTest : public ContainerNamesTest {
 protected:
  caller::Identity caller_in(const std::string& cgroup) {
    docker();
    FakeProc proc;
    proc.add(7, proc.path("app"), 50);
    proc.write("7/cgroup", "0::" + cgroup + "\n");
    caller::Clues clues;
    clues.pid = 7;
    clues.has_uid = true;
    clues.uid = ::geteuid();
    clues.dialled_at = 600'000'000;
    std::filesystem::create_directories(cgroups_ + cgroup);
    Identifier identifier(proc.path(), UniqueFd(::open(cgroups_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
                          UserNames(), {}, runtimes());
    return identifier.identify(clues, std::nullopt).identity;
  }

  std::string cgroups_ = directory_.path() / "cgroups";
};

TEST_F(CallerInAContainerTest, HasItsName) {
  const caller::Identity caller = caller_in("/system.slice/docker-" + kContainerId + ".scope");
  EXPECT_EQ(caller.container, kContainerId);
  EXPECT_TRUE(caller.container_is_verified);
  EXPECT_EQ(caller.container_name, "web");
  EXPECT_EQ(caller.container_image, "nginx:1.27");
}

TEST_F(CallerInAContainerTest, NobodyTakesTheNameOfAnotherContainer) {
  const caller::Identity caller = caller_in("/user.slice/user-1000.slice/docker-" + kContainerId + ".scope");
  EXPECT_EQ(caller.container, kContainerId);
  EXPECT_FALSE(caller.container_is_verified);
  EXPECT_EQ(caller.container_name, "");
}

// Such as a container of LXC, whose root is a user of the machine.
TEST_F(CallerInAContainerTest, IsNotBelievedWhereSomebodyElseMayMakeCgroups) {
  std::filesystem::create_directories(cgroups_ + "/lxc.payload.one");
  std::filesystem::permissions(cgroups_ + "/lxc.payload.one", std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  const caller::Identity caller = caller_in("/lxc.payload.one/docker/" + kContainerId);
  EXPECT_EQ(caller.container, kContainerId);
  EXPECT_FALSE(caller.container_is_verified);
  EXPECT_EQ(caller.container_name, "");
}

}  // namespace
}  // namespace msi2imds::resolver

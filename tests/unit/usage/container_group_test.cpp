// SPDX-License-Identifier: MIT
#include "usage/container_group.hpp"

#include <gtest/gtest.h>

namespace msi2imds::usage {
namespace {

bool are_one(std::string_view name, std::string_view other) {
  return group_of(name, "image") == group_of(other, "image");
}

TEST(ContainerGroupTest, NeedsAnImage) {
  EXPECT_EQ(group_of("web", ""), ContainerGroup{});
  EXPECT_NE(group_of("", "nginx"), ContainerGroup{});
  EXPECT_NE(group_of("web", "nginx"), group_of("web", "busybox"));
}

TEST(ContainerGroupTest, GoesByANameThatSomebodyGave) {
  EXPECT_TRUE(are_one("web", "web"));
  EXPECT_FALSE(are_one("web", "db"));
  EXPECT_FALSE(are_one("shop-web-1", "shop-web-2"));
  EXPECT_FALSE(are_one("shop_web_1", "shop_db_1"));
  EXPECT_FALSE(are_one("Shop_web", "Shop_db"));
  EXPECT_FALSE(are_one("_web", "_db"));
}

TEST(ContainerGroupTest, LeavesOutANameThatDockerMadeUp) {
  EXPECT_TRUE(are_one("silly_wozniak", "boring_hopper"));
  EXPECT_TRUE(are_one("silly_wozniak", "silly_wozniak3"));
  EXPECT_FALSE(are_one("silly_wozniak", "web"));
}

TEST(ContainerGroupTest, LeavesOutWhatKubernetesPutsAtTheEndOfAPodsName) {
  EXPECT_TRUE(are_one("shop/sync-7d9f46b8c-x2x5q/app", "shop/sync-67d5b4c8f9-zzk4t/app"));
  EXPECT_TRUE(are_one("shop/sync-28391230-x2x5q/app", "shop/sync-28391290-zzk4t/app"));
  EXPECT_TRUE(are_one("shop/sync-x2x5q/app", "shop/sync-zzk4t/app"));
  EXPECT_EQ(group_of("shop/sync-7d9f46b8c-x2x5q/app", "image").name, "shop/sync-");
  EXPECT_EQ(group_of("shop/sync-28391230-x2x5q/app", "image").name, "shop/sync-");
}

TEST(ContainerGroupTest, TellsPodsApartByAllElse) {
  EXPECT_FALSE(are_one("shop/sync-x2x5q/app", "shop/send-x2x5q/app"));
  EXPECT_FALSE(are_one("shop/sync-x2x5q/app", "shop/sync-x2x5q/proxy"));
  EXPECT_FALSE(are_one("shop/sync-x2x5q/app", "bank/sync-x2x5q/app"));
  EXPECT_FALSE(are_one("shop/db-0/app", "shop/db-1/app")) << "of a stateful set";
  EXPECT_FALSE(are_one("shop/web-proxy/app", "shop/web-admin/app")) << "words";
  EXPECT_FALSE(are_one("shop/sync/app", "shop/sync-x2x5q/app"));
  EXPECT_TRUE(group_of("//", "image").name == "/");
}

TEST(ContainerGroupTest, HasThePlaceOfAnyContainer) {
  const std::string id(64, 'c');
  EXPECT_EQ(without_container("docker-" + id + ".scope", id), "docker-*.scope");
  EXPECT_EQ(without_container("/docker/" + id + "/" + id, id), "/docker/*/*");
  EXPECT_EQ(without_container("docker.service", id), "docker.service");
  EXPECT_EQ(without_container("docker.service", "c"), "docker.service") << "no id is so short";
  EXPECT_EQ(without_container("docker.service", ""), "docker.service");
}

}  // namespace
}  // namespace msi2imds::usage

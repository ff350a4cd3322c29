// SPDX-License-Identifier: MIT
#include "supervisor/units.hpp"

#include <gtest/gtest.h>

#include <string>

#include "supervisor/precedence.hpp"

namespace msi2imds::supervisor {
namespace {

std::string shown(const std::string& unit, const std::string& active, const std::string& file) {
  return "Id=" + unit + "\nActiveState=" + active + "\nUnitFileState=" + file + "\n";
}

TEST(Units, AreReadWhateverTheirOrder) {
  const Units units = read_units(shown("msi2imds-observe.service", "failed", "enabled-runtime") + "\n" +
                                 shown("msi2imds.service", "activating", "enabled") + "\n" +
                                 shown("msi2imds.socket", "active", "disabled"));
  EXPECT_TRUE(units.observer.enabled);
  EXPECT_FALSE(units.observer.active);
  EXPECT_TRUE(units.service.enabled);
  EXPECT_TRUE(units.service.active);
  EXPECT_FALSE(units.socket.enabled);
  EXPECT_TRUE(units.socket.active);
}

TEST(Units, AreReadWhateverTheOrderOfTheirProperties) {
  const Units units = read_units("UnitFileState=enabled\nActiveState=inactive\nId=msi2imds.service");
  EXPECT_TRUE(units.service.enabled);
  EXPECT_FALSE(units.service.active);
  EXPECT_TRUE(units.serving_is_enabled());
}

TEST(Units, ThatAreNotInstalledAreNeither) {
  const Units units = read_units(shown("msi2imds.service", "inactive", "") + "\n" +
                                 shown("other.service", "active", "enabled"));
  EXPECT_FALSE(units.service.enabled || units.service.active);
  EXPECT_FALSE(units.serving_is_enabled());
  EXPECT_FALSE(read_units("").serving_is_enabled());
}

TEST(Precedence, AnObserverAmongIdleUnitsMayObserve) {
  EXPECT_FALSE(find_obstacle_among({}));
  EXPECT_FALSE(find_obstacle_among({.observer = {.enabled = true, .active = true}}));
}

TEST(Precedence, AnActiveServiceRecordsCallers) {
  const auto obstacle = find_obstacle_among({.service = {.enabled = true, .active = true}});
  ASSERT_TRUE(obstacle);
  EXPECT_TRUE(obstacle->records_callers);
}

TEST(Precedence, WhatIsMeantToServeIsInTheWayAndSaysHowToChangeThat) {
  const auto held = find_obstacle_among({.socket = {.active = true}});
  ASSERT_TRUE(held);
  EXPECT_FALSE(held->records_callers);
  EXPECT_NE(held->what.find("systemctl stop msi2imds.socket"), std::string::npos);
  const auto enabled = find_obstacle_among({.service = {.enabled = true}});
  ASSERT_TRUE(enabled);
  EXPECT_FALSE(enabled->records_callers);
  EXPECT_NE(enabled->what.find("systemctl disable msi2imds"), std::string::npos);
  EXPECT_TRUE(find_obstacle_among({.socket = {.enabled = true}}));
}

}  // namespace
}  // namespace msi2imds::supervisor

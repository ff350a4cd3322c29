// SPDX-License-Identifier: MIT
#include "doctor/containers.hpp"

#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

class ContainersTest : public FakeMachine {
 protected:
  // What is found where these are served.
  Finding found(ServiceStatus status) {
    Host examined = host();
    examined.status = std::move(status);
    return find(check_containers(examined), "By legacy.container_networks ");
  }
  static ServiceStatus serving(std::vector<std::string> names) {
    return {.is_known = true, .container_networks = std::move(names), .containers_failure = {}};
  }
};

TEST_F(ContainersTest, SaysNothingOfTheDefaults) {
  EXPECT_TRUE(check_containers(host()).empty());
}

TEST_F(ContainersTest, WarnsWhereNoRuleRestrictsThem) {
  config.legacy.container_networks = {"web", "shop/*"};
  const Finding some = found(serving({"web", "shop/a/b"}));
  EXPECT_EQ(some.level, Level::warning);
  EXPECT_EQ(some.text,
            "By legacy.container_networks every process in the network of a container named \"web\", "
            "\"shop/*\" may "
            "ask for tokens: at present web, shop/a/b. No rule restricts them.");
  EXPECT_NE(found(serving({})).text.find("none is there at present"), std::string::npos);
  EXPECT_NE(found({}).text.find("which ones there are is not known"), std::string::npos);
}

TEST_F(ContainersTest, IsContentWhereRulesDecide) {
  config.legacy.container_networks = {"web"};
  config.policy.mode = config::PolicyMode::enforce;
  EXPECT_EQ(found(serving({"web"})).level, Level::ok);
}

TEST_F(ContainersTest, SaysWhyTheyAreNotServed) {
  config.legacy.container_networks = {"web"};
  ServiceStatus status = serving({});
  status.containers_failure = "cannot enter";
  EXPECT_EQ(found(status).level, Level::error);
  EXPECT_NE(found(status).text.find("They are not served: cannot enter."), std::string::npos);
}

}  // namespace
}  // namespace msi2imds::doctor

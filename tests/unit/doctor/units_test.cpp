// SPDX-License-Identifier: MIT
#include "doctor/units.hpp"

#include "doctor/exec_steps.hpp"
#include "unit/doctor/fake_machine.hpp"

namespace msi2imds::doctor {
namespace {

// As systemd 252 prints them.
constexpr std::string_view kGood = R"(ExecMainCode=0
ExecMainStatus=0
ExecStartPre={ path=/bin/mkdir ; argv[]=/bin/mkdir -m 0755 -p /var/lib/waagent ; ignore_errors=yes ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
Result=success
Id=msi2imds.service
LoadState=loaded
ActiveState=active
SubState=running

Result=success
Id=msi2imds.socket
LoadState=loaded
ActiveState=active
SubState=running

Result=success
Id=msi2imds-observe.service
LoadState=not-found
ActiveState=inactive
SubState=dead
)";

class UnitsTest : public FakeMachine {
 protected:
  Findings check(std::string output) {
    write("run/systemd/system/x", "");
    commands.outputs["systemctl"] = std::move(output);
    return check_units(host());
  }

  // The one finding of a service that has failed.
  Finding failure(const std::string& properties) {
    const Findings findings =
        check("Id=msi2imds.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\n" + properties);
    EXPECT_EQ(findings.size(), 1U);
    EXPECT_EQ(worst_of(findings), Level::error);
    return findings.empty() ? Finding() : findings.front();
  }
};

TEST_F(UnitsTest, SaysNothingWithoutSystemd) {
  commands.outputs["systemctl"] = "Id=msi2imds.service\nActiveState=failed\nResult=exit-code\n";
  EXPECT_TRUE(check_units(host()).empty());
  EXPECT_TRUE(commands.calls.empty());
}

TEST_F(UnitsTest, IsContentWithUnitsThatRunOrAreNotThere) {
  const Findings findings = check(std::string(kGood));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0], ok("unit", "No unit of msi2imds has failed."));
}

TEST_F(UnitsTest, NamesTheStepAndWhatToDo) {
  const Finding found = failure("Result=exit-code\nExecMainCode=1\nExecMainStatus=226\n");
  EXPECT_EQ(found.text, "msi2imds.service has failed at step NAMESPACE (exit-code, status=226/NAMESPACE).");
  EXPECT_NE(found.advice.find("SELinux"), std::string::npos);
  EXPECT_NE(found.advice.find("ReadWritePaths="), std::string::npos);
  EXPECT_NE(found.advice.find("journalctl -u msi2imds.service"), std::string::npos);
}

TEST_F(UnitsTest, NamesTheStepOfTheLastStartBeforeTheLimit) {
  for (const char* limit : {"start-limit", "start-limit-hit"}) {  // before systemd 230, and since
    const Finding found = failure(std::string("ExecMainCode=1\nExecMainStatus=203\nResult=") + limit + "\n");
    EXPECT_EQ(found.text,
              std::string("msi2imds.service has failed at step EXEC (") + limit + ", status=203/EXEC).");
  }
}

TEST_F(UnitsTest, SendsToTheConfiguration) {
  const Finding found = failure("Result=exit-code\nExecMainCode=1\nExecMainStatus=2\n");
  EXPECT_EQ(found.text, "msi2imds.service has failed (exit-code, status=2).");
  EXPECT_NE(found.advice.find("msi2imds check-config"), std::string::npos);
  EXPECT_NE(found.advice.find("systemctl reset-failed msi2imds.service msi2imds.socket"), std::string::npos)
      << "systemd refuses for a minute otherwise";
}

TEST_F(UnitsTest, TellsOfASocketThatListensWhileNobodyLeadsCallersThere) {
  const std::string socket = "Id=msi2imds.socket\nLoadState=loaded\nResult=success\nActiveState=active\n\n";
  const std::string service = "Id=msi2imds.service\nLoadState=loaded\nResult=success\nActiveState=";
  const Finding found = find(check(socket + service + "inactive\n"), "nobody is led there");
  EXPECT_EQ(found.level, Level::error);
  EXPECT_EQ(found.advice, "Start it: systemctl start msi2imds.service.");
  EXPECT_EQ(worst_of(check(socket + service + "activating\n")), Level::ok);
}

TEST_F(UnitsTest, SendsFromASocketThatFailedToThePorts) {
  const Finding found =
      find(check("Id=msi2imds.socket\nLoadState=loaded\nActiveState=failed\nResult=resources\n"),
           "msi2imds.socket has failed (resources)");
  EXPECT_EQ(found.advice.find("See what `ports` says"), 0U);
}

TEST_F(UnitsTest, KnowsSignalsFromExitStatuses) {
  EXPECT_EQ(failure("Result=signal\nExecMainCode=2\nExecMainStatus=31\n").text,
            "msi2imds.service has failed (signal, signal 31).");
  EXPECT_EQ(failure("Result=core-dump\nExecMainCode=3\nExecMainStatus=6\n").text,
            "msi2imds.service has failed (core-dump, signal 6).");
}

TEST_F(UnitsTest, TellsResultsWithoutAProcess) {
  const Finding found = failure("Result=timeout\nExecMainCode=0\nExecMainStatus=0\n");
  EXPECT_EQ(found.text, "msi2imds.service has failed (timeout).");
  EXPECT_NE(found.advice.find("journalctl -u msi2imds.service"), std::string::npos);
}

TEST_F(UnitsTest, NamesTheStepOfACommandBeforeTheMainProcess) {
  const Finding found = failure(
      "Result=exit-code\nExecMainCode=0\nExecMainStatus=0\n"
      "ExecStartPre={ path=/bin/a ; argv[]=/bin/a x ; ignore_errors=yes ; pid=7 ; code=exited ; status=1 }\n"
      "ExecStartPre={ path=/bin/b ; argv[]=/bin/b ; ignore_errors=no ; pid=8 ; code=exited ; status=226 }\n"
      "ExecStartPre={ path=/bin/c ; argv[]=/bin/c ; ignore_errors=no ; pid=0 ; code=(null) ; status=0/0 }\n");
  EXPECT_EQ(found.text, "msi2imds.service has failed at step NAMESPACE (exit-code, status=226/NAMESPACE).");
}

TEST_F(UnitsTest, TellsOfOneThatIsTriedAgainAndAgain) {
  const Findings findings = check(
      "Id=msi2imds-observe.service\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\n"
      "Result=exit-code\nExecMainCode=1\nExecMainStatus=226\n");
  EXPECT_EQ(find(findings, "msi2imds-observe.service has failed at step NAMESPACE").level, Level::error);
  find(findings, ", and is tried again.");
}

TEST_F(UnitsTest, TellsOfASocketThatGaveUp) {
  for (const char* result : {"service-failed-permanent", "service-start-limit-hit"}) {
    const Finding found = find(check(std::string("Id=msi2imds.socket\nLoadState=loaded\nActiveState=failed\n"
                                                 "SubState=failed\nResult=") +
                                     result + "\n"),
                               "msi2imds.socket has failed");
    EXPECT_NE(found.advice.find("systemctl reset-failed msi2imds.service msi2imds.socket"), std::string::npos)
        << result;
    EXPECT_NE(found.advice.find("systemctl start msi2imds.service."), std::string::npos) << result;
  }
}

// Systemd 208 and 219.
TEST_F(UnitsTest, TellsOfASocketThatListensForAServiceThatGaveUp) {
  const std::string gave_up =
      "Id=msi2imds.service\nLoadState=loaded\nActiveState=failed\nResult=start-limit\n\n";
  const std::string socket = "Id=msi2imds.socket\nLoadState=loaded\nResult=success\nActiveState=";
  const Findings findings = check(gave_up + socket + "active\n");
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[1].level, Level::warning);
  EXPECT_EQ(findings[1].text.find("msi2imds.socket still listens, though nobody serves"), 0U);
  EXPECT_NE(findings[1].advice.find("systemctl stop msi2imds.socket"), std::string::npos);
  EXPECT_EQ(check(gave_up + socket + "inactive\n").size(), 1U);
  EXPECT_EQ(check(std::string(kGood)).size(), 1U);
}

TEST_F(UnitsTest, TellsOfAUnitThatCannotBeLoaded) {
  const Finding found = find(check("Id=msi2imds.service\nLoadState=bad-setting\nActiveState=inactive\n"),
                             "cannot load msi2imds.service");
  EXPECT_EQ(found.level, Level::error);
  EXPECT_NE(found.advice.find("systemd-analyze verify msi2imds.service"), std::string::npos);
}

TEST_F(UnitsTest, TellsEachThatHasFailed) {
  const Findings findings = check(
      "Id=msi2imds.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\n"
      "ExecMainCode=1\nExecMainStatus=1\n\n"
      "Id=msi2imds.socket\nLoadState=loaded\nActiveState=failed\nSubState=failed\nResult=resources\n\n");
  EXPECT_EQ(findings.size(), 2U);
  EXPECT_EQ(find(findings, "msi2imds.service has failed (exit-code, status=1).").level, Level::error);
  EXPECT_EQ(find(findings, "msi2imds.socket has failed (resources).").level, Level::error);
}

TEST_F(UnitsTest, WarnsWhereSystemdDoesNotAnswer) {
  write("run/systemd/system/x", "");
  const Findings findings = check_units(host());
  EXPECT_EQ(find(findings, "Cannot ask systemd whether a unit of msi2imds has failed").level, Level::warning);
  EXPECT_EQ(find(check(""), "Cannot ask systemd whether a unit of msi2imds has failed").level,
            Level::warning);
}

TEST(ExecStepsTest, KnowsTheStepsByTheirExitStatus) {
  EXPECT_EQ(step_of(200), "CHDIR");
  EXPECT_EQ(step_of(203), "EXEC");
  EXPECT_EQ(step_of(217), "USER");
  EXPECT_EQ(step_of(226), "NAMESPACE");
  EXPECT_EQ(step_of(228), "SECCOMP");
  EXPECT_EQ(step_of(233), "RUNTIME_DIRECTORY");
  EXPECT_EQ(step_of(238), "STATE_DIRECTORY");
  EXPECT_EQ(step_of(243), "CREDENTIALS");
  EXPECT_EQ(step_of(245), "BPF");
}

TEST(ExecStepsTest, LeavesAProgramItsOwnStatuses) {
  for (const int status : {-1, 0, 1, 2, 127, 199, 234, 244, 246, 255}) {
    EXPECT_EQ(step_of(status), "") << status;
  }
}

}  // namespace
}  // namespace msi2imds::doctor

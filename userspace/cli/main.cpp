// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "base/escape.hpp"
#include "cli/commands.hpp"
#include "cli/usage.hpp"
#include "config/rule_values.hpp"

namespace msi2imds::cli {
namespace {

// What a rule of the configuration could not name either, as CLI11 asks its checks.
template <auto kCheck>
std::string said_by(const std::string& text) {
  return kCheck(text).value_or("");
}

void add_policy_test_options(CLI::App* command, PolicyTestOptions& options) {
  CLI::Option* uid =
      command->add_option("--uid", options.uid, "The caller's uid")->type_name("NUMBER")->check(is_id);
  command->add_option("--user", options.user, "The same by name")->type_name("NAME")->excludes(uid);
  command->add_option("--gid", options.gids, "The caller's groups")->type_name("NUMBER")->check(is_id);
  CLI::Option* unit = command->add_option("--unit", options.unit, "The system's unit that it belongs to")
                          ->type_name("UNIT")
                          ->check(is_unit);
  command->add_option("--cgroup", options.cgroup, "The whole path of its cgroup, in place of the unit")
      ->type_name("PATH")
      ->excludes(unit)
      ->check(is_absolute_path);
  command->add_option("--program", options.program, "Its executable")
      ->type_name("PATH")
      ->check(is_absolute_path);
  command->add_option("--sha256", options.sha256, "Of that executable; left out: of the file of that path")
      ->type_name("HASH")
      ->check(said_by<config::check_sha256>);
  command->add_option("--container", options.container, "The id of the container that it runs in")
      ->type_name("ID")
      ->check(said_by<config::check_container>);
  command->add_option("--container-name", options.container_name, "The name of that container")
      ->type_name("NAME")
      ->check(said_by<config::check_container_name>);
  command->add_option("--container-image", options.container_image, "The image of that container")
      ->type_name("IMAGE");
  command->add_option("--resource", options.resource, "What it asks a token for")
      ->type_name("RESOURCE")
      ->required();
  command
      ->add_option("--identity", options.identity,
                   "The client id, object id or resource id it names; \"none\" or left out: it names none")
      ->type_name("IDENTITY");
  command->add_flag("--json", options.json, "Print JSON");
}

// What people try first, said as an option: "help COMMAND", "version". Who asks for help gets it, whatever
// else he says.
Words words_of(int argc, char** argv) {
  Words words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words.front() == "version") {
    words.front() = "--version";
  }
  const bool is_help = !words.empty() && words.front() == "help";
  const auto is_option = [](const std::string& word) { return word.starts_with('-'); };
  if (is_help || std::ranges::find_first_of(words, Words{"-h", "--help"}) != words.end()) {
    words.erase(std::ranges::find_if(words, is_option), words.end());
    words.erase(words.begin(), words.begin() + (is_help ? 1 : 0));
    words.emplace_back("--help");
  }
  return words;
}

constexpr const char* kExitStatus =
    "Exit status: 0 success, 1 failure, 2 usage (wrong options or configuration). See msi2imds(8).";
constexpr const char* kExitStatusOfLooking =
    "Exit status: 0 success, 1 failure, 2 usage (wrong options or configuration), 3 not known (not "
    "permitted to see). See msi2imds(8).";

int complain(const std::string& fault) {
  (void)std::fprintf(stderr, "msi2imds: %s\n", fault.c_str());
  return kUsage;
}

int dispatch(int argc, char** argv) {
  CLI::App app(
      "Answers clients of the retired managed identity VM extension from the Instance Metadata Service.");
  app.name("msi2imds");
  app.set_version_flag("-V,--version", "msi2imds " MSI2IMDS_VERSION);
  app.require_subcommand(1);
  app.footer(kExitStatus);  // of each command that says no other

  ConfigFile file;
  const auto add_config_option = [&file](CLI::App* command) {
    command->add_option("--config", file.path, "Configuration file (default: /etc/msi2imds/msi2imds.toml)")
        ->type_name("FILE");
  };
  StatusOptions status_options;
  int wait_seconds = 0;

  RunOptions run_options;
  CLI::App* run_command = app.add_subcommand("run", "Serve the legacy endpoint until SIGTERM");
  add_config_option(run_command);
  run_command->add_flag("--observe", run_options.observe,
                        "Only record who dials the legacy ports; redirect nothing");
  CLI::App* metrics_command = app.add_subcommand("metrics", "Print the metrics in Prometheus's text format");
  add_config_option(metrics_command);
  MetricsOptions metrics_options;
  metrics_command
      ->add_option("--output", metrics_options.output,
                   "Replace FILE, for node_exporter's textfile collector; - for stdout")
      ->type_name("FILE");
  CLI::App* status_command =
      app.add_subcommand("status", "Show what is in force, proved by a connection; exit 0 when intercepting");
  add_config_option(status_command);
  status_command
      ->add_option("--wait", wait_seconds, "Wait up to so many seconds, 86400 at most, until intercepting")
      ->type_name("SECONDS")
      ->check(is_seconds);
  status_command->add_flag("--json", status_options.json, "Print JSON");
  HealthOptions health_options;
  CLI::App* health_command =
      app.add_subcommand("health", "Say in one line whether all is as it should be; exit 0 when it is");
  add_config_option(health_command);
  health_command->add_flag("--json", health_options.json, "Print JSON");
  CLI::App* check_command =
      app.add_subcommand("check-config", "Check the configuration and print it with all defaults");
  add_config_option(check_command);
  CheckOptions check_options;
  check_command->add_flag("--origin", check_options.origin,
                          "Say behind each value where it comes from: default, or FILE:LINE");
  FlushOptions flush_options;
  CLI::App* flush_command = app.add_subcommand("flush", "Forget tokens, so that IMDS is asked for new ones");
  add_config_option(flush_command);
  flush_command->add_option("--resource", flush_options.resource, "Only tokens for this resource")
      ->type_name("RESOURCE");
  flush_command
      ->add_option("--identity", flush_options.identity,
                   "Only tokens of this identity (client id, object id or resource id)")
      ->type_name("IDENTITY");
  flush_command->add_flag("--json", flush_options.json, "Print JSON");
  CallersOptions callers_options;
  CLI::App* callers_command =
      app.add_subcommand("callers", "Show who uses the legacy endpoint, and whether it can be retired");
  add_config_option(callers_command);
  callers_command
      ->add_option("--merge", callers_options.merge,
                   "Show many machines as one: what callers --json has printed on each; a directory: its "
                   ".json files")
      ->type_name("FILE")
      ->expected(1, CLI::detail::expected_max_vector_size);
  CLI::Option* callers_json = callers_command->add_flag("--json", callers_options.json, "Print JSON");
  CLI::Option* callers_csv =
      callers_command->add_flag("--csv", callers_options.csv, "Print a table for spreadsheets")
          ->excludes(callers_json);
  callers_command
      ->add_option("--html", callers_options.page, "Write one self-contained page to FILE, - for stdout")
      ->type_name("FILE")
      ->excludes(callers_json)
      ->excludes(callers_csv);
  VerifyOptions verify_options;
  CLI::App* verify_command = app.add_subcommand(
      "verify",
      "Compare the tokens of the extension and of IMDS; exit 0 when applications will see no difference");
  add_config_option(verify_command);
  CLI::Option* verify_resource =
      verify_command
          ->add_option("--resource", verify_options.resources,
                       "What to ask a token for (default: what callers were seen to ask for)")
          ->type_name("RESOURCE");
  verify_command
      ->add_option("--identity", verify_options.identities,
                   "The client id, object id or resource id to name (default: none)")
      ->type_name("IDENTITY")
      ->needs(verify_resource);
  verify_command->add_flag("--json", verify_options.json, "Print JSON");
  RetireOptions retire_options;
  CLI::App* retire_command = app.add_subcommand(
      "retire", "Say whether the extension can be removed, and how; after that, whether all is well");
  add_config_option(retire_command);
  retire_command->add_flag("--json", retire_options.json, "Print JSON");
  DoctorOptions doctor_options;
  CLI::App* doctor_command = app.add_subcommand(
      "doctor", "Say what this machine can do and what stands in the way; exit 1 on an error");
  add_config_option(doctor_command);
  doctor_command->add_flag("--json", doctor_options.json, "Print JSON");
  SupportOptions support_options;
  CLI::App* support_command =
      app.add_subcommand("support", "Gather what is needed to find a fault, without secrets, in one archive");
  add_config_option(support_command);
  support_command
      ->add_option("--output", support_options.output,
                   "The new file, - for stdout (default: msi2imds-support-HOST-TIME.tar)")
      ->type_name("FILE");
  DetachOptions detach_options;
  CLI::App* detach_command =
      app.add_subcommand("detach", "Stop msi2imds, and remove whatever of it is in the kernel");
  add_config_option(detach_command);
  detach_command->add_flag("--unless-held", detach_options.unless_held,
                           "Leave all as it is while the service manager listens for the next start");
  detach_command->add_flag(
      "--purge", detach_options.purge,
      "Also remove the discovery file in the Azure agent's directory, if msi2imds made it");
  PolicyTestOptions policy_options;
  CLI::App* policy_command = app.add_subcommand("policy", "The rules of who may ask");
  policy_command->require_subcommand(1);
  CLI::App* policy_test_command =
      policy_command->add_subcommand("test", "Show which rule would decide; exit 0 when allowed");
  add_config_option(policy_test_command);
  add_policy_test_options(policy_test_command, policy_options);
  // Started by `run` only.
  ResponderOptions responder_options;
  CLI::App* responder_command = app.add_subcommand("responder", "")->group("");
  responder_command->add_option("uid", responder_options.uid);
  responder_command->add_option("gid", responder_options.gid);

  app.footer(kExitStatusOfLooking);
  for (CLI::App* command : {status_command, health_command, doctor_command, verify_command, retire_command,
                            policy_test_command}) {
    command->footer(kExitStatusOfLooking);
  }

  Words words = words_of(argc, argv);
  if (const std::string wrong = find_wrong_word(app, words); !wrong.empty()) {
    return complain(wrong);
  }
  std::ranges::reverse(words);  // as this parse() has it
  try {
    app.parse(std::move(words));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return complain(escape::control_characters(error.what()) + see_help(app));
  }
  if (*run_command) {
    return run(file, run_options);
  }
  if (*responder_command) {
    return run_responder(responder_options);
  }
  if (*health_command) {
    return health(file, health_options);
  }
  if (*flush_command) {
    return flush(file, flush_options);
  }
  if (*callers_command) {
    return callers(file, callers_options);
  }
  if (*verify_command) {
    return verify(file, verify_options);
  }
  if (*retire_command) {
    return retire(file, retire_options);
  }
  if (*doctor_command) {
    return doctor(file, doctor_options);
  }
  if (*support_command) {
    return support(file, support_options);
  }
  if (*detach_command) {
    return detach(file, detach_options);
  }
  if (*metrics_command) {
    return metrics(file, metrics_options);
  }
  if (*policy_test_command) {
    return policy_test(file, policy_options);
  }
  if (*check_command) {
    return check_config(file, check_options);
  }
  status_options.wait = std::chrono::seconds(wait_seconds);
  return status(file, status_options);
}

}  // namespace
}  // namespace msi2imds::cli

namespace {

// What is opened first would otherwise take the place of a descriptor that was closed for us, and be written
// to as the log.
void open_missing_stdio() {
  int descriptor = -1;
  do {
    descriptor = ::open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor > STDERR_FILENO) {
    (void)::close(descriptor);
  }
}

// What a command prints is part of what it does: a full disk or a closed pipe is a failure.
int with_output(int status) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) {
    return status;
  }
  (void)std::fprintf(stderr, "msi2imds: cannot write the output: %s\n",
                     errno == 0 ? "not all of it was taken" : std::strerror(errno));
  return status == msi2imds::cli::kGood ? msi2imds::cli::kFailed : status;
}

}  // namespace

int main(int argc, char** argv) {
  open_missing_stdio();
  try {
    return with_output(msi2imds::cli::dispatch(argc, argv));
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "msi2imds: cannot go on: %s\n", error.what());
    return msi2imds::cli::kFailed;
  }
}

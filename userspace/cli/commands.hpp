// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/sourced.hpp"

// One function for each subcommand; each returns the exit status: 0 success, 1 failure, 2 usage (wrong
// options or configuration), 3 not known, since only others may see it.
namespace msi2imds::cli {

inline constexpr int kGood = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnknown = 3;

// How long a running msi2imds may take to answer on its admin socket.
inline constexpr std::chrono::seconds kAskTime{5};

// Which configuration: what --config named, else the default file if it is there.
struct ConfigFile {
  std::optional<std::filesystem::path> path;

  // Without asking getent for users and groups that the machine's files do not have.
  [[nodiscard]] Result<config::Sourced> read() const;

  // config::fingerprint() of it.
  [[nodiscard]] std::size_t fingerprint() const;

  // These ask it, which takes up to two seconds where it hangs.
  [[nodiscard]] Result<config::Sourced> load_sourced() const;
  [[nodiscard]] Result<config::Config> load() const;

  // The configuration, or nothing after its errors were printed.
  [[nodiscard]] std::optional<config::Config> load_or_complain() const;
};

struct RunOptions {
  bool observe = false;  // record who calls, redirect nothing
};
int run(const ConfigFile& file, const RunOptions& options);

// Who the responder becomes.
struct ResponderOptions {
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
};
int run_responder(const ResponderOptions& options);

struct CheckOptions {
  bool origin = false;  // say of each key where its value comes from
};
int check_config(const ConfigFile& file, const CheckOptions& options);

struct StatusOptions {
  std::chrono::seconds wait{0};  // for interception to begin
  bool json = false;
};
int status(const ConfigFile& file, const StatusOptions& options);

struct HealthOptions {
  bool json = false;
};
// Says in one line whether all is as it should be, for alerts and load balancers; success: it is.
int health(const ConfigFile& file, const HealthOptions& options);

struct FlushOptions {
  std::string resource;  // empty: any
  std::string identity;
  bool json = false;
};
int flush(const ConfigFile& file, const FlushOptions& options);

// A caller and what it asks for.
struct PolicyTestOptions {
  std::optional<std::uint32_t> uid;
  std::string user;
  std::vector<std::uint32_t> gids;
  std::string unit;
  std::string cgroup;
  std::string program;
  std::string sha256;
  std::string container;
  std::string container_name;
  std::string container_image;
  std::string resource;
  std::string identity;
  bool json = false;
};
// Shows which rule would decide; success: it would be allowed.
int policy_test(const ConfigFile& file, const PolicyTestOptions& options);

struct MetricsOptions {
  std::string output;  // the file to replace; "-" or empty: stdout
};
int metrics(const ConfigFile& file, const MetricsOptions& options);

struct CallersOptions {
  std::vector<std::string> merge;  // reports of many machines to show as one; empty: this machine
  bool json = false;
  bool csv = false;
  std::string page;  // where to write it; "-" is stdout, empty: nowhere
};
int callers(const ConfigFile& file, const CallersOptions& options);

struct VerifyOptions {
  std::vector<std::string> resources;   // empty: those seen in use
  std::vector<std::string> identities;  // with resources; empty: none is named
  bool json = false;
};
// Compares what the extension and IMDS say; success: applications will not notice the difference.
int verify(const ConfigFile& file, const VerifyOptions& options);

struct RetireOptions {
  bool json = false;
};
// Says whether the extension can be removed and how, or after that whether all is well; success: yes.
int retire(const ConfigFile& file, const RetireOptions& options);

struct DoctorOptions {
  bool json = false;
};
// Says what this machine can do and what stands in the way; success: no error was found, and all was seen.
int doctor(const ConfigFile& file, const DoctorOptions& options);

struct SupportOptions {
  std::string output;  // "-" is stdout, empty: a new file in the current directory
};
// Gathers what is needed to find a fault from afar, without secrets, in one archive.
int support(const ConfigFile& file, const SupportOptions& options);

struct DetachOptions {
  bool unless_held = false;  // leave all as it is while somebody listens for the next process
  bool purge = false;        // take back the discovery file as well
};
int detach(const ConfigFile& file, const DetachOptions& options);

}  // namespace msi2imds::cli

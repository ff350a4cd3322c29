// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <cctype>
#include <cerrno>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/command.hpp"
#include "base/descriptors.hpp"
#include "base/escape.hpp"
#include "base/spawn.hpp"
#include "base/unique_fd.hpp"
#include "cli/commands.hpp"
#include "cli/tar.hpp"
#include "resolver/redact.hpp"
#include "waagent/ports.hpp"

namespace msi2imds::cli {
namespace {

constexpr std::chrono::seconds kOthers{10};
constexpr std::chrono::seconds kOwn{60};  // doctor tries backends and asks IMDS
constexpr const char* kOwnProgram = "/proc/self/exe";

enum class Kind : std::uint8_t {
  own,    // what we print ourselves holds no secret
  whole,  // without what may be one
  ours,   // of that, the lines that concern us, with the names of what they stand in
};

// A file of the archive, and the program whose output it is.
struct Part {
  const char* file;
  Kind kind;
  std::vector<std::string> command;
  std::string text = {};  // once it has run
  std::string outcome = {};
};
using Parts = std::vector<Part>;

std::vector<std::string> split_words(std::string_view command) {
  std::vector<std::string> words;
  while (!command.empty()) {
    const std::size_t end = std::min(command.find(' '), command.size());
    words.emplace_back(command.substr(0, end));
    command.remove_prefix(std::min(end + 1, command.size()));
  }
  return words;
}

Parts parts_of(const ConfigFile& file, const config::Config& config) {
  struct Named {
    const char* file;
    Kind kind;
    const char* command;
  };
  constexpr std::array kOwnParts = {
      Named{"status.json", Kind::own, "status --json"},
      Named{"health.json", Kind::own, "health --json"},
      Named{"doctor.txt", Kind::own, "doctor"},
      Named{"callers.json", Kind::own, "callers --json"},
      Named{"config.toml", Kind::own, "check-config --origin"},
      Named{"metrics.txt", Kind::own, "metrics"},
  };
  constexpr std::array kOtherParts = {
      Named{"journal.txt", Kind::whole,
            "journalctl --no-pager --lines=5000 --output=short-iso --unit=msi2imds.service "
            "--unit=msi2imds.socket --unit=msi2imds-observe.service"},
      Named{"units.txt", Kind::whole,
            "systemctl --no-pager --full status msi2imds.service msi2imds.socket msi2imds-observe.service"},
      Named{"unit-files.txt", Kind::whole,
            "systemctl --no-pager cat msi2imds.service msi2imds.socket msi2imds-observe.service"},
      Named{"bpf-programs.txt", Kind::whole, "bpftool prog show"},
      Named{"bpf-links.txt", Kind::whole, "bpftool link show"},
      Named{"nftables.txt", Kind::ours, "nft list ruleset"},
      Named{"iptables.txt", Kind::ours, "iptables-save"},
      Named{"ip6tables.txt", Kind::ours, "ip6tables-save"},
      Named{"sockets.txt", Kind::ours, "ss -tanp"},
      Named{"addresses.txt", Kind::whole, "ip address show"},
      Named{"kernel.txt", Kind::whole, "uname -a"},
      Named{"system.txt", Kind::whole, "cat /etc/os-release"},
      Named{"systemd.txt", Kind::whole, "systemctl --version"},
      Named{"sysctls.txt", Kind::whole,
            "grep -H . /proc/cmdline /proc/sys/net/ipv4/ip_local_reserved_ports "
            "/proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/ipv4/ip_unprivileged_port_start "
            "/proc/sys/net/ipv4/conf/all/route_localnet /proc/sys/net/ipv4/conf/lo/route_localnet "
            "/proc/sys/net/ipv6/conf/lo/disable_ipv6 /proc/sys/net/core/bpf_jit_enable "
            "/proc/sys/kernel/unprivileged_bpf_disabled /proc/sys/kernel/yama/ptrace_scope "
            "/proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max "
            "/sys/kernel/security/lockdown /sys/kernel/security/lsm /sys/fs/selinux/enforce"},
  };
  Parts parts;
  for (const Named& part : kOwnParts) {
    parts.push_back({part.file, part.kind, split_words(std::string(kOwnProgram) + " " + part.command)});
    if (file.path) {
      parts.back().command.insert(parts.back().command.end(), {"--config", file.path->string()});
    }
  }
  for (const Named& part : kOtherParts) {
    parts.push_back({part.file, part.kind, split_words(part.command)});
  }
  parts.push_back({"pins.txt", Kind::whole, {"ls", "-lR", "--", config.redirect.pin_directory}});
  return parts;
}

bool is_alphanumeric(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

// Whether the word stands there, and not within another one.
bool mentions(std::string_view line, std::string_view word) {
  for (std::size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_alphanumeric(line[at - 1])) && (end == line.size() || !is_alphanumeric(line[end]))) {
      return true;
    }
  }
  return false;
}

// The names of tables and chains, as nft and iptables-save write them.
bool is_frame(std::string_view line) {
  return line.ends_with('{') || line.ends_with('}') || line.starts_with('*') || line.starts_with(':') ||
         line.find(" hook ") != std::string_view::npos;
}

// Without what may be a secret; of Kind::ours, what has one of the words.
std::string clean(std::string_view text, Kind kind, const std::vector<std::string>& words) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool is_wanted =
        kind != Kind::ours || is_frame(line) ||
        std::ranges::any_of(words, [&line](const std::string& word) { return mentions(line, word); });
    if (is_wanted) {
      // As one text, and as the words of a command line, of which one may say what the next one is.
      out += fmt::format("{}\n",
                         fmt::join(resolver::redact(split_words(resolver::redact({line}).front())), " "));
    }
  }
  return out;
}

std::vector<std::string> words_on_us(const config::Config& config) {
  std::vector<std::string> words = {"msi2imds", config.imds.endpoint.address,
                                    std::to_string(config.redirect.listen_port)};
  for (const std::uint16_t port : config.legacy.ports) {
    words.push_back(std::to_string(port));
  }
  return words;
}

asio::awaitable<void> gather(Part& part, const std::vector<std::string>& words) {
  SystemCommandRunner runner(part.kind == Kind::own ? kOwn : kOthers);
  std::vector<std::string> arguments(part.command.begin() + 1, part.command.end());
  const Result<CommandResult> result =
      co_await runner.run(part.command.front(), std::move(arguments), std::string());
  if (!result) {
    part.outcome = "missing: cannot " + result.error().message();
    co_return;
  }
  part.text = part.kind == Kind::own ? result->output : clean(result->output, part.kind, words);
  part.outcome = "exit status " + std::to_string(result->exit_status);
  if (!result->error.empty()) {
    part.outcome += ", and it says:\n" + clean(result->error, Kind::whole, words);
  }
}

// One that hangs costs the others nothing.
void gather_all(Parts& parts, const std::vector<std::string>& words) {
  asio::io_context io(1);
  for (Part& part : parts) {
    spawn(io, "gather", gather(part, words));
  }
  io.run();
}

std::string contents_of(const Parts& parts) {
  std::string text = "msi2imds " MSI2IMDS_VERSION;
  text +=
      ::geteuid() == 0 ? ", as root\n" : ", as a user without rights: what only root may see is missing\n";
  for (const Part& part : parts) {
    text += part.file;
    text += ": ";
    text += part.outcome;
    text += part.outcome.ends_with('\n') ? "" : "\n";
  }
  return text;
}

std::string archive_of(const Parts& parts, std::int64_t now) {
  const std::string directory = "msi2imds-support/";
  std::string archive;
  add_to_tar(archive, directory + "contents.txt", contents_of(parts), now);
  for (const Part& part : parts) {
    if (!part.text.empty()) {
      add_to_tar(archive, directory + part.file, part.text, now);
    }
  }
  finish_tar(archive);
  return archive;
}

// "msi2imds-support-HOST-20260131T235959Z.tar"
std::string usual_name(std::int64_t now) {
  std::array<char, 256> host{};
  (void)::gethostname(host.data(), host.size() - 1);
  std::array<char, 32> time{};
  std::tm parts{};
  const std::time_t seconds = now;
  ::gmtime_r(&seconds, &parts);
  (void)std::strftime(time.data(), time.size(), "%Y%m%dT%H%M%SZ", &parts);
  return std::string("msi2imds-support-") + host.data() + "-" + time.data() + ".tar";
}

// A new file, for its owner alone.
Result<void> write_new_file(const std::string& path, std::string_view content) {
  const std::string doing = "write '" + path + "'";
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!fd) {
    return Error::from_errno(errno, doing);
  }
  Result<void> written = write_all(fd.get(), content, doing);
  if (!written) {
    (void)::unlink(path.c_str());  // the failure that matters is the first one
  }
  return written;
}

}  // namespace

int support(const ConfigFile& file, const SupportOptions& options) {
  const Result<config::Config> loaded = file.load();
  config::Config config = loaded ? *loaded : config::Config();  // config.toml says what is wrong
  (void)waagent::settle_ports(config);
  Parts parts = parts_of(file, config);
  gather_all(parts, words_on_us(config));
  const std::int64_t now = std::time(nullptr);
  const std::string archive = archive_of(parts, now);
  const bool is_for_stdout = options.output == "-";
  const std::string path = options.output.empty() ? usual_name(now) : options.output;
  const Result<void> written = is_for_stdout ? write_all(STDOUT_FILENO, archive, "write standard output")
                                             : write_new_file(path, archive);
  if (!written) {
    fmt::print(stderr, "msi2imds: cannot {}{}\n", escape::control_characters(written.error().message()),
               is_for_stdout ? "" : "; name another file with --output");
    return kFailed;
  }
  if (!is_for_stdout) {
    fmt::print(
        "{} is written; contents.txt in it says what is missing. Look through it before you pass it on.\n",
        escape::control_characters(path));
  }
  return kGood;
}

}  // namespace msi2imds::cli

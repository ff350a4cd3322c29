// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/holder.hpp"
#include "base/unique_fd.hpp"
#include "caller/clues.hpp"
#include "caller/identity.hpp"
#include "resolver/cgroup_paths.hpp"
#include "resolver/container_names.hpp"
#include "resolver/holders.hpp"
#include "resolver/process.hpp"
#include "resolver/user_names.hpp"

namespace msi2imds::resolver {

struct Found {
  caller::Identity identity;  // without a command line
  FileId program_file = {};   // inode 0: it is not known
  std::int64_t started = 0;   // the process, ns since boot; 0: it is not there to look at
};

// What takes turns as one: all uids of a user (base/holder.hpp), and all processes in the user's slice of the
// machine.
using Group = std::uint32_t;

// Says who callers are. May hang on a hostile process: for a process of its own (Resolver).
class Identifier {
 public:
  // Containers are known where it is the owner of `runtimes` who has made their cgroups.
  Identifier(std::string proc, UniqueFd cgroup_root, UserNames users = UserNames(), Holders owners = {},
             const Runtimes& runtimes = {})
      : proc_(std::move(proc)),
        cgroup_paths_(std::move(cgroup_root)),
        users_(std::move(users)),
        owners_(std::move(owners)),
        maker_of_containers_(runtimes.owner),
        containers_(runtimes) {}

  [[nodiscard]] const std::string& proc() const {
    return proc_;
  }
  [[nodiscard]] Group group_of(const caller::Clues& question);

  // `search` has the holders of the socket, where the clues name no process; nullopt if there was no search.
  [[nodiscard]] Found identify(const caller::Clues& question, const std::optional<SearchResult>& search);

 private:
  // A process that has the client's socket open.
  struct Described {
    Process process;
    bool is_plain = false;  // it acts as one user and one group
  };

  void take_container(caller::Identity& identity);
  std::string describe_dialler(Found& found, const caller::Clues& question);
  Result<std::vector<Described>> read_holders(const caller::Clues& question,
                                              const std::vector<SocketHolder>& holders);
  std::string describe_holder(Found& found, const caller::Clues& question, const SearchResult& search);
  std::string take_holders(Found& found, const caller::Clues& question, const std::vector<Described>& read,
                           std::size_t count);

  std::string proc_;
  CgroupPaths cgroup_paths_;
  UserNames users_;
  Holders owners_;
  uid_t maker_of_containers_;
  ContainerNamer containers_;
};

// What is known without looking at /proc.
[[nodiscard]] caller::Identity known_from(const caller::Clues& question, UserNames& users);

}  // namespace msi2imds::resolver

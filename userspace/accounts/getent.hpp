// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/asio.hpp"

// Users and groups of SSSD, AD or systemd-userdb, whom passwd(5) and group(5) do not have: a static binary
// has no NSS, so getent(1) is asked, as a child of ours with a deadline. Where there is no getent, the files
// are all.
namespace msi2imds::accounts {

enum class Database : std::uint8_t { passwd, group };

// The number of a user or group, from the files or from what getent has answered. Nothing: it is not known,
// and ask_getent() asks for it.
[[nodiscard]] std::optional<std::uint32_t> find_id(Database database, const std::string& name);

// Whether find_id() was asked for names of which getent has not been asked.
[[nodiscard]] bool has_open_questions();

// Asks getent for them, all within two seconds.
[[nodiscard]] asio::awaitable<void> ask_getent();

// Whether it did not answer in time.
[[nodiscard]] bool is_getent_late();

// Whether find_id() has told of a name that it is kNotYetKnown, since settle_names().
[[nodiscard]] bool is_a_name_missing();

// Says that the configuration in force has no such name any more.
void settle_names();

// No user's and no group's number.
inline constexpr std::uint32_t kNotYetKnown = 0xffffffff;

// From here on, until forget_answers(), names of which getent has not answered in time are kNotYetKnown.
void put_up_with_lateness();

// Forgets all answers, so that names that have changed are asked for anew.
void forget_answers();

// The names of users by their numbers, as getent knows them within two seconds.
[[nodiscard]] asio::awaitable<std::vector<std::pair<uid_t, std::string>>> names_of(std::vector<uid_t> uids);

}  // namespace msi2imds::accounts

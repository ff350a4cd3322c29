// SPDX-License-Identifier: MIT
#include "policy/conditions.hpp"

#include <algorithm>
#include <string_view>

#include "base/escape.hpp"
#include "policy/pattern.hpp"

namespace msi2imds::policy {
namespace {

constexpr std::string_view kNoIdentity = "none";

template <typename T>
bool contains(const std::vector<T>& values, const T& wanted) {
  return std::ranges::find(values, wanted) != values.end();
}

bool is_slice(std::string_view unit) {
  return unit.ends_with(".slice");
}

// Of a cgroup's path, the slices with which it begins are the service manager's; what is below a unit may be
// given to a user, who names it as he likes.
bool is_below_slice(std::string_view pattern, std::string_view cgroup) {
  if (pattern == "-.slice") {  // the root of all, which has no name in a path
    return !cgroup.empty();
  }
  while (cgroup.starts_with('/')) {
    cgroup.remove_prefix(1);
    const std::string_view part = cgroup.substr(0, cgroup.find('/'));
    if (!is_slice(part)) {
      break;
    }
    // systemd escapes names that the kernel's own files could have.
    if (matches(pattern, part.substr(part.starts_with('_') ? 1 : 0), Case::matters)) {
      return true;
    }
    cgroup.remove_prefix(part.size());
  }
  return false;
}

bool is_unit_of(const std::string& wanted, const caller::Identity& caller) {
  if (wanted.starts_with('/')) {
    return wanted == caller.cgroup;
  }
  if (is_slice(wanted)) {
    return is_below_slice(wanted, caller.cgroup);
  }
  return !caller.unit.empty() && matches(wanted, caller.unit, Case::matters);
}

bool is_in_any_group(const std::vector<gid_t>& wanted, const caller::Identity& caller) {
  return std::ranges::any_of(caller.gids, [&](gid_t gid) { return contains(wanted, gid); });
}

bool is_in_any_unit(const std::vector<std::string>& wanted, const caller::Identity& caller) {
  return std::ranges::any_of(wanted, [&](const std::string& unit) { return is_unit_of(unit, caller); });
}

// Whether nothing more could be learned that would put the caller into one of these units.
bool is_place_known(const std::vector<std::string>& wanted, const caller::Identity& caller) {
  return !caller.cgroup.empty() ||
         (!caller.unit.empty() && std::ranges::none_of(wanted, [](const std::string& unit) {
           return unit.starts_with('/') || is_slice(unit);
         }));
}

bool is_in_any_container(const std::vector<std::string>& wanted, const caller::Identity& caller) {
  return caller.container_is_verified && std::ranges::any_of(wanted, [&](const std::string& id) {
           return !id.empty() && caller.container.starts_with(id);
         });
}

bool fits_any(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(
      patterns, [text](const std::string& pattern) { return matches(pattern, text, Case::matters); });
}

// `noted`: the name or the image, by its runtime.
bool is_any_container(const std::vector<std::string>& patterns, const caller::Identity& caller,
                      const std::string& noted) {
  return caller.container_is_verified && !noted.empty() && fits_any(patterns, noted);
}

// A container that a user may have named so is none of those that a rule means.
bool is_container_known(const caller::Identity& caller, const std::string& noted) {
  return caller.container_is_verified ? !noted.empty() : !caller.container.empty() || !caller.cgroup.empty();
}

bool is_no_identity(std::string_view pattern) {
  return matches(pattern, kNoIdentity, Case::is_ignored) &&
         pattern.find_first_of("*?") == std::string_view::npos;
}

// Whoever asks for a client id "none" names an identity all the same.
bool names_any_identity(const std::vector<std::string>& patterns, const token::TokenRequest& request) {
  const bool names_none = request.identity.kind == token::SelectorKind::none;
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return names_none
               ? matches(pattern, kNoIdentity, Case::is_ignored)
               : !is_no_identity(pattern) && matches(pattern, request.identity.value, Case::is_ignored);
  });
}

enum class Condition {
  none,
  uid,
  gid,
  unit,
  program,
  sha256,
  container,
  container_name,
  container_image,
  resource,
  identity
};

// A kind of condition that is not given is met by everybody.
template <typename T>
Met met_if(const std::vector<T>& wanted, bool is_met, bool is_known = true) {
  if (wanted.empty() || is_met) {
    return Met::yes;
  }
  return is_known ? Met::no : Met::unknown;
}

struct Verdict {
  Met met = Met::yes;
  Condition first_unmet = Condition::none;  // or not known to be
};

// Asked for every request, so it makes no text, and ends with the first condition that is known not to be
// met.
Verdict judge(const Conditions& wanted, const caller::Identity& caller, const token::TokenRequest& request) {
  Verdict verdict;
  const auto is_refuted = [&verdict](Condition condition, Met met) {
    if (met != Met::yes) {
      verdict.met = met;
      verdict.first_unmet = verdict.first_unmet == Condition::none ? condition : verdict.first_unmet;
    }
    return met == Met::no;
  };
  (void)(is_refuted(Condition::uid, met_if(wanted.uids, caller.uid && contains(wanted.uids, *caller.uid),
                                           caller.uid && !contains(wanted.uids, kNotYetKnown))) ||
         is_refuted(Condition::gid, met_if(wanted.gids, is_in_any_group(wanted.gids, caller),
                                           !caller.gids.empty() && !contains(wanted.gids, kNotYetKnown))) ||
         is_refuted(Condition::unit, met_if(wanted.units, is_in_any_unit(wanted.units, caller),
                                            is_place_known(wanted.units, caller))) ||
         is_refuted(
             Condition::program,
             met_if(wanted.programs, caller.program_is_verified && contains(wanted.programs, caller.program),
                    !caller.program.empty())) ||
         is_refuted(Condition::sha256,
                    met_if(wanted.sha256s, !caller.sha256.empty() && contains(wanted.sha256s, caller.sha256),
                           !caller.sha256.empty())) ||
         is_refuted(Condition::container,
                    met_if(wanted.containers, is_in_any_container(wanted.containers, caller),
                           !caller.container.empty() || !caller.cgroup.empty())) ||
         is_refuted(Condition::container_name,
                    met_if(wanted.container_names,
                           is_any_container(wanted.container_names, caller, caller.container_name),
                           is_container_known(caller, caller.container_name))) ||
         is_refuted(Condition::container_image,
                    met_if(wanted.container_images,
                           is_any_container(wanted.container_images, caller, caller.container_image),
                           is_container_known(caller, caller.container_image))) ||
         is_refuted(Condition::resource,
                    met_if(wanted.resources, fits_any(wanted.resources, request.resource))) ||
         is_refuted(Condition::identity,
                    met_if(wanted.identities, names_any_identity(wanted.identities, request))));
  return verdict;
}

std::string shown(std::string_view value, const caller::Identity& caller) {
  if (!value.empty()) {
    return escape::control_characters(value);
  }
  return caller.unknown_because.empty() ? "not known"
                                        : "not known: " + escape::control_characters(caller.unknown_because);
}

std::string text_of(const std::string& value) {
  return escape::control_characters(value);
}

std::string text_of(unsigned id) {
  return std::to_string(id);
}

template <typename T>
std::string listed(const std::vector<T>& values, std::string_view separator) {
  std::string text;
  for (const T& value : values) {
    text += (text.empty() ? "" : std::string(separator)) + text_of(value);
  }
  return text;
}

template <typename T>
std::string wanted(const std::vector<T>& values) {
  return "; wanted: " + listed(values, " or ");
}

// In the place of what a condition asks of a container.
std::string shown_of_container(std::string_view value, const caller::Identity& caller) {
  if (caller.container_is_verified && value.empty() && caller.unknown_because.empty()) {
    return "not known: its runtime has not noted it where msi2imds looks";
  }
  if (caller.container_is_verified) {
    return shown(value, caller);
  }
  if (!caller.container.empty()) {
    return shown(caller.container, caller) + ", which a user may have named so";
  }
  return caller.cgroup.empty() ? shown("", caller) : "none";
}

// What was found instead of what the condition asks for.
std::string explain_unmet(Condition unmet, const Conditions& conditions, const caller::Identity& caller,
                          const token::TokenRequest& request) {
  switch (unmet) {
    case Condition::none:
      break;
    case Condition::uid:
      return "uid is " + shown(caller.uid ? std::to_string(*caller.uid) : "", caller) +
             wanted(conditions.uids);
    case Condition::gid:
      return "gids are " + shown(listed(caller.gids, ", "), caller) + wanted(conditions.gids);
    case Condition::unit:
      return "unit is " + shown(caller.unit, caller) + ", cgroup is " + shown(caller.cgroup, caller) +
             wanted(conditions.units);
    case Condition::program: {
      const bool is_another = !caller.program.empty() && !caller.program_is_verified;
      return "program is " + shown(caller.program, caller) +
             (is_another ? ", which is not the file of that path" : "") + wanted(conditions.programs);
    }
    case Condition::sha256:
      return "sha256 is " + shown(caller.sha256, caller) + wanted(conditions.sha256s);
    case Condition::container:
      return "container is " + shown_of_container(caller.container, caller) + wanted(conditions.containers);
    case Condition::container_name:
      return "container_name is " + shown_of_container(caller.container_name, caller) +
             wanted(conditions.container_names);
    case Condition::container_image:
      return "container_image is " + shown_of_container(caller.container_image, caller) +
             wanted(conditions.container_images);
    case Condition::resource:
      return "resource is " + escape::control_characters(request.resource) + wanted(conditions.resources);
    case Condition::identity:
      return (request.identity.kind == token::SelectorKind::none
                  ? std::string("no identity is named")
                  : "identity is " + escape::control_characters(request.identity.value)) +
             wanted(conditions.identities);
  }
  return "matches";
}

}  // namespace

bool Conditions::need_process() const {
  return !gids.empty() || !units.empty() || !programs.empty() || !sha256s.empty() || !containers.empty() ||
         !container_names.empty() || !container_images.empty();
}

bool Conditions::need_caller() const {
  return !uids.empty() || need_process();
}

Met meet(const Conditions& conditions, const caller::Identity& caller, const token::TokenRequest& request) {
  static const caller::Identity nobody;
  return judge(conditions, caller.is_in_doubt ? nobody : caller, request).met;
}

std::string explain(const Conditions& conditions, const caller::Identity& caller,
                    const token::TokenRequest& request) {
  caller::Identity known;
  known.unknown_because = caller.unknown_because;
  if (!caller.is_in_doubt) {
    known = caller;
  }
  return explain_unmet(judge(conditions, known, request).first_unmet, conditions, known, request);
}

}  // namespace msi2imds::policy

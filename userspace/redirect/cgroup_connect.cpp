// SPDX-License-Identifier: MIT
#include "redirect/cgroup_connect.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "loader/cgroup.hpp"
#include "redirect/guard.hpp"

namespace msi2imds::redirect {
namespace {

// From best to worst.
constexpr std::array kVariants = {
    ConnectVariant{ListenerGuard::storage, true}, ConnectVariant{ListenerGuard::storage, false},
    ConnectVariant{ListenerGuard::mark, false}, ConnectVariant{ListenerGuard::none, false}};

std::vector<std::string> cgroups_of(const Plan& plan) {
  return plan.cgroups.empty() ? std::vector<std::string>{"/"} : plan.cgroups;
}

using Attachments = std::vector<loader::CgroupAttachment>;

// All programs, or none.
Result<Attachments> attach_all(const ConnectPrograms& programs, const std::string& cgroup,
                               loader::AttachMethod method) {
  const Result<UniqueFd> directory = loader::open_cgroup(cgroup);
  if (!directory) {
    return directory.error();
  }
  Attachments attachments;
  for (const loader::ProgramOfHook& program : programs.programs()) {
    Result<loader::CgroupAttachment> attachment =
        loader::CgroupAttachment::attach(program, directory->get(), method);
    if (!attachment) {
      return attachment.error();
    }
    attachments.push_back(std::move(*attachment));
  }
  return attachments;
}

Result<void> check_all(const Attachments& attachments) {
  for (const loader::CgroupAttachment& attachment : attachments) {
    Result<void> checked = attachment.check();
    if (!checked) {
      return checked;
    }
  }
  return {};
}

class CgroupConnectRedirection final : public Redirection {
 public:
  CgroupConnectRedirection(ConnectPrograms programs, loader::AttachMethod method, const Plan& plan)
      : programs_(std::move(programs)), method_(method), listen_port_(plan.listen_port) {
    for (const std::string& cgroup : cgroups_of(plan)) {
      places_.push_back({.cgroup = cgroup, .attachments = {}});
    }
  }

  CgroupConnectRedirection(const CgroupConnectRedirection&) = delete;
  CgroupConnectRedirection& operator=(const CgroupConnectRedirection&) = delete;
  ~CgroupConnectRedirection() override {
    places_.clear();
    dismiss_guard();
  }

  // A missing cgroup is no error: that of a service appears when the service starts.
  asio::awaitable<Result<void>> attach() {
    for (Place& place : places_) {
      Result<void> attached = attach_to(place);
      if (!attached && attached.error().code() != boost::system::errc::no_such_file_or_directory) {
        co_return attached;
      }
    }
    co_return co_await renew_guard();
  }

  [[nodiscard]] asio::awaitable<Result<void>> check() override {
    for (const Place& place : places_) {
      Result<void> checked = check_place(place);
      if (!checked) {
        co_return checked.error().within("in cgroup '" + place.cgroup + "'");
      }
    }
    co_return Result<void>();
  }

  // A service that was restarted has another cgroup of the same name.
  [[nodiscard]] asio::awaitable<Result<void>> repair() override {
    for (Place& place : places_) {
      const Result<void> checked = check_place(place);
      if (!checked) {
        place.attachments.clear();
        Result<void> attached = attach_to(place);
        if (!attached) {
          co_return attached;
        }
      }
    }
    co_return co_await renew_guard();
  }

  [[nodiscard]] bool hand_over() override {
    const bool can = std::all_of(places_.begin(), places_.end(), [](const Place& place) {
      return std::all_of(
          place.attachments.begin(), place.attachments.end(),
          [](const loader::CgroupAttachment& attachment) { return attachment.outlives_process(); });
    });
    if (can) {
      for (Place& place : places_) {
        for (loader::CgroupAttachment& attachment : place.attachments) {
          attachment.release();
        }
      }
      dismiss_guard();
    }
    return can;
  }

  [[nodiscard]] std::vector<std::string> remarks() const override {
    std::vector<std::string> remarks;
    if (!programs_.variant().shows_dialled) {
      remarks.push_back("clients that ask for their peer's address see port " + std::to_string(listen_port_));
    }
    if (programs_.variant().guard == ListenerGuard::mark) {
      remarks.emplace_back(
          "our listeners are known by their mark, which a container with CAP_NET_ADMIN could copy");
    }
    if (programs_.variant().guard == ListenerGuard::none) {
      remarks.emplace_back(
          "this kernel cannot tell who listens: connections within containers are redirected too");
    }
    return remarks;
  }

  [[nodiscard]] std::optional<SocketAddress> dialled_by(std::uint64_t cookie) const override {
    return programs_.dialled_by(cookie);
  }

 private:
  struct Place {
    std::string cgroup;
    Attachments attachments;  // none: the cgroup is not there
  };

  Result<void> attach_to(Place& place) {
    Result<Attachments> attachments = attach_all(programs_, place.cgroup, method_);
    if (!attachments) {
      return attachments.error();
    }
    place.attachments = std::move(*attachments);
    return {};
  }

  [[nodiscard]] static Result<void> check_place(const Place& place) {
    if (place.attachments.empty()) {
      return Error::from_errno(ENOENT, "the cgroup does not exist (yet)");
    }
    return check_all(place.attachments);
  }

  // Programs that are attached without a link would stay attached if this process were killed.
  asio::awaitable<Result<void>> renew_guard() {
    std::vector<loader::CgroupAttachment::Raw> attached;
    std::vector<int> descriptors;
    for (const Place& place : places_) {
      for (const loader::CgroupAttachment& attachment : place.attachments) {
        if (attachment.outlives_process()) {
          attached.push_back(attachment.raw());
          descriptors.push_back(attached.back().program);
          descriptors.push_back(attached.back().cgroup);
        }
      }
    }
    if (attached.empty()) {
      dismiss_guard();
      co_return Result<void>();
    }
    Guard::Undo undo = [attached] {
      std::for_each(attached.begin(), attached.end(), loader::CgroupAttachment::detach);
      return true;
    };
    Result<Guard> guard = co_await Guard::start(std::move(undo), std::move(descriptors));
    if (!guard) {
      co_return guard.error();
    }
    dismiss_guard();
    guard_.emplace(std::move(*guard));
    co_return Result<void>();
  }

  // Nothing is attached any more, or another guard looks after it.
  void dismiss_guard() {
    if (guard_) {
      guard_->dismiss();
      guard_.reset();
    }
  }

  ConnectPrograms programs_;
  loader::AttachMethod method_;
  std::uint16_t listen_port_;
  std::vector<Place> places_;  // detached before the programs go
  std::optional<Guard> guard_;
};

// Looks at every cgroup: an earlier process may have been configured with others.
std::vector<std::string> detach_leftovers(const std::vector<std::uint32_t>& kept) {
  std::vector<std::string> removed;
  loader::visit_cgroups([&](int directory, const std::string& path) {
    const std::size_t count = loader::detach_leftovers(directory, kept, was_attached_from_here);
    if (count > 0) {
      removed.push_back("cgroup_connect: " + std::to_string(count) + " programs on cgroup '" + path + "'");
    }
  });
  return removed;
}

}  // namespace

Result<ConnectPrograms> CgroupConnectRedirector::load_best(const Plan& plan) const {
  if (forced_.variant) {
    return ConnectPrograms::load(*forced_.variant);
  }
  std::optional<Error> first_failure;
  for (const ConnectVariant& variant : kVariants) {
    if (variant.guard == ListenerGuard::none && !plan.is_chosen) {
      break;  // it would redirect containers too, which only the configuration may ask for
    }
    Result<ConnectPrograms> programs = ConnectPrograms::load(variant);
    if (programs) {
      return programs;
    }
    first_failure = first_failure.value_or(programs.error());
  }
  return *first_failure;
}

asio::awaitable<Result<void>> CgroupConnectRedirector::probe(const Plan& plan) const {
  const Result<ConnectPrograms> programs = load_best(plan);
  if (!programs) {
    co_return programs.error();
  }
  for (const std::string& cgroup : cgroups_of(plan)) {
    // Programs that are not configured redirect nothing while they are attached.
    const Result<Attachments> attached = attach_all(*programs, cgroup, forced_.method);
    if (!attached &&
        (plan.cgroups.empty() || attached.error().code() != boost::system::errc::no_such_file_or_directory)) {
      co_return attached.error();
    }
  }
  co_return Result<void>();
}

std::vector<SocketAddress> CgroupConnectRedirector::listen_addresses(const Plan& plan) const {
  return {SocketAddress::ipv4_loopback(plan.listen_port), SocketAddress::ipv6_loopback(plan.listen_port)};
}

asio::awaitable<Result<std::unique_ptr<Redirection>>> CgroupConnectRedirector::install(
    const Plan& plan, const std::vector<Listener>& listeners) const {
  Result<ConnectPrograms> programs = load_best(plan);
  if (!programs) {
    co_return programs.error();
  }
  const Result<void> configured = programs->configure(plan, listeners);
  if (!configured) {
    co_return configured.error();
  }
  std::vector<std::uint32_t> ids;
  for (const loader::ProgramOfHook& program : programs->programs()) {
    ids.push_back(loader::id_of(bpf_program__fd(program.program)));
  }
  auto redirection = std::make_unique<CgroupConnectRedirection>(std::move(*programs), forced_.method, plan);
  const Result<void> attached = co_await redirection->attach();
  if (!attached) {
    co_return attached.error();
  }
  (void)detach_leftovers(ids);
  co_return redirection;
}

asio::awaitable<Result<std::vector<std::string>>> CgroupConnectRedirector::remove_leftovers(
    const Plan& /*plan*/, Removal /*removal*/) const {
  co_return detach_leftovers({});
}

}  // namespace msi2imds::redirect

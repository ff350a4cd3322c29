// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "metrics/family.hpp"

namespace msi2imds::metrics {

// Everything that is measured, at one moment: a line here is a metric, and whoever knows it gives it its
// samples. One that was given none is not shown.
class Snapshot {
  Families all_;  // first: the others are in it

 public:
  Snapshot() = default;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() = default;

  Family& build_info = all_.gauge("msi2imds_build_info", "The version that runs.");  // by version
  Family& start_time = all_.gauge("msi2imds_start_time_seconds", "When the responder started.");
  Family& restarts =
      all_.counter("msi2imds_responder_restarts_total", "Responders started to replace one that ended.");
  Family& sockets_replaced =
      all_.counter("msi2imds_sockets_replaced_total",
                   "Listening sockets that accepted nobody any more, and were replaced.");
  Family& is_intercepting = all_.gauge("msi2imds_intercepting", "Whether the redirection is in force.");
  Family& is_observing =
      all_.gauge("msi2imds_observing", "Whether callers are observed while others answer them.");
  Family& backend_info =
      all_.gauge("msi2imds_backend_info", "How connections are redirected.");  // by backend
  // By what (admin/shortcoming.hpp).
  Family& shortcomings = all_.gauge("msi2imds_shortcoming",
                                    "Whether something does not work as it should while callers are served.");
  Family& contained_failures =
      all_.counter("msi2imds_connections_failed_total",
                   "Connections that were given up because something failed here, for instance memory.");
  Family& connections = all_.gauge("msi2imds_connections", "Open connections of clients.");
  Family& accepted =
      all_.counter("msi2imds_connections_accepted_total", "Connections of clients since the start.");
  Family& gave_way =
      all_.counter("msi2imds_connections_gave_way_total",
                   "Connections of whoever had most that were closed so that others had room.");

  // By outcome and source.
  Family& requests = all_.counter("msi2imds_requests_total", "Requests that were answered.");
  // By source.
  Family& durations =
      all_.histogram("msi2imds_request_duration_seconds", "From a request's last byte to its answer.");
  // By who chose.
  Family& choices = all_.counter(
      "msi2imds_identity_choices_total",
      "Token requests by who chose the identity: the client, a rule, the default, IMDS or nobody.");
  Family& would_be_refused = all_.counter("msi2imds_policy_would_refuse_total",
                                          "Requests that the rules would refuse if they were enforced.");
  Family& last_request = all_.gauge(
      "msi2imds_last_request_timestamp_seconds",
      "When the last request came, by the table of callers, which outlasts restarts; 0 before the first.");
  Family& callers = all_.gauge("msi2imds_callers", "Callers known by unit and program.");
  // By unit and program.
  Family& caller_last_requests = all_.gauge(
      "msi2imds_caller_last_request_timestamp_seconds",
      "When the ten callers that asked last did so, and the last of all others; 0: there are none.");
  Family& verdicts =
      all_.gauge("msi2imds_endpoint_verdict", "Whether the legacy endpoint can be retired.");  // by kind
  Family& extension_states =
      all_.gauge("msi2imds_extension_state", "The managed identity extension's state.");  // by state
  Family& stages = all_.gauge("msi2imds_stage", "How far the migration is.");             // by stage

  // By status; "error": no answer.
  Family& upstream_requests =
      all_.counter("msi2imds_upstream_requests_total", "Requests to IMDS by the status of the answer.");
  // By outcome.
  Family& mismatches = all_.counter("msi2imds_upstream_mismatches_total",
                                    "Tokens from IMDS that did not fit the request, by what became of them.");
  Family& upstream_durations =
      all_.histogram("msi2imds_upstream_duration_seconds", "How long IMDS took to answer.");
  Family& clock_ahead =
      all_.gauge("msi2imds_upstream_clock_skew_seconds",
                 "How far this machine's clock is ahead of that of IMDS; negative: behind.");
  Family& quota_waits =
      all_.histogram("msi2imds_quota_wait_seconds", "How long requests to IMDS waited for their turn.");
  Family& cached_tokens = all_.gauge("msi2imds_cached_tokens", "Tokens in the cache.");
  Family& cache_bytes = all_.gauge("msi2imds_cache_size_bytes", "Memory of the cached tokens.");
  Family& oldest_token =
      all_.gauge("msi2imds_cache_oldest_token_age_seconds", "Age of the oldest token in the cache.");

  Family& log_lines_lost =
      all_.counter("msi2imds_log_lines_lost_total", "Lines of the responder's log that nobody read in time.");
  Family& warnings_left_out = all_.counter("msi2imds_log_warnings_left_out_total",
                                           "Warnings about callers that were too many to be logged.");
  // By outcome.
  Family& audit_lines = all_.counter("msi2imds_audit_lines_total", "Audit lines by what became of them.");

  // In Prometheus's text format.
  [[nodiscard]] std::string text() const {
    return all_.text();
  }
};

}  // namespace msi2imds::metrics

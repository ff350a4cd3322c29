// SPDX-License-Identifier: MIT
#include "metrics/snapshot.hpp"

#include "metrics/text.hpp"

namespace msi2imds::metrics {
namespace {

double number(std::uint64_t value) {
  return static_cast<double>(value);
}

void add_requests(Text& text, const Snapshot& now) {
  text.counter("msi2imds_requests_total", "Requests that were answered.");
  for (const auto& [kind, count] : now.requests) {
    text.add(number(count), {{"outcome", kind.first}, {"source", kind.second}});
  }
  text.histogram("msi2imds_request_duration_seconds", "From a request's last byte to its answer.");
  for (const auto& [source, durations] : now.durations) {
    text.add(durations, {{"source", source}});
  }
  text.counter("msi2imds_identity_choices_total",
               "Token requests by who chose the identity: the client, a rule, the default, IMDS or nobody.");
  for (const auto& [by, count] : now.choices) {
    text.add(number(count), {{"by", by}});
  }
  text.counter("msi2imds_policy_would_refuse_total",
               "Requests that the rules would refuse if they were enforced.");
  text.add(number(now.would_be_refused));
  text.gauge("msi2imds_last_request_timestamp_seconds", "When the last request came, 0 before the first.");
  text.add(now.last_request);
  text.gauge("msi2imds_callers", "Callers known by unit and program.");
  text.add(number(now.callers));
}

void add_upstream(Text& text, const Snapshot& now) {
  text.counter("msi2imds_upstream_requests_total", "Requests to IMDS by the status of the answer.");
  for (const auto& [status, count] : now.upstream_by_status) {
    text.add(number(count), {{"status", status == 0 ? "error" : std::to_string(status)}});
  }
  text.counter("msi2imds_upstream_mismatches_total",
               "Tokens from IMDS that did not fit the request, by what became of them.");
  text.add(number(now.mismatches_served), {{"outcome", "served"}});
  text.add(number(now.mismatches_asked_anew), {{"outcome", "asked_anew"}});
  text.add(number(now.mismatches_refused), {{"outcome", "refused"}});
  text.histogram("msi2imds_upstream_duration_seconds", "How long IMDS took to answer.");
  text.add(now.upstream_durations);
  if (now.clock_ahead) {
    text.gauge("msi2imds_upstream_clock_skew_seconds",
               "How far this machine's clock is ahead of that of IMDS; negative: behind.");
    text.add(*now.clock_ahead);
  }
  text.histogram("msi2imds_quota_wait_seconds", "How long requests to IMDS waited for their turn.");
  text.add(now.quota_waits);
  text.gauge("msi2imds_cached_tokens", "Tokens in the cache.");
  text.add(number(now.cached_tokens));
  text.gauge("msi2imds_cache_size_bytes", "Memory of the cached tokens.");
  text.add(number(now.cache_bytes));
  text.gauge("msi2imds_cache_oldest_token_age_seconds", "Age of the oldest token in the cache.");
  text.add(now.oldest_token);
}

}  // namespace

std::string render(const Snapshot& now) {
  Text text;
  text.gauge("msi2imds_build_info", "The version that runs.");
  text.add(1, {{"version", now.version}});
  text.gauge("msi2imds_start_time_seconds", "When the responder started.");
  text.add(now.start_time);
  text.counter("msi2imds_responder_restarts_total", "Responders started to replace one that ended.");
  text.add(number(now.responders_started == 0 ? 0 : now.responders_started - 1));
  text.gauge("msi2imds_intercepting", "Whether the redirection is in force.");
  text.add(now.is_intercepting ? 1 : 0);
  text.gauge("msi2imds_observing", "Whether callers are observed while others answer them.");
  text.add(now.is_observing ? 1 : 0);
  text.gauge("msi2imds_backend_info", "How connections are redirected.");
  text.add(1, {{"backend", now.backend}});
  text.gauge("msi2imds_connections", "Open connections of clients.");
  text.add(number(now.connections));
  text.counter("msi2imds_connections_accepted_total", "Connections of clients since the start.");
  text.add(number(now.accepted));
  add_requests(text, now);
  add_upstream(text, now);
  text.counter("msi2imds_audit_lines_total", "Audit lines by what became of them.");
  text.add(number(now.audit_written), {{"outcome", "written"}});
  text.add(number(now.audit_left_out), {{"outcome", "left_out"}});
  text.add(number(now.audit_failed), {{"outcome", "failed"}});
  return text.take();
}

}  // namespace msi2imds::metrics

// SPDX-License-Identifier: MIT
#include "legacy/library.hpp"

#include <array>
#include <string_view>

#include "base/text.hpp"

namespace msi2imds::legacy {
namespace {

using token::Library;

struct Sign {
  std::string_view begin;  // of the User-Agent
  Library library;
};

constexpr std::array<Sign, 16> kSigns = {{
    {"curl/", Library::curl},
    {"Wget/", Library::wget},
    {"azsdk-", Library::azure_identity},
    {"Go-http-client/", Library::go},
    {"python-", Library::python},  // python-requests, python-httpx
    {"Python", Library::python},   // urllib, aiohttp
    {"Java", Library::java},       // HttpURLConnection, HttpClient
    {"Apache-HttpClient/", Library::java},
    {"okhttp/", Library::java},
    {"axios/", Library::node},
    {"node", Library::node},
    {"undici", Library::node},
    {"got", Library::node},
    {"Faraday ", Library::ruby_ms_rest_azure},
    {"Ruby", Library::ruby},
    {".NET", Library::dotnet},
}};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Library by_agent(std::string_view agent) {
  if (contains(agent, "go-autorest")) {
    return Library::go_autorest;
  }
  if (contains(agent, "PowerShell")) {
    return Library::powershell;
  }
  for (const Sign& sign : kSigns) {
    if (agent.starts_with(sign.begin)) {
      return sign.library;
    }
  }
  return Library::other;
}

// Who says nothing of itself.
Library by_shape(const http::Request& request) {
  if (request.method != "POST" || request.body.empty()) {
    return Library::other;
  }
  return contains(request.body, "authority=") ? Library::node_ms_rest_azure : Library::dotnet;
}

bool closes_connection(const http::Request& request) {
  const std::string* const connection = request.header("Connection");
  return connection != nullptr && equal_ignoring_case(*connection, "close");
}

// Old Azure libraries on top of a client that others use as well.
Library refine(Library library, const http::Request& request) {
  const bool has_form = request.method == "POST" && !request.body.empty();
  switch (library) {
    case Library::go:
      return contains(request.body, "grant_type=") ? Library::go_autorest : library;
    case Library::python:
      return has_form ? Library::python_msrestazure : library;
    case Library::java:
      return has_form ? Library::java_msi : closes_connection(request) ? Library::hadoop : library;
    case Library::node:
      return request.method == "POST" ? Library::node_nodeauth : library;
    default:
      return library;
  }
}

}  // namespace

Library recognize_library(const http::Request& request) {
  if (request.body.starts_with('"')) {  // as no other client puts a form
    return Library::node_nodeauth;
  }
  const std::string* const agent = request.header("User-Agent");
  return agent == nullptr || agent->empty() ? by_shape(request) : refine(by_agent(*agent), request);
}

}  // namespace msi2imds::legacy

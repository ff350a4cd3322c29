// SPDX-License-Identifier: MIT
#include "cli/library_change.hpp"

#include <algorithm>
#include <functional>

#include "base/text.hpp"
#include "usage/document.hpp"

namespace msi2imds::cli {
namespace {

constexpr std::string_view kAskImds =
    "ask IMDS: GET 169.254.169.254/metadata/identity/oauth2/token with api-version=2018-02-01";
constexpr std::string_view kAskImdsUrl =
    "https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token";

}  // namespace

constexpr std::array<LibraryChange, token::kLibraries.size()> kLibraryChanges = {{
    {"Azure SDK of today", "unset MSI_ENDPOINT where it starts: without it the library asks IMDS",
     kAskImdsUrl},
    {"curl", kAskImds, kAskImdsUrl},
    {".NET, such as Fluent", "Azure.Identity and Azure.ResourceManager",
     "https://aka.ms/dotnet/t2/migration"},
    {"Go", kAskImds, kAskImdsUrl},
    {"Go: go-autorest", "azidentity.ManagedIdentityCredential in place of adal",
     "https://github.com/Azure/azure-sdk-for-go/blob/main/documentation/MIGRATION_GUIDE.md"},
    {"Hadoop: ABFS", "leave out fs.azure.account.oauth2.msi.endpoint: IMDS is its default",
     "https://hadoop.apache.org/docs/current/hadoop-azure/abfs.html"},
    {"Java", kAskImds, kAskImdsUrl},
    {"Java: MSICredentials", "ManagedIdentityCredential of azure-identity",
     "https://github.com/Azure/azure-sdk-for-java/blob/main/sdk/resourcemanager/docs/MIGRATION_GUIDE.md"},
    {"Node.js", kAskImds, kAskImdsUrl},
    {"Node.js: ms-rest-azure", "ManagedIdentityCredential of @azure/identity",
     "https://github.com/Azure/azure-sdk-for-js/blob/main/documentation/"
     "MIGRATION-guide-for-next-generation-management-libraries.md"},
    {"Node.js: ms-rest-nodeauth", "ManagedIdentityCredential of @azure/identity",
     "https://github.com/Azure/azure-sdk-for-js/blob/main/documentation/"
     "MIGRATION-guide-for-next-generation-management-libraries.md"},
    {"PowerShell", "Connect-AzAccount -Identity of Az.Accounts, or ask IMDS",
     "https://learn.microsoft.com/en-us/powershell/azure/authenticate-noninteractive"},
    {"Python", kAskImds, kAskImdsUrl},
    {"Python: msrestazure or azure-cli",
     "ManagedIdentityCredential of azure-identity; azure-cli: a release of today",
     "https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/identity/azure-identity/"
     "migration_guide.md"},
    {"Ruby", kAskImds, kAskImdsUrl},
    {"Ruby: ms_rest_azure", kAskImds, kAskImdsUrl},
    {"wget", kAskImds, kAskImdsUrl},
    {"another one", kAskImds, kAskImdsUrl},
}};

std::vector<std::size_t> libraries_of(const usage::Row& row) {
  std::vector<std::size_t> libraries;
  for (std::size_t i = 0; i < row.libraries.size(); ++i) {
    if (row.libraries[i] != 0) {
      libraries.push_back(i);
    }
  }
  std::ranges::stable_sort(libraries, std::ranges::greater(),
                           [&row](std::size_t i) { return row.libraries[i]; });
  return libraries;
}

std::string libraries_text(const usage::Row& row) {
  std::string text;
  for (const std::size_t library : libraries_of(row)) {
    text += text.empty() ? "" : ", ";
    text += kLibraryChanges[library].name;
    text += " " + with_separators(row.libraries[library]);
  }
  return text;
}

void append_libraries_seen(std::string& out, const std::vector<const usage::Row*>& rows) {
  std::string members;
  for (std::size_t i = 0; i < kLibraryChanges.size(); ++i) {
    if (std::ranges::none_of(rows, [i](const usage::Row* row) { return row->libraries[i] != 0; })) {
      continue;
    }
    const LibraryChange& known = kLibraryChanges[i];
    std::string library;
    usage::append_member(library, "name", known.name);
    usage::append_member(library, "change", known.change);
    usage::append_member(library, "url", known.url);
    members += ",\"" + std::string(token::kLibraries[i]) + "\":{" + library.substr(1) + "}";
  }
  out += ",\"libraries_seen\":{" + (members.empty() ? members : members.substr(1)) + "}";
}

}  // namespace msi2imds::cli

# deb and rpm, readable by dpkg 1.17 and rpm 4.11, the same bytes from the same commit (SOURCE_DATE_EPOCH).
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE amd64)
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
else()
  message(FATAL_ERROR "Packages are made for x86_64 and aarch64, and this is for ${CMAKE_SYSTEM_PROCESSOR}")
endif()
set(CPACK_RPM_PACKAGE_ARCHITECTURE ${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_PACKAGE_NAME msi2imds)
set(CPACK_PACKAGE_VENDOR "The msi2imds authors")
set(CPACK_PACKAGE_CONTACT "The msi2imds authors <msi2imds@example.com>")
set(CPACK_PACKAGE_HOMEPAGE_URL "https://example.com/msi2imds")
set(summary "Legacy managed identity endpoint, answered from IMDS")
set(description
"Programs written for Azure's retired managed identity VM extension ask
http://localhost:50342/oauth2/token for an access token. msi2imds leads their
connections to itself, by eBPF or firewall rules, and answers them from the
Instance Metadata Service, so that the extension can be removed without
changing, restarting or reconfiguring any application.

Nothing starts by being installed: systemctl enable msi2imds, then
systemctl start msi2imds.")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # or both debs get it before their own
set(symbols_summary "Debug symbols of msi2imds")
set(symbols_description "What a debugger needs to read a core dump or a stack of msi2imds.")

set(selinux_summary "SELinux policy of msi2imds")
set(selinux_description
"A domain of its own for msi2imds, and one with less for the process that reads
what clients send, under the policies of EL 7 and later and of Fedora.")

# Packages: the components msi2imds and that of the package's kind; the symbols; as an rpm, the SELinux policy.
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_SOURCE_DIR}/PackageKind.cmake)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/FileTimes.cmake)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR OFF)
set(CPACK_PACKAGE_RELOCATABLE OFF)
set(CPACK_STRIP_FILES OFF)  # stripped already, the symbols with a link to them
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS OFF)  # static
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME msi2imds)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS passwd)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "iptables | nftables")  # for kernels without sk_lookup
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "${summary}\n${description}")
foreach(file postinst prerm postrm conffiles)
  list(APPEND CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_SOURCE_DIR}/deb/${file})
endforeach()
set(CPACK_DEBIAN_SYMBOLS_PACKAGE_NAME msi2imds-dbg)
set(CPACK_DEBIAN_SYMBOLS_PACKAGE_SECTION debug)
set(CPACK_DEBIAN_SYMBOLS_PACKAGE_DEPENDS "msi2imds (= ${PROJECT_VERSION}-1)")
set(CPACK_DEBIAN_SYMBOLS_DESCRIPTION "${symbols_summary}\n${symbols_description}")

set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_MAIN_COMPONENT program)
set(CPACK_RPM_PACKAGE_RELEASE 1)
set(CPACK_RPM_PACKAGE_LICENSE MIT)
set(CPACK_RPM_PACKAGE_GROUP "System Environment/Daemons")
set(CPACK_RPM_PACKAGE_URL ${CPACK_PACKAGE_HOMEPAGE_URL})
set(CPACK_RPM_COMPRESSION_TYPE xz)  # rpm 4.11 has no zstd
set(CPACK_RPM_PACKAGE_AUTOREQPROV no)
set(CPACK_RPM_PROGRAM_PACKAGE_SUMMARY ${summary})
set(CPACK_RPM_PROGRAM_PACKAGE_DESCRIPTION ${description})
set(CPACK_RPM_PROGRAM_PACKAGE_REQUIRES_POST "/usr/sbin/useradd, /usr/bin/getent")
set(CPACK_RPM_PROGRAM_POST_INSTALL_SCRIPT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/rpm/post)
set(CPACK_RPM_PROGRAM_POST_TRANS_SCRIPT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/rpm/posttrans)
set(CPACK_RPM_PROGRAM_PRE_UNINSTALL_SCRIPT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/rpm/preun)
set(CPACK_RPM_PROGRAM_POST_UNINSTALL_SCRIPT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/rpm/postun)
set(CPACK_RPM_PROGRAM_USER_FILELIST
    "%config(noreplace) /etc/msi2imds/msi2imds.toml" "%config(noreplace) /etc/logrotate.d/msi2imds"
    "%dir /etc/msi2imds" "%dir /etc/msi2imds/conf.d" "%doc /usr/share/doc/msi2imds/copyright"
    "%doc /usr/share/doc/msi2imds/examples/sysctl.conf" "%doc /usr/share/doc/msi2imds/examples/alerts.yml"
    "%doc /usr/share/doc/msi2imds/examples/grafana-dashboard.json" "%doc /usr/share/doc/msi2imds/MIGRATION.md"
    "%doc /usr/share/doc/msi2imds/CONTAINERS.md" "%doc /usr/share/doc/msi2imds/FLEET.md"
    "%doc /usr/share/doc/msi2imds/callers.md" "%doc /usr/share/doc/msi2imds/json.md"
    "%doc /usr/share/doc/msi2imds/metrics.md" "%doc /usr/share/doc/msi2imds/TROUBLESHOOTING.md"
    "%doc /usr/share/doc/msi2imds/monitoring.md" "%doc /usr/share/doc/msi2imds/units.md"
    "%doc /usr/share/doc/msi2imds/third-party.gz" "%doc /usr/share/doc/msi2imds/msi2imds.spdx.json"
    "%doc /usr/share/doc/msi2imds/msi2imds.cdx.json" "%doc /usr/share/doc/msi2imds/changelog.gz")
set(CPACK_RPM_SELINUX_PACKAGE_NAME msi2imds-selinux)
set(CPACK_RPM_SELINUX_PACKAGE_ARCHITECTURE noarch)
set(CPACK_RPM_SELINUX_PACKAGE_SUMMARY ${selinux_summary})
set(CPACK_RPM_SELINUX_PACKAGE_DESCRIPTION ${selinux_description})
set(CPACK_RPM_SELINUX_PACKAGE_REQUIRES "msi2imds = ${PROJECT_VERSION}")
set(CPACK_RPM_SELINUX_PACKAGE_REQUIRES_POST "/usr/sbin/semodule, msi2imds")
set(CPACK_RPM_SELINUX_PACKAGE_REQUIRES_POSTUN "/usr/sbin/semodule")
set(CPACK_RPM_SELINUX_POST_INSTALL_SCRIPT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/rpm/selinux/post)
set(CPACK_RPM_SELINUX_PRE_UNINSTALL_SCRIPT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/rpm/selinux/preun)
set(CPACK_RPM_SELINUX_POST_UNINSTALL_SCRIPT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/rpm/selinux/postun)
set(CPACK_RPM_SELINUX_USER_FILELIST
    "%doc /usr/share/doc/msi2imds-selinux/selinux.md" "%doc /usr/share/doc/msi2imds-selinux/copyright")
set(CPACK_RPM_SYMBOLS_PACKAGE_NAME msi2imds-debuginfo)
set(CPACK_RPM_SYMBOLS_PACKAGE_SUMMARY ${symbols_summary})
set(CPACK_RPM_SYMBOLS_PACKAGE_DESCRIPTION ${symbols_description})
set(CPACK_RPM_SYMBOLS_PACKAGE_GROUP "Development/Debug")
set(CPACK_RPM_SYMBOLS_PACKAGE_REQUIRES "msi2imds = ${PROJECT_VERSION}")
# What the distribution owns.
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
    /etc /etc/logrotate.d /usr/lib/debug /usr/lib/debug/usr /usr/lib/debug/usr/sbin /usr/lib/systemd
    /usr/lib/systemd/system /usr/lib/systemd/system-preset /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/sbin
    /usr/share/bash-completion /usr/share/bash-completion/completions /usr/share/doc /usr/share/man /usr/share/man/man5
    /usr/share/man/man8 /usr/share/selinux /usr/share/selinux/packages /usr/share/zsh /usr/share/zsh/site-functions)
set(CPACK_RPM_SPEC_MORE_DEFINE
"%define _build_id_links none
%define use_source_date_epoch_as_buildtime 1
%define clamp_mtime_to_source_date_epoch 1
%define _buildhost reproducible
Packager: ${CPACK_PACKAGE_CONTACT}
%define __os_install_post %{nil}")

# zsh looks for completions elsewhere on each.
install(FILES completions/_msi2imds DESTINATION share/zsh/vendor-completions COMPONENT deb)
install(FILES completions/_msi2imds DESTINATION share/zsh/site-functions COMPONENT rpm)
# Where the profile is not loaded, the kernel would complain of the drop-in at each start.
install(FILES apparmor/msi2imds DESTINATION /etc/apparmor.d COMPONENT deb)
install(DIRECTORY systemd/241 DESTINATION lib/msi2imds/systemd COMPONENT deb)
install(FILES ${PROJECT_SOURCE_DIR}/docs/apparmor.md DESTINATION ${documents} COMPONENT deb)
install(FILES deb/lintian-overrides DESTINATION share/lintian/overrides RENAME msi2imds COMPONENT deb)
install(FILES ${data}/changelog.Debian.gz DESTINATION ${documents} COMPONENT deb)
install(FILES licences/copyright DESTINATION share/doc/msi2imds-dbg COMPONENT deb_symbols)
install(FILES deb/lintian-overrides-dbg DESTINATION share/lintian/overrides RENAME msi2imds-dbg COMPONENT deb_symbols)
install(FILES ${data}/changelog.Debian.gz DESTINATION share/doc/msi2imds-dbg COMPONENT deb_symbols)
include(CPack)
cpack_add_component(msi2imds GROUP program)
cpack_add_component(deb GROUP program)
cpack_add_component(rpm GROUP program)
cpack_add_component(selinux GROUP selinux)
cpack_add_component(symbols GROUP symbols)
cpack_add_component(deb_symbols GROUP symbols)

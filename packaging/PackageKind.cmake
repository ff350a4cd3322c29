# Read by CPack once for each generator: which components are its packages'.
if(CPACK_GENERATOR STREQUAL "DEB")
  set(CPACK_COMPONENTS_ALL msi2imds deb symbols deb_symbols)
elseif(CPACK_GENERATOR STREQUAL "RPM")
  set(CPACK_COMPONENTS_ALL msi2imds rpm selinux symbols)
endif()

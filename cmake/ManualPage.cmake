# manual_page(NAME.SECTION.md [DEPENDS FILES...]): target `manual` makes NAME.SECTION.gz of it, in this directory's
# binary directory. FILES are what the source takes in. Where the converter is missing, the rest can still be built.
find_program(GO_MD2MAN go-md2man)
set(MAKE_MANUAL_PAGE ${CMAKE_CURRENT_LIST_DIR}/../packaging/man/make-page)
if(GO_MD2MAN)
  add_custom_target(manual ALL)
else()
  message(STATUS "No manual pages: go-md2man is not installed")
  add_custom_target(manual
    COMMAND ${CMAKE_COMMAND} -E echo "The manual pages need go-md2man: install it, and run cmake again."
    COMMAND ${CMAKE_COMMAND} -E false
    VERBATIM)
endif()

function(manual_page source)
  cmake_parse_arguments(arg "" "" "DEPENDS" ${ARGN})
  if(NOT GO_MD2MAN)
    return()
  endif()
  cmake_path(GET source STEM LAST_ONLY name)
  cmake_path(ABSOLUTE_PATH source NORMALIZE)
  set(page ${CMAKE_CURRENT_BINARY_DIR}/${name}.gz)
  add_custom_command(
    OUTPUT ${page}
    COMMAND ${MAKE_MANUAL_PAGE} ${PROJECT_VERSION} ${source} ${page}
    DEPENDS ${source} ${arg_DEPENDS} ${MAKE_MANUAL_PAGE}
    COMMENT "Making ${name}"
    VERBATIM)
  add_custom_target(manual_${name} DEPENDS ${page})
  add_dependencies(manual manual_${name})
endfunction()

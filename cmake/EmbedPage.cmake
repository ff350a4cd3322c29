# Run with -P: joins HTML, STYLE and SCRIPTS into one page and writes it, as GZIP compresses it, as a C++ constant to OUTPUT.
# The page's own policy lets the browser run exactly this style and this script, by their hashes.
cmake_minimum_required(VERSION 3.25)

# SHA-256 of a text in base64, as Content-Security-Policy wants it.
function(base64_hash text result)
  set(alphabet "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  string(SHA256 hex "${text}")
  string(APPEND hex "00")  # 256 bits are 42 characters of six bits and two thirds of one
  set(encoded "")
  foreach(triple RANGE 0 21)
    math(EXPR place "${triple} * 3")
    string(SUBSTRING "${hex}" ${place} 3 digits)
    math(EXPR first "0x${digits} >> 6")
    math(EXPR second "0x${digits} & 63")
    string(SUBSTRING "${alphabet}" ${first} 1 first)
    string(SUBSTRING "${alphabet}" ${second} 1 second)
    string(APPEND encoded "${first}${second}")
  endforeach()
  string(SUBSTRING "${encoded}" 0 43 encoded)
  set(${result} "${encoded}=" PARENT_SCOPE)
endfunction()

file(READ "${HTML}" page)
file(READ "${STYLE}" style)
set(script "\"use strict\";\n(() => {\n")
foreach(part ${SCRIPTS})
  file(READ "${part}" text)
  string(APPEND script "${text}")
endforeach()
string(APPEND script "})();\n")
base64_hash("${style}" style_hash)
base64_hash("${script}" script_hash)
string(REPLACE "@STYLE_HASH@" "${style_hash}" page "${page}")
string(REPLACE "@SCRIPT_HASH@" "${script_hash}" page "${page}")
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")
file(WRITE "${OUTPUT}.html" "${page}")
# -n: without name and time, so that two builds write the same.
execute_process(COMMAND ${GZIP} -9n INPUT_FILE "${OUTPUT}.html" OUTPUT_FILE "${OUTPUT}.gz" COMMAND_ERROR_IS_FATAL ANY)
file(SIZE "${OUTPUT}.html" size)
file(READ "${OUTPUT}.gz" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE "${OUTPUT}"
     "#include \"cli/callers_page.hpp\"\n"
     "namespace {\n"
     "constexpr unsigned char kBytes[] = {${bytes}};\n"
     "}\n"
     "const msi2imds::cli::CompressedPage msi2imds::cli::kCallersPage{kBytes, ${size}};\n")

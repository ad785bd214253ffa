# Every third-party library of the build, by the one name the folders link.
find_package(MPI REQUIRED COMPONENTS C)
target_compile_definitions(MPI::MPI_C INTERFACE OMPI_SKIP_MPICXX)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(OpenCV REQUIRED COMPONENTS core imgproc imgcodecs)
find_package(prometheus-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
find_package(ZLIB REQUIRED)
find_package(TIFF REQUIRED)
find_package(GIF REQUIRED)
find_package(GTest REQUIRED)
find_package(Threads REQUIRED)
find_package(yaml-cpp REQUIRED)
find_library(PCRE2_LIBRARY pcre2-8 REQUIRED)
find_path(PCRE2_INCLUDE_DIR pcre2.h REQUIRED)

add_library(hdf5 INTERFACE)
target_include_directories(hdf5 SYSTEM INTERFACE ${HDF5_INCLUDE_DIRS})
target_link_libraries(hdf5 INTERFACE ${HDF5_LIBRARIES})

add_library(pcre2 INTERFACE)
target_include_directories(pcre2 SYSTEM INTERFACE ${PCRE2_INCLUDE_DIR})
target_link_libraries(pcre2 INTERFACE ${PCRE2_LIBRARY})

# What OpenCV does not read, or not as it should.
find_library(HEIF_LIBRARY heif REQUIRED)
find_path(HEIF_INCLUDE_DIR libheif/heif.h REQUIRED)
find_library(AVIF_LIBRARY avif REQUIRED)
find_path(AVIF_INCLUDE_DIR avif/avif.h REQUIRED)
find_library(JXL_LIBRARY jxl REQUIRED)
find_path(JXL_INCLUDE_DIR jxl/decode.h REQUIRED)
find_path(CSV_INCLUDE_DIR csv.h REQUIRED)
find_library(CSV_LIBRARY csv REQUIRED)
add_library(csv INTERFACE)
target_include_directories(csv SYSTEM INTERFACE ${CSV_INCLUDE_DIR})
target_link_libraries(csv INTERFACE ${CSV_LIBRARY})

add_library(picture_codecs INTERFACE)
target_include_directories(picture_codecs SYSTEM INTERFACE ${HEIF_INCLUDE_DIR} ${AVIF_INCLUDE_DIR} ${JXL_INCLUDE_DIR})
target_link_libraries(picture_codecs INTERFACE ${HEIF_LIBRARY} ${AVIF_LIBRARY} ${JXL_LIBRARY} TIFF::TIFF GIF::GIF ZLIB::ZLIB)

# As Debian builds it, which its header has to know.
find_library(HTTPLIB_LIBRARY cpp-httplib REQUIRED)
find_path(HTTPLIB_INCLUDE_DIR httplib.h REQUIRED)
add_library(httplib INTERFACE)
target_include_directories(httplib SYSTEM INTERFACE ${HTTPLIB_INCLUDE_DIR})
target_compile_definitions(httplib INTERFACE CPPHTTPLIB_OPENSSL_SUPPORT CPPHTTPLIB_ZLIB_SUPPORT CPPHTTPLIB_BROTLI_SUPPORT)
target_link_libraries(httplib INTERFACE ${HTTPLIB_LIBRARY} OpenSSL::SSL OpenSSL::Crypto Threads::Threads)

add_library(opencv INTERFACE)
target_include_directories(opencv SYSTEM INTERFACE ${OpenCV_INCLUDE_DIRS})
target_link_libraries(opencv INTERFACE opencv_core opencv_imgproc opencv_imgcodecs)

# Several ranks on few cores: yield instead of spinning; never bind, the trainer sets its own thread count.
find_program(MPIRUN mpirun REQUIRED)
set(SDLORA_MPIRUN env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  ${MPIRUN} --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 --mca btl self,vader)

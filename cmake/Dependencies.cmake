# Third-party libraries, all from Debian 12 packages; `./run` installs the ones that are missing.
# Modules name them in LIBS, by the target in the right-hand comment.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)        # Threads::Threads
find_package(OpenSSL 3 REQUIRED)      # OpenSSL::Crypto OpenSSL::SSL
find_package(fmt REQUIRED)            # fmt::fmt
find_package(tl-expected REQUIRED)    # tl::expected
find_package(spdlog REQUIRED)         # spdlog::spdlog
find_package(CLI11 REQUIRED)          # CLI11::CLI11
find_package(nlohmann_json REQUIRED)  # nlohmann_json::nlohmann_json
find_package(yaml-cpp REQUIRED)       # yaml-cpp
find_package(absl REQUIRED)           # absl::flat_hash_map ...
find_package(Boost 1.74 REQUIRED)     # Boost::headers (Beast and Asio)
find_package(Protobuf REQUIRED)       # protobuf::libprotobuf protobuf::protoc
find_package(gRPC CONFIG REQUIRED)    # gRPC::grpc++ gRPC::grpc++_reflection gRPC::grpc_cpp_plugin
find_package(PkgConfig REQUIRED)
pkg_check_modules(p11_kit REQUIRED IMPORTED_TARGET p11-kit-1)  # PkgConfig::p11_kit
pkg_check_modules(cjose REQUIRED IMPORTED_TARGET cjose)    # PkgConfig::cjose
find_package(CURL 7.85 REQUIRED)      # CURL::libcurl
# RE2 (-lre2) and RapidJSON (headers only) are where the system keeps them.
find_package(GTest REQUIRED)          # GTest::gtest_main GTest::gmock
find_package(benchmark REQUIRED)      # benchmark::benchmark_main
find_package(prometheus-cpp REQUIRED)     # prometheus-cpp::core

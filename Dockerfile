# syntax=docker/dockerfile:1.7
# Images of Steno. `docker build --target api .` makes a small one with steno-api, steno-courier and
# steno; `docker build --target worker .` adds steno-worker, ffmpeg and weights. Both run as an
# unprivileged user on a read-only root file system.
ARG DEBIAN=bookworm

FROM rust:1.95-slim-${DEBIAN} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake g++ make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Without rust-toolchain.toml (.dockerignore): rustup would download the toolchain that it names.
COPY . .
# The programs report it as part of their version: --build-arg STENO_COMMIT=$(git rev-parse --short=10 HEAD)
ARG STENO_COMMIT=unknown
# The engine is built for x86-64-v3 processors (AVX2, FMA, F16C, BMI2), not for the processor of the
# build machine, as in scripts/build-deb.sh.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    if [ "$(uname -m)" = x86_64 ]; then \
      export GGML_NATIVE=OFF GGML_SSE42=ON GGML_AVX=ON GGML_AVX2=ON GGML_FMA=ON GGML_F16C=ON GGML_BMI2=ON; \
    fi \
 && cargo build --release --locked --bins \
 && install -D --strip --target-directory=/out/bin \
      target/release/steno target/release/steno-api target/release/steno-courier target/release/steno-worker

# Weights are part of the image of workers, so that workers need no access to the Internet.
FROM build AS weights
ARG MODELS="base speakers"
# hadolint ignore=SC2086
RUN for model in ${MODELS}; do /out/bin/steno weights pull "$model" --weights-dir /out/weights || exit 1; done

FROM debian:${DEBIAN}-slim AS base
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 steno \
 && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/steno --shell /usr/sbin/nologin steno \
 && install -d -o steno -g steno -m 0700 /var/lib/steno
# The only folder that is written to. Mount a volume or a tmpfs here.
ENV STENO_DATA=/var/lib/steno/data \
    STENO_LOG_FORMAT=json
USER 10001:10001
WORKDIR /var/lib/steno
STOPSIGNAL SIGTERM

FROM base AS worker
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/bin/steno /out/bin/steno-worker /usr/local/bin/
COPY --from=weights /out/weights /usr/local/share/steno/weights
ENV STENO_WEIGHTS_DIR=/usr/local/share/steno/weights \
    STENO_WEIGHTS_PULL=false
USER 10001:10001
# A worker ends by itself when a slot makes no progress (STENO_STALL_TIMEOUT): the restart policy is its health check.
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/steno-worker"]

FROM base AS api
COPY --from=build /out/bin/steno /out/bin/steno-api /out/bin/steno-courier /usr/local/bin/
# It refuses to start without API keys there (STENO_API_KEYS_FILE).
ENV STENO_BIND=0.0.0.0:8080
EXPOSE 8080
# steno-courier listens on no port: switch this off for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && grep -q '^HTTP/1.. 200' <&3"]
ENTRYPOINT ["/usr/local/bin/steno-api"]

# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# zlib from its sources, since the last image has none.
ENV LIBZ_SYS_STATIC=1
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --release --bin hansa \
    && install -D target/release/hansa /out/hansa \
    && install -d /out/data

# The C library, CA certificates and time zones, no shell; runs as user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/hansa /usr/local/bin/hansa
COPY --from=build --chown=65532:65532 /out/data /data
WORKDIR /data
VOLUME /data
ENV HANSA_LISTEN=0.0.0.0:4000
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s CMD ["hansa", "health"]
ENTRYPOINT ["hansa"]

# A static binary and nothing else: no shell, no package manager, not root.
FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/catalogue ./cmd/catalogue \
 && mkdir -m 0700 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/catalogue /catalogue
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
EXPOSE 4222 8080
ENTRYPOINT ["/catalogue"]
CMD ["serve", "--data", "/data", "--nats-listen", "0.0.0.0:4222", "--http", "0.0.0.0:8080"]

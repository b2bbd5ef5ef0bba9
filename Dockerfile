# syntax=docker/dockerfile:1
# One static binary on an empty base: no shell, no package manager, no root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
ARG COMMIT=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" \
    -o /dispatcher ./cmd/dispatcher

FROM gcr.io/distroless/static-debian12:nonroot
LABEL org.opencontainers.image.title="voxagent-dispatcher" \
      org.opencontainers.image.description="Delivers Voxagent's events to webhooks" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /dispatcher /usr/local/bin/dispatcher
# 8080: API and dashboard. 9090: metrics and health.
EXPOSE 8080 9090
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/dispatcher"]
CMD ["serve"]

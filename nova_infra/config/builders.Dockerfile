# What builds and scans every service's image: the defaults of [images] in nova.toml, by their digests. No image is built from
# this file. It is one so that Dependabot updates it; run `make docs` afterwards, as the schema has the defaults, too.
FROM moby/buildkit:v0.31.1@sha256:6b59b7df63a8cb9902736f9ddf7fcff8261613d3e7449b8ea8b7537fc399c03a AS buildkit
FROM docker/buildkit-syft-scanner:1.12.0@sha256:ae4f3b554449e7e25548e7d8ccc029d17357348e30c6e3df01b92bc93654d6a9 AS sbom_generator
FROM ghcr.io/anchore/grype:v0.116.0@sha256:fd4ab4d1042b522c896e73bdf09ab8bf384fa417df99d6dd0d6e1008c7e7c821 AS scanner

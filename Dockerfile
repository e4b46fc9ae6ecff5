# syntax=docker/dockerfile:1

# python:3.12-slim (3.12.13 on Debian trixie); the digest is from Docker's official-images repository, and Dependabot updates it.
ARG PYTHON=python:3.12-slim@sha256:229a2c5bfa27522db7815ea81f9bed70af17ccb9de9fc7ad142b1877b5830d36

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements.txt /build/
# Without pip, so that nothing can be installed in the final image.
RUN python -m venv --without-pip /venv && pip --python /venv/bin/python install -r /build/requirements.txt
COPY . /app
# Compiled here, since the image's user cannot write. Unchecked, since the sources never change.
RUN /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /venv/lib /app

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="LLM Benchmark" \
      org.opencontainers.image.description="A self-hosted leaderboard of LLM speed that never stops measuring" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.12-slim"

RUN python -m pip uninstall --yes --root-user-action=ignore pip \
    && groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app

COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app

ENV PATH=/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8001 \
    METRICS_PORT=9100 \
    LOG_FORMAT=json

# A number, so that Kubernetes can verify that it is not root. Any other user ID works, too.
USER 10001:10001
EXPOSE 8001 9100
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --start-interval=2s CMD ["/app/docker/entrypoint.sh", "health"]
ENTRYPOINT ["/app/docker/entrypoint.sh"]
CMD ["api"]

# The pipeline and Dagster in one image: docker-compose.yml starts it as code server, webserver and daemon.
FROM python:3.11-slim-bookworm

# the user that all of it runs as: your own `id -u` where files that only you may read are mounted
ARG MRLF_UID=10001

# OpenCV asks for these two and the slim image lacks them
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid "$MRLF_UID" --no-create-home --shell /usr/sbin/nologin mrlf \
    && install -d -o mrlf -g mrlf -m 0700 /data /dagster

WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps -r requirements.lock

# the import leaves our modules compiled and the digests of their code, which no process can write later
COPY . .
RUN chmod -R a+rX . \
    && pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e . \
    && python -c "import assets.definitions"

# the root of the file system is read-only when it runs: what wants a home writes to /tmp
ENV HOME=/tmp \
    MRLF_DATA=/data \
    DAGSTER_HOME=/dagster \
    DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME=assets.definitions \
    DAGSTER_CLI_ASSET_LIST_MODULE_NAME=assets.definitions \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER mrlf

# A worker, and every other command of spendstream. No shell tricks, no root, no write to its own file system.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY schemas schemas
COPY sql sql
COPY streams streams
RUN python -m venv /opt/spendstream \
 && /opt/spendstream/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt .

FROM python:3.11-slim
COPY --from=build /opt/spendstream /opt/spendstream
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin spendstream
ENV PATH=/opt/spendstream/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8127
STOPSIGNAL SIGTERM
ENTRYPOINT ["spendstream"]
CMD ["worker"]

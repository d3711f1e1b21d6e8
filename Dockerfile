# An image that serves artifacts: the base install with paretext[serve], no PyTorch, not as root.
#
#   docker build -t paretext .
#   docker run --read-only --cap-drop ALL -p 8080:8080 -v ./runs/mine/artifacts:/artifacts:ro \
#     paretext /artifacts/int8
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE CHANGELOG.md ./
COPY src ./src
RUN python -m venv /opt/paretext \
 && /opt/paretext/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
    -c constraints.txt ".[serve]" \
 && /opt/paretext/bin/python -m compileall -q /opt/paretext/lib

FROM python:3.11-slim
COPY --from=build /opt/paretext /opt/paretext
ENV PATH=/opt/paretext/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --system --no-create-home --uid 10001 paretext
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["paretext", "serve", "--host", "0.0.0.0", "--port", "8080"]
CMD ["--help"]

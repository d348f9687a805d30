#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages that `make run` (argument: run), `make test` (test) or
# `make bench` (bench) need, and only those whose command is missing. SUDO names the command that
# makes us root, if any.
set -euo pipefail
what=${1:-run}
PYTHON=${PYTHON:-python3.11}
PATH=$PATH:/usr/sbin # where servers are, and not on everybody's PATH
packages=()
services=()

need() { # need COMMAND PACKAGE...
  command -v "$1" >/dev/null 2>&1 || packages+=("${@:2}")
}

# The package of a server starts it on a port of the machine; tests and benchmarks start their own.
need_server() { # need_server COMMAND PACKAGE SERVICE...
  command -v "$1" >/dev/null 2>&1 || { packages+=("$2"); services+=("${@:3}"); }
}

need "$PYTHON" python3.11 python3.11-venv
if command -v "$PYTHON" >/dev/null 2>&1 && ! "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
  packages+=("python3.11-venv")
fi
need npm npm

can_compile() { # the C extension is optional
  command -v gcc >/dev/null 2>&1 && command -v "$PYTHON" >/dev/null 2>&1 && "$PYTHON" -c '
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}
if ! can_compile; then
  if [ "$what" = run ]; then
    echo "no C compiler or Python headers: packaging works, but takes a few times the CPU;" \
      "to change that: apt install gcc libc6-dev python3.11-dev, then make clean run"
  else
    packages+=(gcc libc6-dev python3.11-dev)
  fi
fi
if [ "$what" = test ]; then
  need ffmpeg ffmpeg
  need chromium chromium
  need gst-launch-1.0 gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  # webrtcbin, and what scripts it: Debian's own Python has gi. Its version is not GStreamer's.
  if ! gst-inspect-1.0 --exists --atleast-version=0.0 nicesrc 2>/dev/null; then
    packages+=(gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0 python3-gi)
  fi
  # 33 packages, 23 MB, ten seconds: OBS is what most people publish with.
  need obs obs-studio
  need Xvfb xvfb
  need_server nginx nginx-light nginx
  need_server varnishd varnish varnish varnishncsa
  need_server turnserver coturn coturn
fi
if [ "$what" = bench ]; then
  need ffmpeg ffmpeg
  need wrk wrk
  need chromium chromium
  need taskset util-linux
  need_server nginx nginx-light nginx
  [ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ] || packages+=(libnginx-mod-rtmp)
fi

if [ ${#packages[@]} -gt 0 ]; then
  echo "installing Debian packages: ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  ${SUDO:-} apt-get update -qq
  ${SUDO:-} apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  for service in "${services[@]}"; do
    ${SUDO:-} systemctl disable --now "$service" >/dev/null 2>&1 || true
  done
fi

#!/usr/bin/env bash
# Prints the path of a Chromium that runs: $CHROMIUM, one on PATH, else Debian's package (as root).
set -euo pipefail

runs() { timeout 60 "$1" --version >/dev/null 2>&1; } # Ubuntu's chromium-browser may be a stub that only talks about snap

on_path() {
    local name path
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if path=$(command -v "$name") && runs "$path"; then
            echo "$path"
            return 0
        fi
    done
    return 1
}

if [ -n "${CHROMIUM:-}" ]; then
    if path=$(command -v "$CHROMIUM") && runs "$path"; then
        echo "$path"
        exit 0
    fi
    echo "[browser] Error: CHROMIUM=$CHROMIUM does not run. Give the path of a Chromium or Chrome, or unset it." >&2
    exit 1
fi

on_path && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "[browser] no Chromium on PATH: installing Debian's package" >&2
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -qy --no-install-recommends chromium; } >&2 || true
    hash -r
    on_path && exit 0
fi

cat >&2 <<'MESSAGE'
[browser] Error: the browser tests need a Chromium, and none was found or could be installed.
[browser] Do one of these, then run `make test` again:
[browser]   sudo apt-get install chromium                  (Debian, Ubuntu)
[browser]   CHROMIUM=/path/to/chrome make test             (any Chromium or Chrome you have)
MESSAGE
exit 1

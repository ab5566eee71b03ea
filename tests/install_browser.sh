#!/bin/sh
# Install Chromium and the fonts that sample_data names, where this user may; tests that need them are skipped otherwise.
set -u
packages="chromium fonts-dejavu-core fonts-noto-cjk"
if command -v chromium >/dev/null && fc-list 2>/dev/null | grep -q 'Noto Sans CJK'; then
    exit 0
fi
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages fontconfig >/dev/null && exit 0
fi
echo "note: no Chromium with its fonts; browser tests will be skipped (they need: $packages)" >&2

#!/usr/bin/env bash
# Runs the suite with the lowest versions that pyproject.toml allows, in a virtual environment of its own.
# Usage: modeling_tests/check_lower_bounds.sh FOLDER [pytest arguments]   (some gigabytes: old torch releases bring CUDA)
set -euo pipefail
folder=${1:?usage: $0 FOLDER [pytest arguments]}
shift
cd "$(dirname "$0")/.."
lowest=$("${PYTHON:-python3}" - <<'PYTHON'
import re, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
for line in project["dependencies"]:
    print(re.sub(r"^([\w-]+)>=([\d.]+).*", r"\1==\2", line))
PYTHON
)
test -x "$folder/bin/python" || "${PYTHON:-python3}" -m venv "$folder"
# Dependencies first and exactly, then the package on top of them.
# shellcheck disable=SC2086
"$folder/bin/pip" install --quiet $lowest 'pytest>=8' 'hypothesis>=6' 'accelerate>=1.1' 'datasets>=3' 'setuptools>=77'
"$folder/bin/pip" install --quiet --no-deps --editable .
"$folder/bin/pip" list 2>/dev/null | grep -iE '^(torch|transformers|numpy|pillow|safetensors|huggingface.hub) '
HF_HUB_OFFLINE=1 "$folder/bin/python" -m pytest "$@"

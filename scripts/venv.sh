#!/usr/bin/env bash
# venv.sh FOLDER REQUIREMENTS: a Python environment with exactly these packages.
# Debian splits `venv` off python3; virtualenv out of pip serves where it is missing.
set -euo pipefail
folder=$1 requirements=$2
if [[ ! -x "$folder/bin/python" ]]; then
    if ! python3 -m venv "$folder" >/dev/null 2>&1; then
        rm -rf "$folder"
        bootstrap=$(mktemp -d)
        trap 'rm -rf "$bootstrap"' EXIT
        python3 -m pip install --quiet --disable-pip-version-check --target "$bootstrap" virtualenv==20.35.4
        PYTHONPATH="$bootstrap" python3 -m virtualenv --quiet "$folder"
    fi
fi
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"

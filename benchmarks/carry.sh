#!/usr/bin/env bash
# One folder to bring to a machine without a network: wheels for its Python, CIFAR-10 in parts under 16 MiB, the code.
#
#   bash benchmarks/carry.sh FOLDER [--python 3.12] [--there FILE] [--cifar10 cifar10.npz]
#       FILE: what is there already, one a line, as pip list --format=freeze says it there; its wheels are left out.
#       jax, jaxlib, numpy and ml_dtypes are taken to be there: they come with the accelerator's own build.
#       cifar10.npz: python -m jaxtricks data cifar10 cifar10.npz makes it; without it there are no parts.
#
# There, in the folder:
#   bash carry.sh --unpack [DESTINATION]     # installs what is missing, joins CIFAR-10, unpacks the code
#   cd DESTINATION && python3 -m benchmarks.accelerator --minutes 8 --out out --data cifar10.npz
set -euo pipefail

if test "${1:-}" = --unpack; then
  here=$(cd "$(dirname "$0")" && pwd)
  destination=${2:-$here/there}
  mkdir -p "$destination"
  tar -xzf "$here/code.tar.gz" -C "$destination"
  # what is installed and new enough stays; nothing is asked of a registry
  python3 -m pip install -q --no-index --find-links "$here/wheels" -r "$here/requirements.txt" ||
    python3 -m pip install -q --no-index --no-deps "$here"/wheels/*.whl
  if test -f "$here/cifar10/cifar10.json"; then
    (cd "$destination" && python3 -m benchmarks._packed join "$here/cifar10" cifar10.npz)
  fi
  echo "ready: cd $destination"
  exit
fi

root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:?"usage: bash benchmarks/carry.sh FOLDER [--python 3.12] [--there FILE] [--cifar10 FILE.npz]"}
shift
python=3.12 there= cifar10=
while test $# -gt 0; do
  case $1 in
    --python) python=$2 ;;
    --there) there=$2 ;;
    --cifar10) cifar10=$2 ;;
    *) echo "$1 is no option; allowed: --python, --there, --cifar10." >&2; exit 2 ;;
  esac
  shift 2
done
mkdir -p "$folder/wheels"
folder=$(realpath "$folder") there=${there:+$(realpath "$there")} cifar10=${cifar10:+$(realpath "$cifar10")}
cp "$0" "$folder/carry.sh"

(cd "$root" && PYTHONPATH=$root python3 -m benchmarks._wheels "$folder/wheels" "$python" "$there")

commit=$(mktemp -d)
git -C "$root" rev-parse HEAD >"$commit/COMMIT"  # there is no checkout there; results name it
git -C "$root" archive --add-file="$commit/COMMIT" HEAD jaxtricks experiments benchmarks tests/cases pyproject.toml | gzip >"$folder/code.tar.gz"
if test -n "$cifar10"; then
  (cd "$root" && PYTHONPATH=$root python3 -m benchmarks._packed pack "$cifar10" "$folder/cifar10")
fi
du -sh "$folder" "$folder"/*

#!/usr/bin/env bash
# One folder to bring to a machine without a network: wheels for its Python, CIFAR-10 in parts under 16 MiB, the code.
#
#   bash benchmarks/carry.sh FOLDER [--python 3.12] [--there FILE] [--cifar10 cifar10.npz]
#       FILE: names of the packages that are there already, one a line (pip list --format=freeze, there); their wheels
#       are left out. Without it, jax, jaxlib and what belongs to their accelerator are taken to be there.
#       cifar10.npz: python -m jaxtricks data cifar10 cifar10.npz makes it; without it there are no parts.
#
# There, in the folder:
#   bash carry.sh --unpack [DESTINATION]     # installs what is missing, joins CIFAR-10, unpacks the code
#   cd DESTINATION && python3 -m benchmarks.accelerator --minutes 8 --out out --data cifar10.npz
set -euo pipefail
there_by_default="jax jaxlib ml-dtypes numpy"

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
cp "$0" "$folder/carry.sh"

# the package's requirements, as pyproject.toml has them
python3 - "$root/pyproject.toml" >"$folder/requirements.txt" <<'PYTHON'
import sys, tomllib
print("\n".join(tomllib.load(open(sys.argv[1], "rb"))["project"]["dependencies"]))
PYTHON

# wheels for that Python on Linux, x86-64, of any glibc since 2.17
platforms=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64)
for minor in $(seq 17 39); do platforms+=(--platform "manylinux_2_${minor}_x86_64"); done
python3 -m pip download -q --dest "$folder/wheels" --only-binary=:all: --implementation cp \
  --python-version "$python" "${platforms[@]}" -r "$folder/requirements.txt"
python3 - "$folder/wheels" "$there" "$there_by_default" <<'PYTHON'
import pathlib, re, sys
folder, there, default = sys.argv[1:]
names = pathlib.Path(there).read_text().split() if there else default.split()
plain = lambda name: re.sub(r"[-_.]+", "-", re.split(r"[=<>@ ]", name)[0]).lower()
names = {plain(name) for name in names}
for wheel in pathlib.Path(folder).glob("*.whl"):
    if plain(wheel.name.split("-")[0]) in names:
        wheel.unlink()
PYTHON

git -C "$root" archive HEAD jaxtricks experiments benchmarks tests/cases tests/__init__.py pyproject.toml 2>/dev/null |
  gzip >"$folder/code.tar.gz" ||
  git -C "$root" archive HEAD jaxtricks experiments benchmarks tests/cases pyproject.toml | gzip >"$folder/code.tar.gz"
if test -n "$cifar10"; then (cd "$root" && PYTHONPATH=$root python3 -m benchmarks._packed pack "$(realpath "$cifar10")" "$(realpath "$folder")/cifar10"); fi
du -sh "$folder" "$folder"/*

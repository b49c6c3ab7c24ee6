#!/bin/sh
# Records the programs of the experiments in this folder, each as FOLDER/NAME.trace.
#
#   papers/record.sh FOLDER [NAME...]
#
# Run it from the root of the project, where scripts/fetch-corpus and scripts/build-libraries have
# made corpus/. UPSHIFT is the command to record with, RUNS how often each tier is measured. Traces
# take some 60 MB and are not kept in the repository: results name the digest of each.
set -eu
folder=$1
shift
mkdir -p "$folder"
upshift=${UPSHIFT:-upshift}
kernels=tests/programs/kernels
inputs=tests/programs/inputs

# record NAME OPTIONS... FILE ARGUMENTS...
record() {
    name=$1
    shift
    case " $wanted " in
    "  " | *" $name "*) ;;
    *) return 0 ;;
    esac
    echo "$name" >&2
    "$upshift" lab record -o "$folder/$name.trace" --runs "${RUNS:-2}" "$@"
}
wanted=$*

python="--env PYTHONHASHSEED=0 --dir $inputs::/in corpus/python.wasm /in/report.py"
# shellcheck disable=SC2086
record python-short $python
# shellcheck disable=SC2086
record python-long $python 40
design="read_verilog /in/counter.v"
share="--dir $inputs::/in --dir corpus/yosys-share::/share --dir $folder::/tmp"
# shellcheck disable=SC2086
record yosys-short $share corpus/yosys.wasm -Q -T -q -p "$design; proc; opt; stat"
# shellcheck disable=SC2086
record yosys-long $share corpus/yosys.wasm -Q -T -q -p "$design; synth_ice40 -top counter"
: > "$folder/shapes.s"
clang="--dir $inputs::/in --dir $kernels::/kernels --dir $folder::/tmp corpus/clang.wasm"
# shellcheck disable=SC2086
record clang-short $clang --target=wasm32 -O0 -S /in/shapes.c -o /tmp/shapes.s
# shellcheck disable=SC2086
record clang-long $clang --target=wasm32 -O3 -mtail-call -S /kernels/small_funcs.c -o /tmp/shapes.s
chip="--dir $inputs::/in --dir corpus/nextpnr-share::/share --dir $folder::/tmp"
# shellcheck disable=SC2086
record nextpnr $chip corpus/nextpnr-ice40.wasm --lp384 --package qn32 --json /in/counter.json \
    --asc /tmp/counter.asc --seed 1 -q
libraries=corpus/libraries
record lua-short $libraries/lua.wasm 100
record lua-long $libraries/lua.wasm 400
record quickjs $libraries/quickjs.wasm 400
record sqlite $libraries/sqlite.wasm 300
record chess $libraries/rust_chess.wasm 3000
record regexp $libraries/go_regexp.wasm 200
record treesitter $libraries/tree_sitter.wasm 300
record interp $kernels/interp.wasm 60000
record main_loop $kernels/main_loop.wasm 200000000
